"""Fine-tuning on few utterances: one is held out at least, one is trained on at least, or nothing begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.shards.documents.forms import Source
from lst_cli.shards.documents.held_out import held_out_share
from lst_cli.shards.schema import SHARDS
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.vocabulary import Vocabulary
from tests.training.runs import pretrain
from tests.training.test_finetune_stage import curve, finetune
from tests.training.world import UNITS, make_world


def sides(root: Path, utterances: int, share: float) -> tuple[int, int]:
    """How many rows are held out, and how many are trained on."""
    shards = ShardSet.of(make_world(root / str(utterances), utterances=utterances).find("shards/speech", SHARDS))
    held_out = held_out_share(shards, share)
    rows = [shards.read(group, Vocabulary(pieces=shards.info.pieces, units=UNITS)) for group in shards.groups]
    counts = []
    for split in ("held_out", "train"):
        source = Source("s", shards, form="asr", held_out=held_out, split=split)  # type: ignore[arg-type]
        counts.append(sum(len(source.chosen(each, np.arange(len(each.utterance_R)))) for each in rows))
    return counts[0], counts[1]


@pytest.mark.parametrize("utterances", [2, 3, 7, 20, 50])
def test_the_held_out_draw_was_empty_for_a_third_of_all_sets_of_50(tmp_path: Path, utterances: int) -> None:
    held_out, train = sides(tmp_path, utterances, 0.001)
    assert held_out == 1 and train == utterances - 1


def test_a_share_that_is_met_is_left_alone(tmp_path: Path) -> None:
    held_out, train = sides(tmp_path, 60, 0.4)
    assert 10 < held_out < 40 and held_out + train == 60
    assert sides(tmp_path, 60, 0.0)[0] in (0, 60)


@pytest.mark.parametrize(("utterances", "share"), [(1, 0.02), (3, 0.999)])
def test_nothing_left_to_train_on_gave_the_wrong_advice(tmp_path: Path, utterances: int, share: float) -> None:
    with pytest.raises(UserError, match=r"no utterance is left to train on(.|\n)*lower data.held_out"):
        sides(tmp_path, utterances, share)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_world(folder, utterances=3)
    pretrain(folder, "lst", "budget.steps=6", "schedule.warmup_steps=2")
    return folder


def test_fine_tuning_on_three_utterances_crashed_at_the_first_validation(root: Path) -> None:
    model = finetune(root, "asr", "lst", "few", "data.held_out=0.02", "budget.steps=10")
    assert [line["step"] for line in curve(model, "valid")] == [10]


def test_held_out_utterances_that_are_all_too_long_crashed_at_the_first_validation(root: Path) -> None:
    with pytest.raises(UserError, match=r"no held-out utterance can be read as asr(.|\n)*data.positions"):
        finetune(root, "asr", "lst", "long", "data.held_out=0.02", "data.positions=8")
    assert not list(Store(root).root.glob("model/long/*/artifact.json"))
