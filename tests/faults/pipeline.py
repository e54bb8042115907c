"""Every command that writes below a root, with small inputs: the steps of a pipeline that takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
import yaml

from tests.inference.models import WORDS, tokenizer_bytes
from tests.training.runs import BASELINE, CONFIG
from tests.units.speech import RATE, sound

CLIPS = 6
SECONDS = 1.2


@dataclass(frozen=True)
class Step:
    """One command line."""

    name: str
    arguments: Sequence[str]
    after: Sequence[str] = ()
    """Steps that must have run before it."""

    def command(self, root: Path, inputs: Path) -> list[str]:
        """The arguments of ``lst``."""
        return ["--quiet", "--root", str(root), *(self._filled(part, root, inputs) for part in self.arguments)]

    @staticmethod
    def _filled(part: str, root: Path, inputs: Path) -> str:
        return part.replace("{root}", str(root)).replace("{inputs}", str(inputs))


_SETS = [part for change in (*BASELINE, "budget.steps=4", "log_every=2") for part in ("--set", change)]
_RUN = ["--set", "run.checkpoint_every=2", "--set", "schedule.warmup_steps=1", "--set", "run.tensorboard=false"]
_TRAIN = ["{inputs}/train.yaml", *_SETS, *_RUN, "--set", "patching.strategy=none"]
_TUNE = ["{inputs}/tune.yaml", "--set", "schedule.warmup_steps=1", "--set", "run.tensorboard=false"]
_DATA = ["--shards", "shards/speech", "--text-shards", "shards/text"]
_JOINED = ["--tokens", "tokens/c", "--alignment", "alignment/a", "--tokenizer", "text_tokenizer/t"]
_ALIGNED = ["corpus/c", "--tokens", "tokens/c", "--aligner", "aligner/g"]
_VOCODER = ["steps=4", "save_every=2", "batch=2", "segment_s=0.4", "network.width=8", "network.blocks=1"]

STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("corpus", ["corpus", "add", "{inputs}/audio", "--name", "c", "--workers", "1"]),
        Step("text-import", ["text", "import", "{inputs}/tokenizer.model", "--name", "t"]),
        Step("text-fit", ["text", "fit", "{inputs}/text.txt", "--name", "f", "--pieces", "300"]),
        Step(
            "units",
            ["units", "fit", "corpus/c", "--name", "q", "--clusters", "8", "--frames", "90", "--iterations", "2"],
            ["corpus"],
        ),
        Step("tokenize", ["tokenize", "corpus/c", "--quantizer", "quantizer/q", "--workers", "1"], ["units"]),
        Step(
            "synth", ["corpus", "synth", "{inputs}/lines.txt", "--name", "s", "--voice", "fake:bob", "--workers", "1"]
        ),
        Step("aligner", ["align", "fit", "corpus/c", "--name", "g", "--set", "steps=20"], ["corpus"]),
        Step(
            "align-run",
            ["align", "run", *_ALIGNED, "--name", "r", "--min-score", "0", "--max-reject-rate", "0.9"],
            ["tokenize", "aligner"],
        ),
        Step("align", ["align", "import", "{inputs}/grids", "--tokens", "tokens/c", "--name", "a"], ["tokenize"]),
        Step("speech", ["shards", "speech", *_JOINED, "--name", "speech"], ["align", "text-import"]),
        Step(
            "text",
            ["shards", "text", "{inputs}/text.txt", "--tokenizer", "text_tokenizer/t", "--name", "text"],
            ["text-import"],
        ),
        Step("pretrain", ["pretrain", *_TRAIN, *_DATA, "--name", "m"], ["speech", "text"]),
        Step("export", ["export", "model/m", "{root}/../exported"], ["pretrain"]),
        Step("import", ["import", "{root}/../exported", "--name", "back"], ["export"]),
        Step(
            "finetune",
            ["finetune", "asr", *_TUNE, "--model", "model/m", "--shards", "shards/speech", "--name", "asr"],
            ["pretrain"],
        ),
        Step(
            "eval",
            ["eval", "storycloze", "model/m", "--items", "{inputs}/stories.csv", "--directions", "t-t"],
            ["pretrain"],
        ),
        Step("eval-asr", ["eval", "asr", "model/asr", "--tokens", "tokens/c", "--corpus", "corpus/c"], ["finetune"]),
        Step("report", ["report", "--name", "r"], ["eval"]),
        Step(
            "vocoder",
            ["vocoder", "fit", "corpus/c", "--tokens", "tokens/c", "--name", "v"]
            + [part for change in _VOCODER for part in ("--set", change)],
            ["tokenize"],
        ),
        Step("rm", ["artifact", "rm", "tokens/c", "--force"], ["speech"]),
        Step("rm-version", ["artifact", "rm", "text_tokenizer/t/current", "--force"], ["text-import"]),
        Step("gc", ["artifact", "gc", "--unfinished"], ["text-import"]),
    )
}


def write_inputs(folder: Path) -> Path:
    """The files that the steps read."""
    for name in ("audio", "grids"):
        (folder / name).mkdir(parents=True)
    for number in range(CLIPS):
        words = WORDS[number : number + 3]
        soundfile.write(folder / "audio" / f"u{number}.wav", sound(SECONDS, number), RATE)
        (folder / "audio" / f"u{number}.txt").write_text(" ".join(words))
        (folder / "grids" / f"u{number}.TextGrid").write_text(_grid(words))
    (folder / "lines.txt").write_text("".join(f"l{n}\tthis is line {n}. it is spoken\n" for n in range(8)))
    (folder / "text.txt").write_text("".join(" ".join(WORDS[i:] + WORDS[:i]) + "\n" for i in range(40)))
    (folder / "tokenizer.model").write_bytes(tokenizer_bytes())
    (folder / "train.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "tune.yaml").write_text(yaml.safe_dump(_TUNING))
    (folder / "stories.csv").write_text(_STORIES)
    return folder


_TUNING = {
    "budget": {"steps": 4},
    "data": {"positions": 128, "global_batch_size": 2, "streams": 2, "held_out": 0.3},
    "validation": {"every": 2},
    "precision": "float32",
    "log_every": 2,
    "run": {"checkpoint_every": 2, "device": "cpu", "threads": 1},
}

_STORIES = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
    + "".join(f"s{n},the cat sat,on a mat,and the dog,ran to a tree,birds sang,the sun,{n % 2 + 1}\n" for n in range(4))
)


def _grid(words: Sequence[str]) -> str:
    """A Praat TextGrid with a words tier."""
    length = SECONDS / len(words)
    intervals = "".join(
        f"        intervals [{i + 1}]:\n            xmin = {i * length}\n            xmax = {(i + 1) * length}\n"
        f'            text = "{word}"\n'
        for i, word in enumerate(words)
    )
    return (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0\nxmax = {SECONDS}\ntiers? <exists>\nsize = 1\n"
        f'item []:\n    item [1]:\n        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n'
        f"        xmax = {SECONDS}\n        intervals: size = {len(words)}\n{intervals}"
    )


def needed(name: str) -> list[Step]:
    """The steps before one, in an order in which they can run."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        for before in step.after:
            visit(STEPS[before])
            found.setdefault(before, STEPS[before])

    visit(STEPS[name])
    return list(found.values())
