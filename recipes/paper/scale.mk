# The paper's scale: a cluster under Slurm. `make` runs on a login node, submits each stage and waits for it;
# docs/reproduce.md says what has to be asked for, and what of this was never run.

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
SIZE_SET.7b := budget.steps=25000 data.global_batch_size=1024 run.activation_checkpointing=true run.micro_batch_size=4
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

# Every stage is a job. These options go to all of them: the account, and whatever else your cluster asks for.
SLURM ?=
# Partitions, time limits and memory by kind of job, such as GPU_JOB="--partition=gpu --time=12:00:00".
GPU_JOB ?= --time=24:00:00 --mem-per-gpu=100G
CPU_JOB ?= --time=24:00:00 --mem=128G
# Nodes of 8 GPUs for a training, by the size of the model. 7B needs 64 GPUs of 80 GiB (docs/scaling.md).
NODES := 4
NODES.7b := 8
# Tokenizing, alignment and scoring are shared by the 8 GPUs of a node.
SHARED ?= srun --nodes=1 --ntasks=8 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=12 $(GPU_JOB) $(SLURM)
ON_GPU ?= srun --nodes=1 --ntasks=1 --gpus-per-node=1 --cpus-per-task=12 $(GPU_JOB) $(SLURM)
ON_CPU ?= srun --nodes=1 --ntasks=1 --cpus-per-task=32 $(CPU_JOB) $(SLURM)
# Corpora and shards are made by an array of 8 tasks, each of which starts when some node has 16 cores free.
SHARED_CPU ?= sbatch --wait --array=0-7 --cpus-per-task=16 $(CPU_JOB) $(SLURM) $(RECIPES)/paper/array.sbatch
TRAIN_JOB = $(RECIPES)/paper/train.sbatch $(BIN)/lst --root $(ROOT)
# $(call LST_TRAIN,SIZE). `sbatch --wait` keeps `make` running until the job ends, for days: run it in tmux.
LST_TRAIN = sbatch --wait --nodes=$(or $(NODES.$(1)),$(NODES)) $(GPU_JOB) $(SLURM) $(TRAIN_JOB)
# A fine-tuning step has 4 sequences: one GPU.
LST_TUNE = sbatch --wait --nodes=1 --ntasks-per-node=1 --gpus-per-node=1 $(GPU_JOB) $(SLURM) $(TRAIN_JOB)

include recipes/public.mk
