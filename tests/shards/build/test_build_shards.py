"""Building shards: what is joined, what is refused, and going on after SIGKILL."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lst_cli.artifacts import Artifact, Request, Store
from lst_cli.audio.corpus_artifact import CORPUS
from lst_cli.errors import UserError
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.shard_set import ShardSet
from lst_cli.shards.table13_counts import count
from lst_cli.text.tokenizer import MODEL_FILE, TEXT_TOKENIZER, TextTokenizer
from tests.shards.command import run
from tests.shards.making import Utterance, utterance, utterances
from tests.shards.stages import CLUSTERS, make_stages, shard_table, units, words

SPEECH = ("shards", "speech", "--tokens", "tokens/a", "--tokenizer", "text_tokenizer/a", "--name", "s")


def speech(store: Store, *options: str) -> Artifact:
    assert run(store.root, *SPEECH, *options) == 0
    return store.find_any("shards/s")


def test_rows_are_joined(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = utterances(50)
    make_stages(store, made)
    artifact = speech(store, "--alignment", "alignment/a")
    rows = {row["id"]: row for row in shard_table(artifact.path).to_pylist()}
    assert list(rows) != [u.id for u in made]
    tokenizer = TextTokenizer.from_file(store.find("text_tokenizer/a", TEXT_TOKENIZER).file(MODEL_FILE))
    for i, u in enumerate(made):
        assert rows[u.id] == {
            "id": u.id,
            "source": "books",
            "speaker": f"s{i % 3}",
            "units": units(u),
            "words": words(u),
            "word_pieces": tokenizer.encode_words(words(u)),
            "starts": list(u.starts),
            "ends": list(u.ends),
        }
    check_statistics(artifact, made)
    assert ShardSet.of(artifact).info.units == CLUSTERS


def test_files_are_opened_a_few_times_not_once_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of the alignment were once looked up for every row, which took most of the time."""
    opened: list[int] = []
    opening = pq.ParquetFile.__init__
    for made in (utterances(20), utterances(80)):
        store = Store(tmp_path / str(len(made)))
        make_stages(store, made)
        files: list[str] = []

        def counted(self: pq.ParquetFile, source: Any, *args: Any, files: list[str] = files, **more: Any) -> None:
            files.append(str(source))
            opening(self, source, *args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(pq.ParquetFile, "__init__", counted)
            speech(store, "--alignment", "alignment/a")
        opened.append(len(files))
    assert opened[0] == opened[1] > 0


def check_statistics(artifact: Artifact, made: list[Utterance]) -> None:
    frames = sum(u.frames for u in made)
    n_words = sum(len(u.starts) for u in made)
    spoken = sum(end - start for u in made for start, end in zip(u.starts, u.ends, strict=True))
    found = artifact.statistics
    assert found["utterances"] == len(made)
    assert found["hours"] == pytest.approx(frames / 25 / 3600, abs=1e-4)
    assert found["units_per_word"] == pytest.approx(frames / n_words, abs=1e-3)
    assert found["silence_share"] == pytest.approx(1 - spoken / frames, abs=1e-3)
    assert found["patch_size"]["word"] == pytest.approx(spoken / n_words, abs=1e-3)


def test_pieces_begin_with_their_first_character(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = utterances(30)
    make_stages(store, made, chars=True)
    artifact = speech(store, "--alignment", "alignment/a")
    tokenizer = TextTokenizer.from_file(store.find("text_tokenizer/a", TEXT_TOKENIZER).file(MODEL_FILE))
    rows = {row["id"]: row for row in shard_table(artifact.path).to_pylist()}
    several = 0
    for u in made:
        spans = zip(words(u), rows[u.id]["word_pieces"], rows[u.id]["piece_starts"], u.starts, u.ends, strict=True)
        for word, pieces, begins, start, end in spans:
            # The letters before each piece, but for the sign of a space.
            before = [sum(map(len, map(tokenizer.piece, pieces[:n]))) for n in range(len(pieces))]
            assert begins == [min(max(letters - 1, 0), end - start) for letters in before]
            assert sum(len(tokenizer.piece(piece)) for piece in pieces) == len(word) + 1
            several += len(pieces) > 1
    assert several > 100 and not ShardSet.of(artifact).without_piece_starts


def test_characters_that_do_not_fit_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def damaged(u: Utterance) -> list[list[int]]:
        begins = [[0] * len(word) for word in words(u)]
        changes: dict[str, Any] = {"u1": [0], "u2": [1] * len(begins[0]), "u3": [0] * (len(begins[0]) - 1) + [99]}
        return [changes.get(u.id, begins[0]), *begins[1:]]

    monkeypatch.setattr("tests.shards.stages.char_starts", damaged)
    make_stages(store, [utterance(f"u{n}", 5, n) for n in range(5)], chars=True)
    artifact = speech(store, "--alignment", "alignment/a", "--max-reject-rate", "1")
    reasons = {id: reason.split()[0] for id, reason in shard_rejects(artifact).items()}
    assert reasons == dict.fromkeys(("u1", "u2", "u3"), "char_starts")


def test_an_alignment_without_characters_makes_shards_for_patches_of_words(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make_stages(store, utterances(5))
    artifact = speech(store, "--alignment", "alignment/a")
    assert "piece_starts" not in shard_table(artifact.path).column_names
    assert len(ShardSet.of(artifact).without_piece_starts) == 1


def test_without_alignment_all_is_speech(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make_stages(store, utterances(5))
    table = shard_table(speech(store).path)
    assert table.column("piece_starts").to_pylist() == [[]] * 5
    assert table.column("words").to_pylist() == [[]] * 5
    assert table.column("word_pieces").to_pylist() == [[]] * 5


def test_unaligned_utterances_are_rejected_or_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = utterances(20)
    make_stages(store, made, aligned=[u for u in made if u.id not in ("u3", "u19")])
    assert run(store.root, *SPEECH, "--alignment", "alignment/a") == 2
    artifact = speech(store, "--alignment", "alignment/a", "--max-reject-rate", "0.1")
    rejects = shard_rejects(artifact)
    assert rejects == {"u3": "not in the alignment", "u19": "not in the alignment"}
    kept = speech(store, "--alignment", "alignment/a", "--keep-unaligned")
    assert kept.statistics["unaligned_utterances"] == 2
    assert kept.statistics["utterances"] == 20


def shard_rejects(artifact: Artifact) -> dict[str, str]:
    rows = pq.read_table(artifact.file("rejects.parquet")).to_pylist()
    return {row["id"]: row["reason"] for row in rows}


def test_bad_spans_are_rejected(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bad = [Utterance("u1", 10, (0, 4), (5, 8), (1, 1)), Utterance("u2", 10, (0, 4), (4, 11), (1, 1))]
    bad += [Utterance("u3", 10, (0, 4), (0, 8), (1, 1)), Utterance("u4", 0, (), (), ())]
    make_stages(store, [*bad, utterance("u5", 5, 0)])
    artifact = speech(store, "--alignment", "alignment/a", "--max-reject-rate", "1")
    assert set(shard_rejects(artifact)) == {"u1", "u2", "u3", "u4"}


def test_inputs_that_do_not_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    made = utterances(6)
    make_stages(store, made, aligned=[made[1], made[0]])
    assert run(store.root, *SPEECH, "--alignment", "alignment/a", "--max-reject-rate", "1") == 2
    assert "do not match" in capsys.readouterr().err


def test_another_version_of_the_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    make_stages(store, utterances(6))
    other = Request(kind=CORPUS, name="b", config={})
    store.build(other, lambda draft: None)
    assert run(store.root, *SPEECH, "--corpus", "corpus/b") == 2
    assert "was made from another corpus" in capsys.readouterr().err


def test_accounting(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make_stages(store, utterances(50, words=40))
    found = count(ShardSet.of(speech(store, "--alignment", "alignment/a")), InterleaveConfig())
    baseline, static, separate, merged = found.accounts
    assert baseline.speech + baseline.text == pytest.approx(1)
    assert baseline.text == static.text == merged.text
    assert baseline.speech / 4 <= static.speech < baseline.speech / 3
    assert merged.speech < separate.speech < baseline.speech
    assert static.total < baseline.total == pytest.approx(3)


SCRIPT = """
import sys
import lst_cli.shards.build.speech_shards as speech, lst_cli.shards.build.text_shards as text
speech._CHUNK_ROWS = 150
text._CHUNK_DOCUMENTS = 300
sys.argv = ["lst", *sys.argv[1:]]
from lst_cli.main import main
main()
"""


def start(root: Path, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, "--root", str(root), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def killed_at(root: Path, arguments: tuple[str, ...], parts: int) -> bool:
    """Run and kill when so many parts are finished; whether the process died of it."""
    process = start(root, arguments)
    while process.poll() is None:
        found = [path for path in root.glob("shards/s/.*/parts/*") if not path.name.startswith(".")]
        if len(found) >= parts:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    assert not list(root.glob("shards/s/[0-9a-f]*")) or process.returncode == 0
    return process.returncode == -signal.SIGKILL


def sums(root: Path) -> dict[str, Any]:
    artifact = Store(root).find_any("shards/s")
    return {file.path: file.sha256 for file in artifact.files} | dict(artifact.statistics)


@pytest.mark.parametrize("modality", ["speech", "text"])
def test_sigkill_and_again_gives_the_same_bytes(tmp_path: Path, modality: str) -> None:
    made = utterances(1500, words=60)
    arguments: tuple[str, ...] = (*SPEECH, "--alignment", "alignment/a", "--shard-mb", "1")
    if modality == "text":
        file = tmp_path / "text.txt"
        file.write_text("".join(" ".join(words(u)) * 4 + f" {u.id}\n" for u in made))
        arguments = ("shards", "text", str(file), "--tokenizer", "text_tokenizer/a", "--name", "s", "--shard-mb", "1")
    roots = [tmp_path / "undisturbed", tmp_path / "killed"]
    for root in roots:
        make_stages(Store(root), made)
    undisturbed = start(roots[0], arguments)
    assert undisturbed.communicate()[1] is not None and undisturbed.returncode == 0
    assert [killed_at(roots[1], arguments, parts) for parts in (1, 3, 8)][:2] == [True, True]
    last = start(roots[1], arguments)
    error = last.communicate()[1].decode()
    assert last.returncode == 0, error
    assert sums(roots[1]) == sums(roots[0])
    assert len([name for name in sums(roots[0]) if name.startswith("shard-")]) > 1
    assert not list(roots[1].glob("shards/s/.*"))


def test_text_documents(tmp_path: Path) -> None:
    store = Store(tmp_path / "root")
    make_stages(store, utterances(2))
    file = tmp_path / "text.txt"
    file.write_bytes(b"the small fox\n\nlatin \xe9\nsome hill\n")
    options = ("--tokenizer", "text_tokenizer/a", "--name", "s")
    assert run(store.root, "shards", "text", str(file), *options) == 2
    assert run(store.root, "shards", "text", str(file), *options, "--max-reject-rate", "0.5") == 0
    artifact = store.find_any("shards/s")
    tokenizer = TextTokenizer.from_file(store.find("text_tokenizer/a", TEXT_TOKENIZER).file(MODEL_FILE))
    rows = {row["id"]: tokenizer.decode(row["pieces"]) for row in shard_table(artifact.path).to_pylist()}
    assert rows == {"text.txt:1": "the small fox", "text.txt:4": "some hill"}
    assert "iconv" in shard_rejects(artifact)["text.txt:3"]
    with pytest.raises(UserError, match="hold no speech"):
        count(ShardSet.of(artifact), InterleaveConfig())
    assert {path.name for path in (store.root / "shards" / "s").iterdir()} == {artifact.version, "current"}
