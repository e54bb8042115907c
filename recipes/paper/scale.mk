# The paper's scale: a cluster under Slurm. `make` runs on a login node and waits for each job; docs/reproduce.md says
# what has to be asked for, and what of this was never run.

SCALE := paper
ROOT ?= artifacts-paper
CORPORA := mls librispeech-clean
LAYOUT.mls := mls
FOLDER.mls := mls_english_opus/train
FETCH.mls := mls-english
LAYOUT.librispeech-clean := librispeech
FOLDER.librispeech-clean := LibriSpeech/train-clean-360
FETCH.librispeech-clean := librispeech-train-clean-360
# Llama 2's SentencePiece model and web text: yours to provide.
LLAMA_TOKENIZER ?= $(DATA)/tokenizer.model
TEXT ?= $(DATA)/text
TEXT_TOKENIZER = import $(LLAMA_TOKENIZER)

SIZE := 1b
SIZES.table8 := 1b 7b
SIZES.fig4 := 420m 1_8b
# 7B: 4 M positions a step, 25k steps (Lu et al. 2025, A.3).
SIZE_SET.7b := budget.steps=25000 data.global_batch_size=1024
# Fig. 4 is compute-optimal (section 3): 20 text tokens for each parameter, and half as many speech tokens.
SIZE_SET.420m := budget.steps=24000
SIZE_SET.1_8b := budget.steps=103000
# Tables 3, 4 and 11 and Fig. 1 are runs of 500k steps, all others of the 200k of pretrain.yaml.
STEPS.long := 500000
STEPS.half := 250000
STEPS.quarter := 125000
STEPS.asr-quarter := 1000
STEPS.asr-half := 2000
STEPS.tts-quarter := 5000
STEPS.tts-half := 10000
# Options of sbatch, such as --nodes=8 --partition=gpu.
SBATCH ?=
# Starts what several processes share.
SHARED ?= srun --nodes=1 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=12
LST_TRAIN = sbatch --wait $(SBATCH) $(RECIPES)/paper/train.sbatch $(BIN)/lst --root $(ROOT)

include recipes/public.mk
