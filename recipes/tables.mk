# The paper's tables at one scale. From the repository's root:
#
#   make table3 SCALE=tiny                                     the same as
#   make -f recipes/tables.mk table3 SCALE=tiny SEEDS="0 1 2"  a table, over three seeds
#   make -f recipes/tables.mk models SCALE=tiny ROWS="baseline static" SEEDS="0 1 2" BUDGETS="compute data"
#   make -f recipes/tables.mk model-curriculum-data-seed1 SCALE=tiny
#
# A model is called ROW, ROW-data (budget.mode=data), ROW-seed1, ROW-data-seed1: rows.mk says what a row is, and
# recipes/SCALE/scale.mk what it is trained and scored on.

SCALE ?= tiny
SEEDS ?= 0
BUDGETS ?= compute

.PHONY: all models scores
all: models

include recipes/$(SCALE)/scale.mk recipes/rows.mk

ROWS ?= baseline bpe static aligned mixed curriculum

# $(call names,ROWS,BUDGETS): the models of these rows and budgets, with all SEEDS.
names = $(foreach row,$(1),$(foreach budget,$(2),$(foreach seed,$(SEEDS),$(call model_name,$(row),$(budget),$(seed)))))

# $(call model_rules,NAME,ROW,BUDGET,SEED)
define model_rules
.PHONY: model-$(1) scores-$(1)
model-$(1): shards $(NEEDS.$(2))
	@$$(STAGE) pretrain-$(1) $$(LST) pretrain $$(CONFIG) $$(PRETRAIN) --name $(1) $$(call row_options,$(2),$(3),$(4))

scores-$(1): model-$(1)
	@$$(foreach task,$$(TASKS),$$(STAGE) eval-$(1)-$$(task) $$(LST) --quiet eval $$(task) model/$(1) \
		--items $$(call items_file,$$(task)) --tokens $$(SPOKEN_ITEMS) --directions s-s,t-t --name $(1)-$$(task) &&) true
endef

$(foreach row,$(ROW_NAMES),$(foreach budget,compute data,$(foreach seed,$(SEEDS),\
	$(eval $(call model_rules,$(call model_name,$(row),$(budget),$(seed)),$(row),$(budget),$(seed))))))

unknown := $(filter-out $(ROW_NAMES),$(ROWS))
$(if $(unknown),$(error no such row: $(unknown). There are: $(sort $(ROW_NAMES))))

models: $(addprefix model-,$(call names,$(ROWS),$(BUDGETS)))
scores: $(addprefix scores-,$(call names,$(ROWS),$(BUDGETS)))
