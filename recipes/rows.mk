# The rows of the paper's tables: what each changes in recipes/SCALE/pretrain.yaml, at every scale.
# A scale says in its scale.mk what SIZE is: the end of the architecture's name (tiny, 420m, 1b).

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

ROW_NAMES := $(patsubst ROW.%,%,$(filter ROW.%,$(.VARIABLES)))

# $(call model_name,ROW,BUDGET,SEED): the budget and the seed stand in a name where they are not the default.
model_name = $(1)$(if $(filter data,$(2)),-data)$(if $(filter-out 0,$(3)),-seed$(3))
# $(call row_options,ROW,BUDGET,SEED): what `lst pretrain` is told for it. EXTRA changes further keys, of all rows.
row_options = $(foreach set,$(ROW.$(1)) $(if $(filter data,$(2)),budget.mode=data) $(if $(filter-out 0,$(3)),seed=$(3)) \
	$(EXTRA),--set $(set)) $(INPUTS.$(1)) $(OPTIONS)
EXTRA ?=
# Further options of `lst pretrain`, such as --dry-run.
OPTIONS ?=
