# The rows of the paper's tables: what each changes in recipes/SCALE/pretrain.yaml, at every scale.
#
# A scale says in its scale.mk: SIZE, the end of the architecture's name (tiny, 420m, 1b); SIZES.table8 and SIZES.fig4, two
# sizes each; MIXTURE, what pretrain.yaml mixes (speech to text); STEPS.half and STEPS.quarter of the steps there.

ROW.baseline := model.architecture=baseline_$(SIZE)
ROW.static := model.architecture=lst_$(SIZE) patching.strategy=static
ROW.aligned := model.architecture=lst_$(SIZE) patching.strategy=aligned
ROW.mixed := model.architecture=lst_$(SIZE) patching.strategy=mixed
ROW.curriculum := model.architecture=lst_$(SIZE) patching.strategy=curriculum

# Table 6: size of static patches, silence beside or inside the words.
ROW.static6 := $(ROW.static) patching.size=6
ROW.static9 := $(ROW.static) patching.size=9
ROW.aligned-merged := $(ROW.aligned) patching.silence=merged
ROW.curriculum-merged := $(ROW.curriculum) patching.silence=merged

# Table 10: a patch for each text piece of a word.
ROW.aligned-piece := $(ROW.aligned) patching.spans=piece
ROW.curriculum-piece := $(ROW.curriculum) patching.spans=piece

# The baseline over speech tokens that a BPE has merged. INPUTS.ROW are inputs of this row only, NEEDS.ROW the target that
# makes them.
ROW.bpe := $(ROW.baseline)
INPUTS.bpe := --speech-bpe speech_bpe/spoken
NEEDS.bpe := speech-bpe

# A.11: word boundaries moved by so many milliseconds. SHARDS.ROW is the end of the speech shards' names.
ROW.aligned-noise20 := $(ROW.aligned)
ROW.aligned-noise40 := $(ROW.aligned)
SHARDS.aligned-noise20 := -noise20
SHARDS.aligned-noise40 := -noise40
NEEDS.aligned-noise20 := noise20
NEEDS.aligned-noise40 := noise40

# Baseline and LST of another size (Table 8, Fig. 4), mixture (Fig. 6) or length (Fig. 1); what the scale's own config
# says has no ending. SIZE_SET.SIZE are keys that go with a size.
PAIR := baseline curriculum
$(foreach size,$(filter-out $(SIZE),$(sort $(SIZES.table8) $(SIZES.fig4))),$(foreach row,$(PAIR),\
	$(eval ROW.$(row)-$(size) := $$(patsubst %_$(SIZE),%_$(size),$$(ROW.$(row))) $$(SIZE_SET.$(size)))))
$(foreach share,$(filter-out $(MIXTURE),1to3 1to2 1to1),$(foreach row,$(PAIR),\
	$(eval ROW.$(row)-$(share) := $$(ROW.$(row)) data.speech_weight=1 data.text_weight=$(lastword $(subst to, ,$(share))))))
$(foreach part,half quarter,$(foreach row,$(PAIR),\
	$(eval ROW.$(row)-$(part) := $$(ROW.$(row)) budget.steps=$$(STEPS.$(part)))))

at_sizes = $(foreach size,$(1),$(foreach row,$(PAIR),$(row)$(addprefix -,$(filter-out $(SIZE),$(size)))))
with_mixtures = $(foreach share,$(1),$(foreach row,$(PAIR),$(row)$(addprefix -,$(filter-out $(MIXTURE),$(share)))))

ROW_NAMES := $(patsubst ROW.%,%,$(filter ROW.%,$(.VARIABLES)))

# $(call model_name,ROW,BUDGET,SEED): the budget and the seed stand in a name where they are not the default.
model_name = $(1)$(if $(filter data,$(2)),-data)$(if $(filter-out 0,$(3)),-seed$(3))
# $(call pretrain_inputs,ROW): what it is trained from.
pretrain_inputs = $(call PRETRAIN,$(SHARDS.$(1))) $(INPUTS.$(1))
# $(call row_options,ROW,BUDGET,SEED): what `lst pretrain` is told for it. EXTRA changes further keys, of all rows.
row_options = $(foreach set,$(ROW.$(1)) $(if $(filter data,$(2)),budget.mode=data-controlled) $(if $(filter-out 0,$(3)),seed=$(3)) \
	$(EXTRA),--set $(set)) $(OPTIONS)
EXTRA ?=
# Further options of `lst pretrain`, such as --dry-run.
OPTIONS ?=
