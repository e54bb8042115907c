# The small scale: LibriSpeech, a model of 420 M, one GPU, hours per row; docs/reproduce.md has the costs.

SCALE := small
ROOT ?= artifacts-small
CORPORA := librispeech-clean librispeech-other
LAYOUT.librispeech-clean := librispeech
FOLDER.librispeech-clean := LibriSpeech/train-clean-360
FETCH.librispeech-clean := librispeech-train-clean-360
LAYOUT.librispeech-other := librispeech
FOLDER.librispeech-other := LibriSpeech/train-other-500
FETCH.librispeech-other := librispeech-train-other-500
FETCH_TEXT := librispeech-text
TEXT = $(DATA)/librispeech-lm-norm.txt.gz
TEXT_TOKENIZER = fit $(TEXT) --pieces 16000

SIZE := 420m
SIZES.table8 := 110m 420m
SIZES.fig4 := 110m 420m
STEPS.half := 2500
STEPS.quarter := 1250
STEPS.double := 10000
STEPS.asr-quarter := 500
STEPS.asr-half := 1000
STEPS.tts-quarter := 1000
STEPS.tts-half := 2000
LST_TRAIN = $(LST)
LST_TUNE = $(LST)

include recipes/public.mk
