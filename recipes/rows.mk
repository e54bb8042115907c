# The rows of the paper's tables: what each changes in recipes/SCALE/pretrain.yaml, at every scale.
#
# A scale sets in its scale.mk: SIZE, the end of the architecture's name (tiny, 420m, 1b); SIZES.table8 and SIZES.fig4, two
# sizes each; MIXTURE, what pretrain.yaml mixes (speech to text), and MIXTURE.table10; STEPS.long, the steps of Tables 3, 4
# and 11 and of Fig. 1, where they differ from those of pretrain.yaml; STEPS.half and STEPS.quarter, parts of Fig. 1's steps.

ROW.baseline := model.architecture=baseline_$(SIZE)
ROW.static := model.architecture=lst_$(SIZE) patching.strategy=static
ROW.aligned := model.architecture=lst_$(SIZE) patching.strategy=aligned
ROW.mixed := model.architecture=lst_$(SIZE) patching.strategy=mixed
ROW.curriculum := model.architecture=lst_$(SIZE) patching.strategy=curriculum

# Table 6: length of static patches; silence as separate patches or merged into the words.
ROW.static6 := $(ROW.static) patching.size=6
ROW.static9 := $(ROW.static) patching.size=9
ROW.aligned-merged := $(ROW.aligned) patching.silence=merged
ROW.curriculum-merged := $(ROW.curriculum) patching.silence=merged

# Table 10: a patch for each BPE text token of a word.
ROW.aligned-piece := $(ROW.aligned) patching.spans=piece
ROW.curriculum-piece := $(ROW.curriculum) patching.spans=piece

# Patches that need no aligner, in training or at inference: random lengths of the same mean, and two learnt rules.
ROW.random := model.architecture=lst_$(SIZE) patching.strategy=random
ROW.hazard := model.architecture=lst_$(SIZE) patching.strategy=hazard
ROW.entropy := model.architecture=lst_$(SIZE) patching.strategy=entropy
$(foreach rule,hazard entropy,$(eval INPUTS.$(rule) := --patching-rule patching_rule/$(rule))\
	$(eval NEEDS.$(rule) := rule-$(rule)))

# The baseline over speech tokens merged by a BPE. INPUTS.ROW are inputs of this row only, NEEDS.ROW the target that makes
# them.
ROW.bpe := $(ROW.baseline)
INPUTS.bpe := --speech-bpe speech_bpe/spoken
NEEDS.bpe := speech-bpe

# Baseline and LST of another size (Table 8, Fig. 4), mixture (Table 10, Fig. 6) or number of steps (Fig. 1, the ladder).
# The scale's own size, mixture and steps have no suffix. SIZE_SET.SIZE are further keys of a size.
PAIR := baseline curriculum
$(foreach size,$(filter-out $(SIZE),$(sort $(SIZES.table8) $(SIZES.fig4))),$(foreach row,$(PAIR),\
	$(eval ROW.$(row)-$(size) := $$(patsubst %_$(SIZE),%_$(size),$$(ROW.$(row))) $$(SIZE_SET.$(size)))))
TABLE10 := aligned aligned-piece curriculum curriculum-piece
$(foreach share,$(filter-out $(MIXTURE),1to4 1to3 1to2 1to1),$(foreach row,$(PAIR) $(if $(filter 1to4,$(share)),$(filter-out $(PAIR),$(TABLE10))),\
	$(eval ROW.$(row)-$(share) := $$(ROW.$(row)) data.speech_weight=1 data.text_weight=$(lastword $(subst to, ,$(share))))))
# The ladder, where the scale has STEPS.double: a quarter, half, all and twice of the steps.
LADDER := $(if $(STEPS.double),baseline bpe static static9 curriculum)
$(foreach part,quarter half $(if $(LADDER),double),$(foreach row,$(or $(LADDER),$(PAIR)),\
	$(eval ROW.$(row)-$(part) := $$(ROW.$(row)) budget.steps=$$(STEPS.$(part)))\
	$(eval INPUTS.$(row)-$(part) := $$(INPUTS.$(row)))$(eval NEEDS.$(row)-$(part) := $$(NEEDS.$(row)))))

# Rows of Tables 3, 4 and 11 where the scale trains them for more steps than the others.
LONG := $(if $(STEPS.long),-long)
$(if $(LONG),$(foreach row,baseline bpe static aligned mixed curriculum,\
	$(eval ROW.$(row)-long := $$(ROW.$(row)) budget.steps=$$(STEPS.long))\
	$(eval INPUTS.$(row)-long := $$(INPUTS.$(row)))$(eval NEEDS.$(row)-long := $$(NEEDS.$(row)))))
long = $(addsuffix $(LONG),$(1))

at_sizes = $(foreach size,$(1),$(foreach row,$(PAIR),$(row)$(addprefix -,$(filter-out $(SIZE),$(size)))))
# $(call with_mixtures,ROWS,MIXTURES)
with_mixtures = $(foreach share,$(2),$(foreach row,$(1),$(row)$(addprefix -,$(filter-out $(MIXTURE),$(share)))))

ROW_NAMES := $(patsubst ROW.%,%,$(filter ROW.%,$(.VARIABLES)))

# $(call row_size,ROW): the size of its model, such as 7b.
row_size = $(patsubst model.architecture=%,%,$(filter model.architecture=%,$(subst baseline_,,$(subst lst_,,$(ROW.$(1))))))

# $(call model_name,ROW,BUDGET,SEED): names contain the budget and the seed unless they are the default.
model_name = $(1)$(if $(filter data,$(2)),-data)$(if $(filter-out 0,$(3)),-seed$(3))
# $(call pretrain_inputs,ROW): its training inputs.
pretrain_inputs = $(PRETRAIN) $(INPUTS.$(1))
# $(call row_options,ROW,BUDGET,SEED): its options of `lst pretrain`. EXTRA changes further keys, of all rows.
row_options = $(foreach set,$(ROW.$(1)) $(if $(filter data,$(2)),budget.mode=data-controlled) $(if $(filter-out 0,$(3)),seed=$(3)) \
	$(EXTRA),--set $(set)) $(OPTIONS)
EXTRA ?=
# Further options of `lst pretrain`, such as --dry-run.
OPTIONS ?=
