from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lst_cli.artifacts import Artifact, Store
from lst_cli.artifacts.parquet import read_parquet
from lst_cli.audio.corpus_artifact import Corpus
from lst_cli.audio.decode import read_utterance
from lst_cli.distributed.launcher import Rank
from lst_cli.distributed.shared_work import help_with
from lst_cli.errors import UserError
from lst_cli.hashing import uniform
from lst_cli.units.features.mfcc_config import MFCC
from lst_cli.units.frames import n_frames
from lst_cli.units.quantizer.fit_quantizer import QuantizerFitOptions, plan_quantizer
from lst_cli.units.quantizer.quantize import Quantizer, tokenize_waveforms
from lst_cli.units.tokenize.tokenize_stage import TokenizeOptions, plan_tokens, share_tokens
from lst_cli.units.tokens import Tokens
from tests.distributed.children import Child
from tests.units.speech import make_corpus, sound

ALONE = Rank(0, 1, 0)
SECONDS = [0.5 + 3 * float(u) for u in uniform(0, np.arange(40))] + [0.02]


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("tokenizing") / "artifacts")


@pytest.fixture(scope="module")
def corpus(module_store: Store) -> Artifact:
    return make_corpus(module_store, [sound(seconds, i, 22_050) for i, seconds in enumerate(SECONDS)], rate=22_050)


@pytest.fixture(scope="module")
def quantizer(module_store: Store, corpus: Artifact) -> Artifact:
    options = QuantizerFitOptions(name="q", corpus=corpus, features=MFCC, clusters=30, frames=1500, iterations=5)
    return module_store.build(*plan_quantizer(options)).artifact


def _options(corpus: Artifact, quantizer: Artifact, **changes: object) -> TokenizeOptions:
    settings: dict[str, object] = {"unit_samples": 5 * 16_000, "workers": 2, "device": "cpu"}
    return TokenizeOptions(name="t", corpus=corpus, quantizer=quantizer, **(settings | changes))  # type: ignore[arg-type]


def _run(root: Path, options: TokenizeOptions, rank: Rank = ALONE) -> None:
    if rank.number == 0:
        Store(root).build(*plan_tokens(options, rank))
    else:
        help_with(Store(root), options.request, rank, partial(share_tokens, options))


def _data(root: Path) -> dict[str, bytes]:
    folder = root / "tokens" / "t" / "current"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "artifact.json"}


def _tidy(root: Path) -> bool:
    return not list(root.rglob("*.partial")) and not list(root.rglob("*.tmp"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, corpus: Artifact, quantizer: Artifact) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    _run(root, _options(corpus, quantizer))
    assert _tidy(root)
    return _data(root)


def test_tokens_are_those_of_each_clip_alone_in_order(tmp_path: Path, corpus: Artifact, quantizer: Artifact) -> None:
    artifact = Store(tmp_path).build(*plan_tokens(_options(corpus, quantizer), ALONE)).artifact
    tokens = list(Tokens(artifact))
    loaded = Quantizer.load(quantizer.path)
    utterances = list(Corpus(corpus))
    assert [id for id, _ in tokens] == [utterance.id for utterance in utterances]
    for (_, units), utterance in zip(tokens, utterances, strict=True):
        wave = read_utterance(utterance)
        assert len(units) == n_frames(len(wave))
        assert np.array_equal(units, tokenize_waveforms(loaded, [wave])[0])
    assert artifact.statistics["utterances"] == len(utterances)
    assert artifact.statistics["tokens"] == sum(len(units) for _, units in tokens)
    repeats = sum(int((u[1:] == u[:-1]).sum()) for _, u in tokens) / sum(len(u) - 1 for _, u in tokens)
    assert artifact.statistics["repeat_rate"] == pytest.approx(repeats, abs=1e-4)


@pytest.mark.parametrize("changes", [{"workers": 1}, {"workers": 5}, {"unit_samples": 1}, {"unit_samples": 10**9}])
def test_bytes_depend_neither_on_workers_nor_on_work_units(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, expected: dict[str, bytes], changes: dict[str, int]
) -> None:
    _run(tmp_path, _options(corpus, quantizer, **changes))
    assert _data(tmp_path) == expected


def _parts(root: Path) -> int:
    return len(list(root.rglob("parts/rows-*.parquet")))


def _wait_for_parts(root: Path, parts: int) -> None:
    """Return when so many parts are made, or the artifact is."""
    deadline = time.monotonic() + 60
    while _parts(root) < parts and not list(root.glob("tokens/t/[!.]*")):
        assert time.monotonic() < deadline, f"{_parts(root)} of {parts} parts"
        time.sleep(0.0005)


def test_killed_at_any_time_it_ends_as_if_undisturbed(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, expected: dict[str, bytes]
) -> None:
    for number, parts in enumerate((0, 1, 2, 5, 9, 14, 17)):
        root = tmp_path / f"killed-{number}"
        child = Child(lambda root=root: _run(root, _options(corpus, quantizer)))  # type: ignore[misc]
        _wait_for_parts(root, parts)
        child.kill()
        assert not list(root.glob("tokens/t/[!.]*")) or _data(root) == expected, "whole or absent"
        before = {path: path.stat().st_mtime_ns for path in root.rglob("parts/rows-*.parquet")}
        made = _parts(root)
        assert made >= parts or not before
        _run(root, _options(corpus, quantizer))
        assert _data(root) == expected
        assert _tidy(root)


def test_a_kill_costs_only_the_open_unit(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lst_cli.units.input import pipeline

    child = Child(lambda: _run(tmp_path, _options(corpus, quantizer)))
    _wait_for_parts(tmp_path, 8)
    child.kill()
    done = {path.name for path in tmp_path.rglob("parts/rows-*.parquet")}
    rows_done = sum(int(name[15:24]) - int(name[5:14]) for name in done)
    heard: list[str] = []
    read_piece = pipeline.read_piece
    monkeypatch.setattr(
        pipeline, "read_piece", lambda utterance, piece: heard.append(utterance.id) or read_piece(utterance, piece)
    )
    _run(tmp_path, _options(corpus, quantizer))
    assert len(done) >= 8
    assert len(heard) == len(SECONDS) - rows_done


def test_two_ranks_under_fire_end_as_if_undisturbed(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, expected: dict[str, bytes]
) -> None:
    """Issue 8: SIGKILL at 20 random moments over runs with 2 ranks; each killed rank is started again."""
    options = _options(corpus, quantizer, workers=1)
    kills = runs = 0
    while kills < 20:
        root = tmp_path / f"fire-{runs}"
        start = [lambda number=number, root=root: _run(root, options, Rank(number, 2, number)) for number in range(2)]  # type: ignore[misc]
        ranks = [Child(work) for work in start]
        for moment in uniform(runs, np.arange(8)):
            time.sleep(0.1 * float(moment))
            victim = int(moment * 1000) % 2
            if ranks[victim].running():
                ranks[victim].kill()
                kills += 1
            else:
                assert ranks[victim].wait() == 0
            ranks[victim] = Child(start[victim])
        assert [rank.wait() for rank in ranks] == [0, 0]
        _run(root, options)
        assert _data(root) == expected
        assert _tidy(root)
        runs += 1


def test_a_helper_alone_makes_everything_but_the_artifact(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, expected: dict[str, bytes]
) -> None:
    options = _options(corpus, quantizer)
    _run(tmp_path, options, Rank(1, 2, 1))
    assert not list(tmp_path.glob("tokens/t/[!.]*"))
    _run(tmp_path, options, Rank(0, 2, 0))
    assert _data(tmp_path) == expected
    _run(tmp_path, options, Rank(1, 2, 1))
    assert _tidy(tmp_path)


def test_unreadable_audio_is_listed_and_read_again_once_mended(store: Store) -> None:
    waves = [sound(1.0, i) for i in range(30)]
    corpus = make_corpus(store, waves)
    quantizer = store.build(
        *plan_quantizer(QuantizerFitOptions(name="q", corpus=corpus, features=MFCC, clusters=8))
    ).artifact
    audio = Corpus(corpus)[4].path
    whole = audio.read_bytes()
    audio.unlink()
    soundfile.write(Corpus(corpus)[7].path, np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    with pytest.raises(UserError, match="2 of 30 inputs were rejected") as caught:
        _run(store.root, _options(corpus, quantizer))
    assert str(audio) in str(caught.value) and "--max-reject-rate" in str(caught.value)

    audio.write_bytes(whole)
    built = store.build(*plan_tokens(_options(corpus, quantizer, max_reject_rate=0.1), ALONE))
    rejects = read_parquet(built.artifact.file("rejects.parquet")).to_pylist()
    assert [row["id"] for row in rejects] == ["u0007"]
    assert "not finite" in rejects[0]["reason"]
    assert [id for id, _ in Tokens(built.artifact)] == [f"u{i:04d}" for i in range(30) if i != 7]


def test_a_long_file_is_read_in_windows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from lst_cli.units.input import pieces

    waves = [np.tile(sound(21.0, 1, 22_050), 16), sound(2.0, 2, 22_050)]
    corpus = make_corpus(store, waves, rate=22_050)
    options = QuantizerFitOptions(name="q", corpus=corpus, features=MFCC, clusters=20, iterations=3)
    quantizer = store.build(*plan_quantizer(options)).artifact
    read: list[int] = []
    read_samples = pieces.read_samples

    def counted(path: Path, offset: int, samples: int) -> tuple[np.ndarray, int]:
        read.append(samples)
        return read_samples(path, offset, samples)

    monkeypatch.setattr(pieces, "read_samples", counted)
    artifact = store.build(*plan_tokens(_options(corpus, quantizer), ALONE)).artifact
    assert len(read) == 4
    assert max(read) <= 121 * 22_050
    units = dict(Tokens(artifact))
    wave = read_utterance(Corpus(corpus)[0])
    expected = tokenize_waveforms(Quantizer.load(quantizer.path), [wave])[0]
    assert len(units["u0000"]) == len(expected) == n_frames(len(wave))
    assert np.mean(units["u0000"] == expected) >= 0.999


@pytest.mark.parametrize(("rate", "subtype"), [(8_000, "WAV"), (16_000, "FLAC"), (44_100, "FLAC"), (48_000, "OGG")])
def test_a_window_is_the_same_audio_as_in_the_whole_file(tmp_path: Path, rate: int, subtype: str) -> None:
    from lst_cli.audio.corpus_artifact import Utterance
    from lst_cli.units.input.pieces import read_window
    from lst_cli.units.input.windows import cut_windows

    path = tmp_path / f"a.{subtype.lower()}"
    wave = sound(9.0, 3, rate)
    soundfile.write(path, wave, rate, format=subtype)
    offset = 777
    utterance = Utterance("a", path, offset, len(wave) - offset, rate, None, "s", None)
    whole = read_utterance(utterance)
    for window in cut_windows(len(whole), 3 * 16_000, 16_000 // 2):
        np.testing.assert_allclose(read_window(utterance, window), whole[window.start : window.stop], atol=5e-5)


def test_fit_goes_on_after_a_kill(tmp_path: Path, corpus: Artifact) -> None:
    options = QuantizerFitOptions(
        name="q", corpus=corpus, features=MFCC, clusters=10, frames=1000, iterations=3, workers=1, unit_samples=160_000
    )
    roots = [tmp_path / name for name in ("whole", "killed")]
    child = Child(lambda: Store(roots[1]).build(*plan_quantizer(options)) and None)
    while len(list(roots[1].rglob("parts/rows-*.parquet"))) < 3 and not list(roots[1].glob("quantizer/q/[!.]*")):
        time.sleep(0.0005)
    child.kill()
    files = []
    for root in roots:
        artifact = Store(root).build(*plan_quantizer(options)).artifact
        files.append((artifact.fingerprint, artifact.file("centroids.safetensors").read_bytes()))
        assert _tidy(root)
    assert files[0] == files[1]


def test_a_damaged_part_is_made_again(
    tmp_path: Path, corpus: Artifact, quantizer: Artifact, expected: dict[str, bytes]
) -> None:
    options = _options(corpus, quantizer)
    _run(tmp_path, options, Rank(1, 2, 1))
    (part, *_) = sorted(tmp_path.rglob("parts/rows-*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    _run(tmp_path, options)
    assert _data(tmp_path) == expected
