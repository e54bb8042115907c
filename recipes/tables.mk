# The paper's tables and figures at one scale. From the repository's root:
#
#   make table3 SCALE=tiny                                     the same as
#   make -f recipes/tables.mk table3 SCALE=tiny SEEDS="0 1 2"  a table, over three seeds
#   make -f recipes/tables.mk models SCALE=tiny ROWS="baseline static" SEEDS="0 1 2" BUDGETS="compute data"
#   make -f recipes/tables.mk model-curriculum-data-seed1 SCALE=tiny
#   make ladder SCALE=tiny                                     rows over rising compute, three seeds: RESULTS/ladder.md
#   make -f recipes/tables.mk page-table3 SCALE=tiny           the runs behind a table, as one HTML page
#
# A model is called ROW, ROW-data (budget.mode=data-controlled), ROW-seed1, ROW-data-seed1: rows.mk defines the rows, and
# recipes/SCALE/scale.mk their training and evaluation data. Tables are written to RESULTS.

SCALE ?= tiny
# Table 9 and the ladder compare seeds.
SEEDS ?= $(if $(filter table9 page-table9 ladder ladder-page,$(MAKECMDGOALS)),0 1 2,0)
BUDGETS ?= compute
RESULTS ?= docs/results/$(SCALE)

.PHONY: all models scores
all: models

include recipes/$(SCALE)/scale.mk recipes/rows.mk

# The rows of each table: ROWS.TABLE with the same steps, DATA_ROWS.TABLE with the same data, and its tasks.
ROWS.table3 := $(call long,baseline bpe static aligned mixed curriculum)
ROWS.table4 := $(call long,static)
DATA_ROWS.table4 := $(call long,baseline bpe aligned mixed curriculum)
ROWS.table6 := static static6 static9 aligned aligned-merged curriculum curriculum-merged
ROWS.table8 := $(call at_sizes,$(SIZES.table8))
ROWS.table9 := baseline static curriculum
ROWS.table10 := $(call with_mixtures,$(TABLE10),$(MIXTURE.table10))
ROWS.table11 := $(call long,baseline curriculum)
ROWS.table12 := baseline curriculum
FIG1 := $(foreach row,$(PAIR),$(row)-quarter $(row)-half $(call long,$(row)))
ROWS.fig1 := $(FIG1)
ROWS.fig1b :=
DATA_ROWS.fig1b := $(FIG1)
ROWS.fig4 := $(call at_sizes,$(SIZES.fig4))
ROWS.fig6 := $(call with_mixtures,$(PAIR),1to4 1to3 1to2 1to1)
ROWS.boundary-noise := aligned
# A.11: each model of the table is scored again, the word boundaries of the spoken items moved by so many milliseconds.
MOVED.boundary-noise := noise20 noise40
STORIES := hellaswag storycloze topicstorycloze
$(foreach table,3 4 6 9 10,$(eval TASKS.table$(table) := $(STORIES)))
# TASK-original: the recordings that a benchmark is published with.
TASKS.table11 := $(foreach task,storycloze topicstorycloze,$(task)-original $(filter-out $(ONLY_ORIGINAL),$(task)))
TASKS.table12 := swuggy sblimp
SCORED := $(sort $(patsubst ROWS.%,%,$(filter ROWS.%,$(.VARIABLES))))

ROWS ?= $(ROWS.table3)
unknown := $(filter-out $(ROW_NAMES),$(ROWS))
$(if $(unknown),$(error no such row: $(unknown). There are: $(sort $(ROW_NAMES))))

# $(call names,ROWS,BUDGETS): the models of these rows and budgets, with all SEEDS.
names = $(foreach row,$(1),$(foreach budget,$(2),$(foreach seed,$(SEEDS),$(call model_name,$(row),$(budget),$(seed)))))
# $(call table_names,TABLE): its models. $(call table_tasks,TABLE): its tasks.
table_names = $(call names,$(ROWS.$(1)),compute) $(call names,$(DATA_ROWS.$(1)),data)
table_tasks = $(filter $(HAVE),$(or $(TASKS.$(1)),hellaswag))

# $(call model_rule,NAME,ROW,BUDGET,SEED)
define model_rule
.PHONY: model-$(1)
model-$(1): shards $(NEEDS.$(2))
	@$$(STAGE) pretrain-$(1) $$(call LST_TRAIN,$$(call row_size,$(2))) pretrain $$(CONFIG) $$(call pretrain_inputs,$(2)) --name $(1) \
		$$(call row_options,$(2),$(3),$(4))

endef
# $(call as_trained,NAME,TASK): the alignment of the spoken items for a model of a row with aligned patches only. Empty
# for other rows, and for items without texts to align.
as_trained = $(if $(filter aligned%,$(1)),$(call items_alignment,$(2)))
patched = $(if $(call as_trained,$(1),$(2)),--patching as-trained --alignment $(call as_trained,$(1),$(2)))
# $(call scores_rule,NAME,TASK)
define scores_rule
.PHONY: scores-$(1)-$(2)
scores-$(1)-$(2): model-$(1) items-$(2) $(if $(call as_trained,$(1),$(2)),aligned-items-$(2))
	@$$(STAGE) eval-$(1)-$(2) $$(LST_SHARED) --quiet eval $(patsubst %-original,%,$(2)) model/$(1) --items $$(call items_file,$(2)) \
		--tokens $$(call items_tokens,$(2)) --directions $$(call directions,$(2)) \
		$(call patched,$(1),$(2)) --name $(1)-$(2)

endef
# $(call moved_items_rule,TASK,MOVED): an alignment of the spoken items with moved boundaries.
define moved_items_rule
.PHONY: $(2)-items-$(1)
$(2)-items-$(1): aligned-items-$(1)
	@$$(STAGE) $(2)-items-$(1) $$(LST_CPU) align noise $(call items_alignment,$(1)) --ms $(patsubst noise%,%,$(2)) \
		--name $(patsubst alignment/%,%,$(call items_alignment,$(1)))-$(2)

endef
# $(call moved_scores_rule,NAME,TASK,MOVED): text has no boundaries to move.
define moved_scores_rule
.PHONY: scores-$(1)-$(2)-$(3)
scores-$(1)-$(2)-$(3): model-$(1) items-$(2) $(3)-items-$(2)
	@$$(STAGE) eval-$(1)-$(2)-$(3) $$(LST_SHARED) --quiet eval $(2) model/$(1) --items $$(call items_file,$(2)) \
		--tokens $$(call items_tokens,$(2)) --directions s-s --patching as-trained --alignment $(call items_alignment,$(2))-$(3) \
		--name $(1)-$(2)-$(3)

endef
# $(call table_rule,TABLE): the table, and page-TABLE, the report of its runs.
define table_rule
.PHONY: $(1) page-$(1)
$(1): $(addprefix scores-,$(call score_names,$(1)))
	@$$(STAGE) $(1) $$(LST_CPU) report $(1) --name $(1) --out $$(RESULTS) $(call table_scores,$(1))
	@$$(BIN)/python recipes/results.py $$(RESULTS) --scale $$(SCALE)
page-$(1): $(1)
	@$$(STAGE) page-$(1) $$(LST_CPU) report --name page-$(1) --out $$(RESULTS)/page-$(1) $(call table_scores,$(1))

endef
score_names = $(foreach name,$(call table_names,$(1)),$(foreach task,$(call table_tasks,$(1)),\
	$(name)-$(task) $(addprefix $(name)-$(task)-,$(MOVED.$(1)))))
table_scores = $(addprefix --scores scores/,$(call score_names,$(1)))
directions = $(if $(filter $(1),$(SPEECH_ONLY)),s-s,s-s$(comma)t-t)
comma := ,

$(eval $(foreach row,$(ROW_NAMES),$(foreach budget,compute data,$(foreach seed,$(SEEDS),\
	$(call model_rule,$(call model_name,$(row),$(budget),$(seed)),$(row),$(budget),$(seed))))))
ALL_NAMES := $(call names,$(ROW_NAMES),compute data)
$(eval $(foreach name,$(ALL_NAMES),$(foreach task,$(sort $(STORIES) $(TASKS.table11) $(TASKS.table12)),$(call scores_rule,$(name),$(task)))))
$(eval $(foreach moved,$(MOVED.boundary-noise),$(foreach task,$(call table_tasks,boundary-noise),$(call moved_items_rule,$(task),$(moved))\
	$(foreach name,$(call table_names,boundary-noise),$(call moved_scores_rule,$(name),$(task),$(moved))))))
$(eval $(foreach table,$(SCORED),$(call table_rule,$(table))))

models: $(addprefix model-,$(call names,$(ROWS),$(BUDGETS)))
scores: $(foreach name,$(call names,$(ROWS),$(BUDGETS)),$(foreach task,$(filter $(HAVE),$(STORIES)),scores-$(name)-$(task)))

# Table 5: each of these pretrained models is fine-tuned for each task, for a quarter, half and all of the steps.
TUNED := baseline curriculum
TUNED_TASKS := asr tts
SHARES := -quarter -half all
# $(call tuned_name,NAME,TASK,SHARE)
tuned_name = $(1)-$(2)$(filter-out all,$(3))
tuned_names = $(foreach name,$(call names,$(TUNED),compute),$(foreach task,$(TUNED_TASKS),$(foreach share,$(SHARES),\
	$(call tuned_name,$(name),$(task),$(share)))))
# $(call evaluated_name,TUNED NAME,SET): of EVALUATED_ON, the first set is the usual one.
evaluated_name = $(1)$(addprefix -,$(filter-out $(firstword $(EVALUATED_ON)),$(2)))
# $(call tuned_rule,NAME,TASK,SHARE,TUNED NAME)
define tuned_rule
.PHONY: model-$(4) scores-$(4)
model-$(4): model-$(1) items-$(2)
	@$$(STAGE) finetune-$(4) $$(LST_TUNE) finetune $(2) $$(TUNE_CONFIG.$(2)) --model model/$(1) $$(TUNE_SHARDS.$(2)) --name $(4) \
		$(if $(filter -%,$(3)),--set budget.steps=$$(STEPS.$(2)$(3)))
scores-$(4): model-$(4) items-$(2)
	@$(foreach set,$(EVALUATED_ON),$$(STAGE) eval-$(call evaluated_name,$(4),$(set)) $$(LST_SHARED) eval $(2) model/$(4) \
		$$(call eval_inputs,$(2),$(set)) --name $(call evaluated_name,$(4),$(set)) &&) true

endef
$(eval $(foreach name,$(call names,$(TUNED),compute),$(foreach task,$(TUNED_TASKS),$(foreach share,$(SHARES),\
	$(call tuned_rule,$(name),$(task),$(share),$(call tuned_name,$(name),$(task),$(share)))))))

.PHONY: table5 page-table5
tuned_scores = $(foreach name,$(tuned_names),$(foreach set,$(EVALUATED_ON),--scores scores/$(call evaluated_name,$(name),$(set))))
table5: $(addprefix scores-,$(tuned_names))
	@$(STAGE) table5 $(LST_CPU) report table5 --name table5 --out $(RESULTS) $(tuned_scores)
	@$(BIN)/python recipes/results.py $(RESULTS) --scale $(SCALE)
page-table5: table5
	@$(STAGE) page-table5 $(LST_CPU) report --name page-table5 --out $(RESULTS)/page-table5 $(tuned_scores)

# The ladder: rows over rising compute, three seeds, cheapest runs first. `ladder-page` shows partial results at any
# time. TRANSFER are StoryCloze items with pairs that occur in written training stories but not in spoken ones.
LADDER_NAMES = $(foreach part,-quarter -half all -double,$(call names,$(addsuffix $(filter-out all,$(part)),$(LADDER)),compute))
# $(call further_rule,NAME): two further evaluations; of every model where the scale has a ladder.
define further_rule
.PHONY: scores-$(1)-transfer scores-$(1)-without
scores-$(1)-transfer: model-$(1) items-storycloze $(if $(call as_trained,$(1),storycloze),aligned-items-storycloze)
	@$$(STAGE) eval-$(1)-transfer $$(LST_SHARED) --quiet eval storycloze model/$(1) --items $$(call items_file,transfer) \
		--tokens $$(call items_tokens,transfer) --directions s-s $(call patched,$(1),storycloze) --name $(1)-transfer
scores-$(1)-without: model-$(1) items-storycloze $(if $(call as_trained,$(1),storycloze),aligned-items-storycloze)
	@$$(STAGE) eval-$(1)-without $$(LST_SHARED) --quiet eval storycloze model/$(1) --items $$(call items_file,storycloze) \
		--tokens $$(call items_tokens,storycloze) --directions s-s --ablate cross-attention \
		$(call patched,$(1),storycloze) --name $(1)-without

endef
$(if $(LADDER),$(eval $(foreach name,$(ALL_NAMES),$(call further_rule,$(name)))))
.PHONY: ladder ladder-page
ladder: $(foreach name,$(LADDER_NAMES),$(addprefix scores-$(name)-,storycloze topicstorycloze $(LADDER_FURTHER) \
	$(if $(LADDER_FURTHER),$(if $(filter baseline% bpe%,$(name)),,without)))) ladder-page
ladder-page:
	@$(BIN)/python recipes/ladder.py $(RESULTS) --root $(ROOT) --rows $(LADDER) --seeds $(SEEDS)

.PHONY: fig5
fig5: $(foreach name,$(call names,curriculum,compute),model-$(name))
	@$(STAGE) fig5 $(LST_GPU) report fig5 --models model/$(firstword $(call names,curriculum,compute)) \
		--shards $(WORDS_OF) --name fig5 --out $(RESULTS)
	@$(BIN)/python recipes/results.py $(RESULTS) --scale $(SCALE)

.PHONY: table13
table13: shards
	@$(STAGE) table13 $(LST_CPU) report table13 --shards $(firstword $(COUNTED)) --name table13 --out $(RESULTS)
	@$(BIN)/python recipes/results.py $(RESULTS) --scale $(SCALE)
