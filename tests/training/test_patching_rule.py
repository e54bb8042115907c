"""A model whose patches are cut by a learnt rule: from aligned speech to scores, without an aligner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import lst_cli
from lst_cli.alignment.kinds import ALIGNMENT, ALIGNMENT_FILE, alignment_schema
from lst_cli.artifacts import Artifact, Draft, Request, Store
from lst_cli.artifacts.parquet import write_parquet
from lst_cli.errors import UserError
from lst_cli.hashing import integers
from lst_cli.inference.generate import Prompt, generate
from lst_cli.main import app
from lst_cli.model_artifact.card import MODEL, load_folder, load_model
from lst_cli.patching.strategies import FITTED
from lst_cli.patching_rules.rule_artifact import PATCHING_RULE
from lst_cli.units.quantizer.codebook import QUANTIZER
from lst_cli.units.tokens import TOKENS, tokens_schema
from tests.training.runs import BASELINE, pretrain
from tests.training.world import WORDS, make_world, spoken


def lst(root: Path, *arguments: object) -> None:
    app(["--root", str(root), *map(str, arguments)], standalone_mode=False)


def add_aligned(store: Store, name: str, numbers: range) -> None:
    """Tokens and alignment of random words of the world."""
    quantizer = store.find("quantizer/q", QUANTIZER)
    rows = []
    for number in numbers:
        units, starts, ends = [0, 0], [], []
        for word in integers(0, len(WORDS) - 1, number, np.arange(6)).tolist():
            starts.append(len(units))
            units += spoken(word)
            ends.append(len(units))
            units += [0, 0]
        rows.append({"id": f"u{number}", "units": units, "words": ["w"] * len(starts), "starts": starts, "ends": ends})

    def tokens(draft: Draft) -> None:
        table = [{key: row[key] for key in ("id", "units")} for row in rows]
        write_parquet(draft.path / "tokens-00000.parquet", pa.Table.from_pylist(table, schema=tokens_schema()))

    def alignment(draft: Draft) -> None:
        table = [{**row, "scores": [1.0] * len(row["starts"])} for row in rows]
        write_parquet(draft.path / ALIGNMENT_FILE, pa.Table.from_pylist(table, schema=alignment_schema()))

    made_of = {"first": numbers.start}
    request = Request(kind=TOKENS, name=name, config=made_of, parents={"quantizer": quantizer})
    made = store.build(request, tokens).artifact
    store.build(Request(kind=ALIGNMENT, name=name, config=made_of, parents={"tokens": made}), alignment)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    store = make_world(folder)
    add_aligned(store, "w", range(60))
    add_aligned(store, "other", range(100, 120))
    lst(folder, "patching", "fit", "hazard", "alignment/w", "--name", "hazard", "--mean", 3)
    lst(folder, "patching", "fit", "entropy", "tokens/w", "--name", "entropy", "--mean", 6)
    return folder


@pytest.fixture(scope="module", params=list(FITTED))
def model(request: pytest.FixtureRequest, root: Path) -> Artifact:
    strategy = request.param
    return pretrain(
        root, strategy, f"patching.strategy={strategy}", options=["--patching-rule", f"patching_rule/{strategy}"]
    )


def test_the_rule_finds_the_borders_of_speech_that_it_has_not_seen(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    rules = [part for name in FITTED for part in ("--rule", f"patching_rule/{name}")]
    lst(root, "patching", "score", "alignment/other", *rules, "--size", 3, "--tolerance", 0, "--json")
    scores = json.loads(capsys.readouterr().out)
    assert scores["hazard"]["f1"] > 0.95 and scores["static 3"]["f1"] < 0.5
    # The next word is uncertain, the silence before it is not.
    assert scores["entropy"]["precision"] > 0.95 and scores["entropy"]["recall"] == pytest.approx(0.5, abs=0.05)
    for each in scores.values():
        both = each["precision"] + each["recall"]
        assert each["f1"] == pytest.approx(2 * each["precision"] * each["recall"] / both)
        assert each["mean_length"] == pytest.approx(each["tokens"] / each["patches"])


def test_rules_are_not_scored_on_what_they_learnt(root: Path) -> None:
    with pytest.raises(UserError, match="fitted on"):
        lst(root, "patching", "score", "alignment/w", "--rule", "patching_rule/hazard")


def test_fewer_minutes_are_fewer_utterances(root: Path) -> None:
    lst(root, "patching", "fit", "hazard", "alignment/w", "--name", "few", "--minutes", 0.1)
    assert 0.1 <= Store(root).find("patching_rule/few", PATCHING_RULE).statistics["aligned_minutes"] < 0.15


def test_a_mean_that_no_threshold_gives(root: Path) -> None:
    with pytest.raises(UserError, match="no threshold gives"):
        lst(root, "patching", "fit", "hazard", "alignment/w", "--name", "no", "--mean", 1.1)


def test_training_and_inference_cut_by_the_rule(root: Path, model: Artifact) -> None:
    loaded = load_model(model)
    strategy = loaded.card.patching.strategy
    assert loaded.card.cut == strategy and model.parents["patching_rule"].name == strategy
    assert loaded.card.patching_rule is not None
    assert loaded.card.patching_rule["reference"].startswith(f"patching_rule/{strategy}/")
    last = json.loads(model.file("metrics.jsonl").read_text().splitlines()[-1])
    assert 2 < last["patch_length"] < 7
    # Token by token, and in one pass.
    api = lst_cli.load(model.reference, root=root, device="cpu")
    units = np.array([0, *spoken(1), 0, *spoken(2)], np.uint16)
    marked = np.append(loaded.card.vocabulary.s_marker, loaded.card.vocabulary.units_to_ids(units))
    (found,) = generate(loaded, [Prompt(tokens=marked.astype(np.int32), limit=1)], "speech")
    log_p_V = api.logits(units)[-1]
    log_p_V -= np.log(np.exp(log_p_V).sum())
    best = found.tokens[0] if found.tokens else loaded.card.vocabulary.eos
    assert found.log_prob == pytest.approx(float(log_p_V[best]), abs=1e-4)


def test_the_model_takes_its_rule_along(root: Path, model: Artifact, tmp_path: Path) -> None:
    shutil.copytree(model.path, tmp_path / "out")
    lst(tmp_path / "elsewhere", "import", tmp_path / "out", "--name", "m")
    there = load_model(Store(tmp_path / "elsewhere").find("model/m", MODEL))
    here = load_folder(model.path, "m")
    assert there.card.cut == here.card.cut
    assert (there.folder / "patching_rule.safetensors").read_bytes() == (
        model.file("patching_rule.safetensors").read_bytes()
    )


def test_strategy_and_rule_belong_together(root: Path) -> None:
    with pytest.raises(UserError, match="needs a fitted rule"):
        pretrain(root, "none", "patching.strategy=hazard")
    with pytest.raises(UserError, match="a rule of hazard"):
        pretrain(root, "none", "patching.strategy=static", options=["--patching-rule", "patching_rule/hazard"])
    with pytest.raises(UserError, match="a rule of hazard"):
        pretrain(root, "none", *BASELINE, options=["--patching-rule", "patching_rule/hazard"])
