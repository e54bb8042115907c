# Shared by the small and paper scales: public corpora to shards, benchmark files to spoken items. Included by their
# scale.mk after CORPORA (names of corpora in DATA, with LAYOUT.NAME, FOLDER.NAME and FETCH.NAME), TEXT and
# QUANTIZER are set. HuBERT units and alignment need a GPU; nothing here has been run on one yet (docs/reproduce.md).

RECIPES := recipes
BIN ?= $(abspath .venv)/bin
DATA ?= data
STAGE = $(BIN)/python $(RECIPES)/stage.py --root $(ROOT)
LST = $(BIN)/lst --root $(ROOT)
# Clusters, tokenizing, alignment and scoring are shared by as many processes as this starts, such as SHARED="torchrun --standalone --nproc-per-node 8 --no-python".
SHARED ?=
LST_SHARED = $(SHARED) $(LST)
# The same for corpora and shards, which need no GPU.
SHARED_CPU ?=
LST_SHARED_CPU = $(SHARED_CPU) $(LST)
# Stages in one process: on a GPU, and on CPUs alone.
ON_GPU ?=
ON_CPU ?=
LST_GPU = $(ON_GPU) $(LST)
LST_CPU = $(ON_CPU) $(LST)
FETCH = $(BIN)/python $(RECIPES)/fetch.py --to $(DATA)

# mHuBERT at 25 Hz, layer 11, and 501 clusters fitted here; alignment by a wav2vec2 CTC model.
UNITS_FROM ?= hubert:slprl/mhubert-base-25hz
UNITS_LAYER ?= 11
ALIGN_WITH ?= torchaudio:WAV2VEC2_ASR_BASE_960H
# Voice of the spoken benchmarks; as in the paper, a voice of Kokoro, whose files are downloaded.
VOICE ?= kokoro:$(DATA)/kokoro\#af_heart
KOKORO = $(if $(filter kokoro:$(DATA)/kokoro%,$(VOICE)),kokoro-model kokoro-voices)
# A config for the vocoder; without one it is the light vocoder. recipes/small/vocoder.yaml is a HiFi-GAN.
VOCODER ?=

CONFIG = $(RECIPES)/$(SCALE)/pretrain.yaml
PRETRAIN = $(foreach corpus,$(CORPORA),--shards shards/$(corpus)) --text-shards shards/text
WORDS_OF = shards/librispeech-clean
COUNTED = $(addprefix shards/,$(CORPORA))
MIXTURE := 1to2
MIXTURE.table10 := 1to4

# Benchmarks that must be requested (docs/reproduce.md) are used if they are in DATA: as a CSV, or as the folder of the
# spoken release, which has no text.
FILE.hellaswag := $(DATA)/hellaswag_val.jsonl
FILE.storycloze := $(firstword $(wildcard $(DATA)/storycloze.csv $(DATA)/sSC))
FILE.topicstorycloze := $(firstword $(wildcard $(DATA)/topicstorycloze.csv $(DATA)/tSC))
# The original recordings for Table 11; without a CSV, they are the only ones.
ORIGINAL.storycloze := $(wildcard $(DATA)/sSC)
ORIGINAL.topicstorycloze := $(wildcard $(DATA)/tSC)
ORIGINALS := $(foreach task,storycloze topicstorycloze,$(if $(ORIGINAL.$(task)),$(task)-original))
ONLY_ORIGINAL := $(foreach task,storycloze topicstorycloze,$(if $(filter %.csv,$(FILE.$(task))),,$(task)))
FILE.storycloze-original := $(ORIGINAL.storycloze)
FILE.topicstorycloze-original := $(ORIGINAL.topicstorycloze)
FILE.swuggy := $(DATA)/sLM21-dataset/lexical/dev/gold.csv
FILE.sblimp := $(DATA)/sLM21-dataset/syntactic/dev/gold.csv
HAVE := hellaswag $(foreach task,storycloze topicstorycloze,$(if $(FILE.$(task)),$(task))) $(ORIGINALS) swuggy sblimp
RECORDED := $(foreach task,storycloze topicstorycloze,$(if $(filter-out %.csv,$(FILE.$(task))),$(task))) $(ORIGINALS) swuggy sblimp
SPEECH_ONLY := $(RECORDED)
# $(call recordings,TASK): their folder.
recordings = $(if $(filter %.csv,$(FILE.$(1))),$(dir $(FILE.$(1))),$(FILE.$(1)))
items_file = $(FILE.$(1))
items_tokens = tokens/items-$(1)
# The alignment of spoken items for models with aligned patches only. Recordings without texts have none.
items_alignment = $(if $(filter $(RECORDED),$(1)),,alignment/items-$(1))

TUNE_CONFIG.asr = $(RECIPES)/$(SCALE)/asr.yaml
TUNE_CONFIG.tts = $(RECIPES)/$(SCALE)/tts.yaml
TUNE_SHARDS.asr = --shards shards/librispeech-clean
TUNE_SHARDS.tts = $(TUNE_SHARDS.asr)
EVALUATED_ON := test-clean test-other
eval_inputs = --corpus corpus/$(2) $(if $(filter asr,$(1)),--tokens tokens/$(2),--vocoder vocoder/librispeech)

ITEMS := hellaswag storycloze topicstorycloze storycloze-original topicstorycloze-original swuggy sblimp
.PHONY: fetch zerospeech units text shards speech-bpe items-asr items-tts $(addprefix items-,$(ITEMS)) \
	$(addprefix corpus-,$(CORPORA)) $(addprefix shards-,$(CORPORA))

fetch:
	@$(FETCH) hellaswag $(KOKORO) $(addprefix librispeech-,$(EVALUATED_ON)) $(FETCH_TEXT) $(foreach corpus,$(CORPORA),$(FETCH.$(corpus)))

$(addprefix corpus-,$(CORPORA)): corpus-%: fetch
	@$(STAGE) $@ $(LST_SHARED_CPU) corpus add $(DATA)/$(FOLDER.$*) --layout $(LAYOUT.$*) --name $*

units: corpus-$(firstword $(CORPORA))
	@$(STAGE) units $(LST_SHARED) units fit corpus/$(firstword $(CORPORA)) --features $(UNITS_FROM) --layer $(UNITS_LAYER) \
		--clusters 501 --name hubert

text: fetch
	@$(STAGE) text $(LST_CPU) text $(TEXT_TOKENIZER) --name text

$(addprefix shards-,$(CORPORA)): shards-%: corpus-% units text
	@$(STAGE) tokens-$* $(LST_SHARED) tokenize corpus/$* --quantizer quantizer/hubert --name $*
	@$(STAGE) alignment-$* $(LST_SHARED) align run corpus/$* --tokens tokens/$* --model $(ALIGN_WITH) --name $*
	@$(STAGE) shards-$* $(LST_SHARED_CPU) shards speech --tokens tokens/$* --alignment alignment/$* --corpus corpus/$* \
		--tokenizer text_tokenizer/text --name $*

shards: $(addprefix shards-,$(CORPORA))
	@$(STAGE) shards-text $(LST_SHARED_CPU) shards text $(TEXT) --tokenizer text_tokenizer/text --name text

speech-bpe: shards
	@$(STAGE) speech-bpe $(LST_CPU) shards bpe shards/$(firstword $(CORPORA)) --pieces 1000 --sequences 100000 --name spoken

# More than half an hour of aligned speech does not improve the hazard rule.
.PHONY: rule-hazard rule-entropy
rule-hazard: shards
	@$(STAGE) rule-hazard $(LST_CPU) patching fit hazard alignment/$(firstword $(CORPORA)) --minutes 30 --name hazard
rule-entropy: shards
	@$(STAGE) rule-entropy $(LST_CPU) patching fit entropy tokens/$(firstword $(CORPORA)) --name entropy

# Story completion is synthesised if its texts are available; ZeroSpeech's items are recordings.
zerospeech:
	@$(FETCH) zerospeech-2021

items-swuggy items-sblimp: zerospeech
$(addprefix items-,$(ITEMS)): items-%: units
	@$(STAGE) corpus-items-$* $(LST_SHARED_CPU) corpus $(if $(filter $*,$(RECORDED)),add $(call recordings,$*) --layout folder \
		--no-text,synth --items $*:$(FILE.$*) --voice $(VOICE)) --name items-$*
	@$(STAGE) tokens-items-$* $(LST_SHARED) tokenize corpus/items-$* --quantizer quantizer/hubert --name items-$*

# Every item must be scored, so no utterance is rejected for a low alignment score.
.PHONY: $(addprefix aligned-items-,$(ITEMS))
$(addprefix aligned-items-,$(ITEMS)): aligned-items-%: items-%
	@$(STAGE) alignment-items-$* $(LST_SHARED) align run corpus/items-$* --tokens tokens/items-$* --model $(ALIGN_WITH) \
		--min-score 0 --name items-$*

items-asr: units
	@$(foreach set,$(EVALUATED_ON),\
		$(STAGE) corpus-$(set) $(LST_SHARED_CPU) corpus add $(DATA)/LibriSpeech/$(set) --layout librispeech --name $(set) && \
		$(STAGE) tokens-$(set) $(LST_SHARED) tokenize corpus/$(set) --quantizer quantizer/hubert --name $(set) &&) true

items-tts: items-asr shards
	@$(STAGE) vocoder $(LST_GPU) vocoder fit corpus/librispeech-clean --tokens tokens/librispeech-clean --name librispeech \
		$(if $(VOCODER),--config $(VOCODER))
