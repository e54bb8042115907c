"""The reader's order is the same for any number of ranks, threads and stops; nothing is lost or read twice."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lst_cli.errors import UserError
from lst_cli.patching.packed import IGNORE, PADDING
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.shards.documents.forms import Source, Split
from lst_cli.shards.read.once import read_once
from lst_cli.shards.read.reader import Reader, ReaderConfig
from lst_cli.shards.read.resume import merge_states
from lst_cli.shards.shard_set import ShardSet
from lst_cli.text.vocabulary import Vocabulary
from tests.shards.making import VOCABULARY, speech_files, speech_set, text_set, utterances

PATCHING = Patcher(PatchingConfig(strategy="curriculum"))
STEPS = 12
TOTAL = 16


def sources(folder: Path, *, n: int = 60, group: int = 8) -> list[Source]:
    (folder / "text").mkdir(exist_ok=True)
    return [
        Source("speech", speech_set(folder, utterances(n), group=group)),
        Source("text", text_set(folder / "text", [1 + i % 90 for i in range(50)]), weight=2.0),
    ]


def reader(folder: Path, rank: int = 0, world_size: int = 1, **config: Any) -> Reader:
    settings: dict[str, Any] = {"positions": 64, "global_batch_size": 8, "prefetch": 0, **config}
    return Reader(
        ReaderConfig(**settings),
        sources(folder),
        VOCABULARY,
        PATCHING,
        total_steps=TOTAL,
        rank=rank,
        world_size=world_size,
    )


Read = dict[int, tuple[bytes, ...]]


def take(readers: list[Reader], steps: int) -> Read:
    """What each sequence holds, by its number."""
    found: Read = {}
    for one in readers:
        for data in islice(one, steps):
            for number, sequence in zip(data.numbers, data.sequences, strict=True):
                assert number not in found
                parts = (sequence.tokens_T, sequence.targets_T, sequence.document_T, sequence.patches.opens_T)
                found[number] = tuple(part.tobytes() for part in parts)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Read:
    return take([reader(folder)], STEPS)


def world(folder: Path, size: int, state: dict[str, Any] | None = None, **config: Any) -> list[Reader]:
    readers = [reader(folder, rank, size, **config) for rank in range(size)]
    for one in readers:
        if state is not None:
            one.load_state_dict(json.loads(json.dumps(state)))
    return readers


@pytest.mark.parametrize("before", [1, 2, 4])
@pytest.mark.parametrize("after", [1, 2, 4])
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_resume_on_any_number_of_ranks(folder: Path, undisturbed: Read, before: int, after: int, stop: int) -> None:
    first = world(folder, before)
    found = take(first, stop)
    state = merge_states(one.state_dict() for one in first)
    found |= take(world(folder, after, state), STEPS - stop)
    assert found == undisturbed


@pytest.mark.parametrize("prefetch", [1, 5])
def test_prefetch_changes_nothing(folder: Path, undisturbed: Read, prefetch: int) -> None:
    first = reader(folder, prefetch=prefetch)
    found = take([first], 5)
    state = first.state_dict()
    first.close()
    second = reader(folder, prefetch=prefetch)
    second.load_state_dict(state)
    found |= take(
        [
            second,
        ],
        STEPS - 5,
    )
    second.close()
    assert found == undisturbed
    assert len(json.dumps(state)) < 5000


def test_going_on_after_close(folder: Path, undisturbed: Read) -> None:
    one = reader(folder, prefetch=3)
    found = take([one], 4)
    one.close()
    found |= take([one], STEPS - 4)
    one.close()
    assert found == undisturbed


def test_stopping_at_every_step(folder: Path, undisturbed: Read) -> None:
    found: Read = {}
    state = reader(folder).state_dict()
    for _ in range(STEPS):
        one = reader(folder)
        one.load_state_dict(state)
        found |= take([one], 1)
        state = one.state_dict()
    assert found == undisturbed


@pytest.mark.parametrize("streams", [8, 24])
def test_every_row_once_an_epoch(tmp_path: Path, streams: int) -> None:
    """Also with more streams than row groups or rows."""
    n = 13
    files = speech_files(tmp_path, utterances(n), files=2, group=8)
    config = ReaderConfig(positions=30, streams=streams, global_batch_size=streams, prefetch=0, whole_documents=True)
    source = Source("s", ShardSet.open(files), form="speech")
    one = Reader(config, [source], VOCABULARY, Patcher(PatchingConfig(size=40)), total_steps=1)
    lengths: Counter[int] = Counter()
    for data in one:
        for sequence in data.sequences:
            lengths.update(np.bincount(sequence.document_T).tolist())
        if sum(lengths.values()) >= 100 * n:
            break
    epochs = one.epochs()["s"]
    expected = Counter(u.frames + 2 for u in utterances(n))
    for length, count in expected.items():
        assert abs(lengths[length] / count - epochs) < 0.25 * epochs


def test_blocks_hold_every_row_once(tmp_path: Path) -> None:
    from lst_cli.shards.read.blocks import BlockLine, first_edition

    shards = speech_set(tmp_path, utterances(30), group=8)
    for streams in (1, 2, 8, 64):
        edition = first_edition(shards.groups, streams)
        line = BlockLine(shards.groups, [edition], seed=0, key=1)
        orders = []
        for epoch in range(3):
            blocks = [line.block(epoch * edition.blocks + i) for i in range(edition.blocks)]
            rows = [(str(block.group), row) for block in blocks for row in block.rows.tolist()]
            assert len(rows) == len(set(rows)) == 30
            assert {block.epoch for block in blocks} == {epoch}
            orders.append(rows)
        assert orders[0] != orders[1] != orders[2]


def test_shares_are_counted_in_tokens(folder: Path) -> None:
    one = reader(folder)
    take([one], 60)
    for place in one.places.values():
        speech, text = place.cursors["speech"].tokens, place.cursors["text"].tokens
        assert abs(text - 2 * speech) < 2 * 400
    assert one.totals()["padding"] == 0
    assert one.totals()["positions"] == 60 * 8 * 64


def test_packed_batch(folder: Path) -> None:
    data = next(reader(folder))
    packed = data.packed()
    assert (
        packed.document_P.tolist()
        == np.repeat(packed.document_T, 1)[np.flatnonzero(np.diff(packed.patch_T, prepend=-1))].tolist()
    )
    assert packed.patch_T.max() + 1 == len(packed.document_P) == 8 * 64
    assert (packed.document_P != PADDING).all()
    assert (np.diff(packed.document_T) >= 0).all()
    assert np.array_equal(data.packed(0, 2).tokens_T, packed.tokens_T[: len(data.packed(0, 2).tokens_T)])
    inner = (packed.targets_T[:-1] != IGNORE) & (packed.document_T[1:] == packed.document_T[:-1])
    assert np.array_equal(packed.targets_T[:-1][inner], packed.tokens_T[1:][inner])


def test_curriculum_goes_from_aligned_to_static(folder: Path) -> None:
    cuts = [set(data.cuts) for data in islice(reader(folder), TOTAL)]
    assert cuts[0] == {"aligned"}
    assert cuts[-1] == {"static"}
    assert {"aligned", "static"} <= set.union(*cuts[6:10])


def test_one_pass(tmp_path: Path) -> None:
    made = utterances(20)
    source = Source("s", speech_set(tmp_path, made), form="speech")
    config = ReaderConfig(positions=50)

    def read(rank: int = 0, world_size: int = 1) -> list[Any]:
        return list(
            read_once(
                source,
                config,
                VOCABULARY,
                PATCHING,
                micro_batch_size=2,
                rank=rank,
                world_size=world_size,
            )
        )

    batches = read()
    tokens = np.concatenate([batch.tokens_T for batch in batches])
    assert len(tokens) == sum(u.frames + 2 for u in made)
    assert sum((batch.targets_T != IGNORE).sum() for batch in batches) == len(tokens) - len(made)
    assert all(len(batch.document_P) == 100 for batch in batches[:-1])
    assert np.array_equal(tokens, np.concatenate([batch.tokens_T for batch in read()]))
    halves = [read(0, 2), read(1, 2)]
    assert [len(halves[i % 2][i // 2].tokens_T) for i in range(len(batches))] == [len(b.tokens_T) for b in batches]


def test_grown_shards_are_read_from_the_next_epoch(tmp_path: Path) -> None:
    made = utterances(40)
    files = speech_files(tmp_path, made, files=2)
    config = ReaderConfig(positions=64, streams=2, global_batch_size=2, prefetch=0)

    def open_reader(paths: list[Path]) -> Reader:
        source = Source("s", ShardSet.open(paths), form="speech")
        return Reader(config, [source], VOCABULARY, Patcher(PatchingConfig()), total_steps=1)

    plain = open_reader(files[:1])
    state = take([plain], 3) and plain.state_dict()
    longer = len(ShardSet.open(files).groups)
    grown = open_reader(files)
    grown.load_state_dict(state)
    editions = grown.state_dict()["sources"]["s"]["editions"]
    assert [edition["epoch"] for edition in editions] == [0, 1]
    assert [edition["groups"] for edition in editions] == [len(ShardSet.open(files[:1]).groups), longer]
    old, new = take([plain], 40), take([grown], 40)
    same = [number for number in old if old[number] == new[number]]
    assert len(same) >= 4, "the epoch that was begun is finished as before"
    assert len(same) < len(old), "then the new shards come"
    again = open_reader(files)
    again.load_state_dict(grown.state_dict())
    assert take([again], 5) == take([grown], 5)
    with pytest.raises(UserError, match="not the shards of the run"):
        open_reader(files[1:]).load_state_dict(state)


def test_damaged_row_group(tmp_path: Path) -> None:
    files = speech_files(tmp_path, utterances(64), files=2, group=8)
    good = ShardSet.open(files)
    spoil(files[1])
    config: dict[str, Any] = {"positions": 64, "streams": 1, "global_batch_size": 1, "prefetch": 2}

    def open_reader(**more: Any) -> Reader:
        source = Source("s", good, form="speech")
        return Reader(ReaderConfig(**config, **more), [source], VOCABULARY, Patcher(PatchingConfig()), total_steps=1)

    one = open_reader()
    with pytest.raises(UserError, match=r"shard-00001.parquet, row group \d+: damaged"):
        take([one], 1000)
    one.close()
    one = open_reader(skip_corrupt=True)
    take([one], 100)
    corrupt = one.totals()["corrupt"]
    assert corrupt >= 1
    other = open_reader(skip_corrupt=True)
    other.load_state_dict(one.state_dict())
    assert take([other], 20) == take([one], 20)
    assert other.totals() == one.totals()
    one.close()
    other.close()


def spoil(path: Path) -> None:
    """Change bytes in the first row group's data."""
    data = bytearray(path.read_bytes())
    data[300:340] = bytes(40)
    path.write_bytes(data)


def test_truncated_shard(tmp_path: Path) -> None:
    files = speech_files(tmp_path, utterances(20))
    files[0].write_bytes(files[0].read_bytes()[:-100])
    with pytest.raises(UserError, match=r"shard-00000\.parquet: not a whole Parquet file"):
        ShardSet.open(files)
    assert ShardSet.open(files, skip_corrupt=True).unreadable == (files[0],)


def test_errors_before_reading(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="streams: 8 can't be divided evenly"):
        reader(folder, world_size=3)
    with pytest.raises(UserError, match="global_batch_size: 6"):
        reader(folder, world_size=4, global_batch_size=6)
    with pytest.raises(UserError, match="saved under other settings"):
        reader(folder, seed=1).load_state_dict(reader(folder).state_dict())
    with pytest.raises(UserError, match="lacks streams"):
        reader(folder).load_state_dict(reader(folder, 0, 2).state_dict())
    with pytest.raises(UserError, match="do not fit the model's vocabulary"):
        Reader(ReaderConfig(), sources(folder), Vocabulary(pieces=500, units=7), PATCHING, total_steps=1)
    with pytest.raises(UserError, match="needs speech"):
        Source("t", sources(folder)[1].shards, form="asr")


def test_asr_from_pure_speech(tmp_path: Path) -> None:
    from tests.shards.making import utterance

    made = [utterance(f"u{i}", 0, i) for i in range(20)]
    source = Source("s", speech_set(tmp_path, made), form="asr")
    one = Reader(ReaderConfig(prefetch=0), [source], VOCABULARY, Patcher(PatchingConfig()), total_steps=1)
    with pytest.raises(UserError, match="no row can be read in the form asr"):
        next(one)


def test_held_out_rows_and_training_rows_are_all_rows_once(tmp_path: Path) -> None:
    shards = speech_set(tmp_path, utterances(64))
    candidates = np.arange(shards.groups[0].rows)
    rows = shards.read(shards.groups[0], VOCABULARY)
    splits: list[Split] = ["train", "held_out"]
    kept = [Source("s", shards, held_out=0.3, split=split).chosen(rows, candidates) for split in splits]
    assert sorted(np.concatenate(kept)) == candidates.tolist()
    wanted = Source("s", shards, form="speech", held_out=0.3, split="held_out")
    n = sum(
        int((packed.tokens_T == VOCABULARY.eos).sum())
        for packed in read_once(wanted, ReaderConfig(positions=256), VOCABULARY, Patcher(PatchingConfig()))
    )
    every = [shards.read(group, VOCABULARY) for group in shards.groups]
    assert n == sum(len(wanted.chosen(rows, np.arange(len(rows)))) for rows in every)
    assert 0 < n < 64
