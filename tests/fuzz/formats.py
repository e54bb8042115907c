"""Every format that ``lst`` reads: a good file of it, and a command that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from tests.faults.pipeline import CLIPS, SECONDS
from tests.inference.models import WORDS
from tests.units.speech import RATE, sound


@dataclass(frozen=True)
class Format:
    """A file to damage, and a command line that reads it."""

    name: str
    file: str
    """A path or a glob below the folder that holds ``inputs`` and ``root``; of several the first."""
    command: Sequence[str]
    write: Callable[[Path], object] | None = None
    """Writes a good file; None where the pipeline has written it."""


def _flac(path: Path) -> None:
    soundfile.write(path, sound(SECONDS, 7), RATE, format="FLAC")


def _rows(path: Path) -> list[dict[str, object]]:
    """Rows of a manifest of the pipeline's recordings."""
    audio = path.parents[1] / "audio"
    return [{"path": str(audio / f"u{i}.wav"), "id": f"m{i}", "text": " ".join(WORDS[i : i + 3])} for i in range(CLIPS)]


def _tsv(path: Path) -> None:
    rows = _rows(path)
    path.write_text("\n".join("\t".join(map(str, row)) for row in (rows[0], *(row.values() for row in rows))))


def _jsonl(path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, _rows(path))))


def _parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(_rows(path)), path)


def _ctm(path: Path) -> None:
    path.write_text("".join(f"u{i} 1 {0.3 * n:.2f} 0.3 {w} 0.9\n" for i in range(CLIPS) for n, w in _words(i)))


def _json_words(path: Path) -> None:
    words = [{"word": word, "start": 0.3 * n, "end": 0.3 * n + 0.3, "score": 0.9} for n, word in _words(0)]
    path.write_text(json.dumps({"segments": [{"start": 0, "end": SECONDS, "words": words}]}))


def _words(clip: int) -> list[tuple[int, str]]:
    return list(enumerate(WORDS[clip : clip + 3]))


def _texts(path: Path) -> None:
    path.write_text("".join(json.dumps({"text": " ".join(WORDS[i:])}) + "\n" for i in range(10)))


def _text_table(path: Path) -> None:
    pq.write_table(pa.table({"text": [" ".join(WORDS[i:]) for i in range(10)]}), path)


def _hellaswag(path: Path) -> None:
    row = {"activity_label": "a cat", "ctx_a": "the cat sat", "ctx_b": "it", "endings": WORDS[:4], "label": 1}
    path.write_text("".join(json.dumps({"ind": n, **row}) + "\n" for n in range(3)))


def _unfinished_run(path: Path) -> None:
    path.parent.mkdir(parents=True)
    run = {"version": "abcdef", "steps": 20, "config": {"budget": {"steps": 20}}, "parents": {}}
    (path.parent / "run.json").write_text(json.dumps(run))
    line = {"step": 2, "split": "train", "loss": 3.5, "tokens": 100}
    (path.parent / "curve.jsonl").write_text(json.dumps(line) + "\n")


_EVAL = ["eval", "storycloze", "model/m", "--items", "{inputs}/stories.csv", "--directions", "t-t", "--name", "fuzzed"]
_FUZZ = "inputs/fuzz"
_ADD = ["corpus", "add", "--name", "fuzzed", "--workers", "1", "--max-reject-rate", "0.5"]
_ALIGN = ["align", "import", "--tokens", "tokens/c", "--name", "fuzzed", "--max-reject-rate", "1"]
_SHARDS = ["shards", "speech", "--tokens", "tokens/c", "--tokenizer", "text_tokenizer/t", "--alignment", "alignment/a"]
_TEXT = ["shards", "text", "--tokenizer", "text_tokenizer/t", "--name", "fuzzed", "--max-reject-rate", "0.9"]
_PLAN = ["--shards", "shards/speech", "--text-shards", "shards/text", "--name", "fuzzed", "--dry-run"]
_SMALL = ["--set", "data.positions=48", "--set", "budget.steps=20", "--set", "patching.strategy=static"]
_UNITS = ["units", "fit", "corpus/c", "--name", "fuzzed", "--clusters", "8", "--frames", "90", "--iterations", "2"]

FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("wav", "inputs/audio/u0.wav", [*_ADD, "{inputs}/audio"]),
        Format("flac", "inputs/audio/u9.flac", [*_ADD, "{inputs}/audio", "--no-text"], _flac),
        Format("transcript", "inputs/audio/u0.txt", [*_ADD, "{inputs}/audio"]),
        Format("manifest-tsv", f"{_FUZZ}/m.tsv", [*_ADD, "{file}"], _tsv),
        Format("manifest-jsonl", f"{_FUZZ}/m.jsonl", [*_ADD, "{file}"], _jsonl),
        Format("manifest-parquet", f"{_FUZZ}/m.parquet", [*_ADD, "{file}"], _parquet),
        Format("textgrid", "inputs/grids/u0.TextGrid", [*_ALIGN, "{inputs}/grids"]),
        Format("ctm", f"{_FUZZ}/u.ctm", [*_ALIGN, "{file}"], _ctm),
        Format("whisperx", f"{_FUZZ}/u0.json", [*_ALIGN, "{file}"], _json_words),
        Format("text", "inputs/text.txt", [*_TEXT, "{file}"]),
        Format("text-jsonl", f"{_FUZZ}/t.jsonl", [*_TEXT, "{file}"], _texts),
        Format("text-parquet", f"{_FUZZ}/t.parquet", [*_TEXT, "{file}"], _text_table),
        Format("tokenizer", "inputs/tokenizer.model", ["text", "import", "{file}", "--name", "fuzzed"]),
        Format("yaml", "inputs/train.yaml", ["pretrain", "{file}", *_PLAN]),
        Format(
            "centroids",
            f"{_FUZZ}/c.npy",
            ["units", "import", "{file}", "--features", "mfcc", "--name", "fuzzed"],
            lambda path: np.save(path, np.zeros((4, 39), np.float32)),
        ),
        Format(
            "storycloze",
            "inputs/stories.csv",
            ["pretrain", "{inputs}/train.yaml", *_PLAN, "--stories", "storycloze:{file}"],
        ),
        Format(
            "hellaswag",
            f"{_FUZZ}/h.jsonl",
            ["pretrain", "{inputs}/train.yaml", *_PLAN, "--stories", "hellaswag:{file}"],
            _hellaswag,
        ),
        Format("artifact-json", "root/corpus/c/*/artifact.json", [*_UNITS, "--name", "fuzzed"]),
        Format("artifact-list", "root/tokens/c/*/artifact.json", ["artifact", "ls"]),
        Format("utterances", "root/corpus/c/*/utterances.parquet", _UNITS),
        Format("tokens", "root/tokens/c/*/tokens-*.parquet", [*_SHARDS, "--name", "fuzzed"]),
        Format("alignment", "root/alignment/a/*/alignment.parquet", [*_SHARDS, "--name", "fuzzed"]),
        Format("shards", "root/shards/speech/*/shard-*.parquet", ["pretrain", "{inputs}/train.yaml", *_PLAN, *_SMALL]),
        Format("model-card", "root/model/m/*/model.json", _EVAL),
        Format("model-weights", "root/model/m/*/model.safetensors", _EVAL),
        Format("model-tokenizer", "root/model/m/*/tokenizer.model", _EVAL),
        Format("metrics", "root/model/m/*/metrics.jsonl", ["runs", "show", "m", "--page", "{inputs}/page.html"]),
        Format("run", "root/model/m/.abcdef.partial/parts/run.json", ["runs", "ls"], _unfinished_run),
        Format("curve", "root/model/m/.abcdef.partial/parts/curve.jsonl", ["runs", "ls"], _unfinished_run),
        Format(
            "quantizer",
            "root/quantizer/q/*/centroids.safetensors",
            ["tokenize", "corpus/c", "--quantizer", "quantizer/q", "--name", "fuzzed", "--workers", "1"],
        ),
    )
}
