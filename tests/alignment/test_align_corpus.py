from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from lst_cli.alignment.align_corpus import RunOptions, count_pauses, plan_run
from lst_cli.alignment.fit.fit_aligner import plan_fit
from lst_cli.alignment.kinds import ALIGNER, ALIGNMENT_FILE
from lst_cli.alignment.shared_alignment import AlignmentModel
from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.config import to_dict
from lst_cli.distributed.launcher import Rank
from lst_cli.errors import LstError, UserError
from lst_cli.main import app
from tests.alignment.conftest import QUICK, add_corpus, fake_tokens
from tests.alignment.tones import Spoken, speak, write_folder

ALONE = Rank(0, 1, 0)


def options(corpus: Artifact, tokens: Artifact, aligner: Artifact, **changes: object) -> RunOptions:
    changes = {"name": "tones", "max_reject_rate": 0.01} | changes
    model = AlignmentModel(aligner=aligner, model=None, language="en", min_score=changes.pop("min_score", 0.2))  # type: ignore[arg-type]
    return RunOptions(corpus=corpus, tokens=tokens, model=model, **changes)  # type: ignore[arg-type]


def rows_of(alignment: Artifact) -> dict[str, dict[str, list]]:  # type: ignore[type-arg]
    return {row["id"]: row for row in read_parquet(alignment.file(ALIGNMENT_FILE)).to_pylist()}


@pytest.fixture(scope="module")
def alignment(store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact) -> Artifact:
    return store.build(*plan_run(options(corpus, tokens, aligner), ALONE)).artifact


def test_words_are_where_they_were_spoken(alignment: Artifact, spoken: list[Spoken]) -> None:
    rows = rows_of(alignment)
    assert list(rows) == [one.id for one in spoken]
    differences = []
    for one in spoken:
        row = rows[one.id]
        assert row["words"] == one.text.split()
        differences += np.abs(np.array(row["starts"]) * 0.04 - one.starts_s).tolist()
        differences += np.abs(np.array(row["ends"]) * 0.04 - one.ends_s).tolist()
    # Rounding to tokens of 40 ms alone makes up to 20 ms, 10 ms in the median.
    assert np.median(differences) < 0.020
    assert np.quantile(differences, 0.95) < 0.050
    assert alignment.statistics["words"] == sum(len(one.text.split()) for one in spoken)
    assert 0.5 < alignment.statistics["score"] <= 1


def test_a_fit_is_the_same_twice(store: Store, corpus: Artifact, aligner: Artifact, tmp_path: Path) -> None:
    assert not store.build(*plan_fit([corpus], "tones", QUICK, 0.0)).fresh
    again = Store(tmp_path).build(*plan_fit([corpus], "tones", QUICK, 0.0)).artifact
    assert again.files == aligner.files
    assert aligner.statistics["trust"] > 0.9 and aligner.statistics["held_out_score"] > 0.8


def test_a_fit_that_learns_nothing_fails(store: Store, corpus: Artifact) -> None:
    with pytest.raises(LstError, match="did not learn"):
        store.build(*plan_fit([corpus], "none", dataclasses.replace(QUICK, steps=1, learning_rate=1e-12), 0.0))
    assert not list((store.root / "aligner").glob("none/*"))


def test_what_cannot_be_aligned_is_rejected_by_name(store: Store, aligner: Artifact, tmp_path: Path) -> None:
    spoken = [speak(number) for number in range(100, 104)]
    texts = [spoken[0].text, "garden " * 60, "say 你好", "bread bread lemon kite bread milk kite lemon"]
    write_folder(tmp_path / "bad", [dataclasses.replace(one, text=t) for one, t in zip(spoken, texts, strict=True)])
    corpus = add_corpus(store, tmp_path / "bad", "bad")
    tokens = fake_tokens(store, corpus, "bad")
    with pytest.raises(UserError, match="3 of 4 inputs were rejected"):
        store.build(*plan_run(options(corpus, tokens, aligner, name="bad", min_score=0.5), ALONE))
    kept = store.build(
        *plan_run(options(corpus, tokens, aligner, name="bad", min_score=0.5, max_reject_rate=0.8), ALONE)
    ).artifact
    assert list(rows_of(kept)) == ["utt-100"]
    rejects = read_parquet(kept.file("rejects.parquet")).to_pylist()
    reasons = {row["id"]: row["reason"] for row in rejects}
    assert "more than can be spoken" in reasons["utt-101"]
    assert "no label for '你'" in reasons["utt-102"]
    assert "--min-score 0.5" in reasons["utt-103"]


def test_tokens_of_another_corpus(store: Store, tokens: Artifact, aligner: Artifact, tmp_path: Path) -> None:
    write_folder(tmp_path / "other", [dataclasses.replace(speak(200), id="other")])
    other = add_corpus(store, tmp_path / "other", "other")
    with pytest.raises(UserError, match="not made from corpus/other"):
        store.build(*plan_run(options(other, tokens, aligner, name="other"), ALONE))


def test_a_corpus_without_transcripts(store: Store, tmp_path: Path) -> None:
    write_folder(tmp_path / "mute", [speak(201)])
    (tmp_path / "mute" / "utt-201.txt").unlink()
    mute = add_corpus(store, tmp_path / "mute", "mute", with_text=False)
    with pytest.raises(UserError, match=r"corpus/mute/.*no transcripts"):
        store.build(*plan_fit([mute], "mute", QUICK, 0.0))


def test_a_damaged_aligner(store: Store, corpus: Artifact, tokens: Artifact, aligner: Artifact, tmp_path: Path) -> None:
    shutil.copytree(aligner.path, tmp_path / "damaged")
    damaged = store.find(str(tmp_path / "damaged"), ALIGNER)
    damaged.file("model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"model.safetensors: not the weights of an aligner"):
        store.build(*plan_run(options(corpus, tokens, damaged, name="damaged"), ALONE))


def test_pauses_are_counted() -> None:
    starts, ends = np.array([1, 3, 0, 4]), np.array([3, 5, 4, 6])
    # Before the first word of the first utterance, and after the last of the second.
    assert count_pauses(starts, ends, np.array([2, 2]), np.array([5, 8])) == 2
    assert count_pauses(np.array([0, 3]), np.array([2, 4]), np.array([2]), np.array([4])) == 1


def test_the_commands(corpus: Artifact, store: Store, tokens: Artifact, tmp_path: Path) -> None:
    settings = tmp_path / "quick.yaml"
    settings.write_text(yaml.safe_dump({**to_dict(QUICK), "seed": 3}))
    fit = ["align", "fit", str(corpus.path), "--name", "cli", "--config", str(settings), "--set", "steps=40"]
    lst = CliRunner()
    result = lst.invoke(app, ["--root", str(tmp_path), *fit])
    assert result.exit_code == 0, result.output
    fitted = Store(tmp_path).find("aligner/cli", ALIGNER)
    assert (fitted.config["seed"], fitted.config["steps"]) == (3, 40)
    run = ["align", "run", str(corpus.path), "--tokens", str(tokens.path), "--name", "cli"]
    result = lst.invoke(app, ["--root", str(tmp_path), *run, "--aligner", "aligner/cli"])
    assert result.exit_code == 0, result.output
    on_a_gpu = lst.invoke(app, ["--root", str(tmp_path), *run, "--aligner", "aligner/cli", "--device", "cuda"])
    assert "the small aligner runs on the CPU" in str(on_a_gpu.exception)
    for models in ([], ["--aligner", "aligner/cli", "--model", "some/model"]):
        assert "either --aligner, or --model" in str(
            lst.invoke(app, ["--root", str(tmp_path), *run, *models]).exception
        )
    wrong = lst.invoke(app, ["--root", str(tmp_path), *fit, "--set", "stepps=4"]).exception
    assert isinstance(wrong, UserError) and "did you mean steps?" in str(wrong)
