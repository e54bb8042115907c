"""Documents with merged speech say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.patching.strategies import Patcher, PatchingConfig
from lst_cli.shards.documents.forms import Form, Maker, Source
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.read.reader import Reader, ReaderConfig
from lst_cli.text.speech_bpe import MODEL_FILE, SPEECH_BPE, SpeechBpe, fit
from lst_cli.text.vocabulary import Vocabulary
from tests.shards.build.test_build_shards import SPEECH
from tests.shards.command import run
from tests.shards.making import VOCABULARY, rows, speech_set, utterances
from tests.shards.stages import CLUSTERS, make_stages


@pytest.fixture(scope="module")
def bpe() -> SpeechBpe:
    # The speech token of frame f is f, so the first frames come most often.
    return SpeechBpe(fit([np.arange(n) for n in range(1, 150)], VOCABULARY.units, VOCABULARY.units + 200))


def split(tokens: np.ndarray, bpe: SpeechBpe, vocabulary: Vocabulary) -> list[int]:
    found: list[int] = []
    for token in tokens:
        if vocabulary.is_speech(token):
            found += (bpe.decode(np.array([token - vocabulary.speech_start])) + vocabulary.speech_start).tolist()
        else:
            found.append(int(token))
    return found


@pytest.mark.parametrize("form", ["interleaved", "speech", "text", "asr", "tts"])
def test_the_same_documents(bpe: SpeechBpe, form: Form) -> None:
    flat, chosen = rows(utterances(30)), np.arange(30)
    merged_vocabulary = Vocabulary(pieces=VOCABULARY.pieces, units=bpe.pieces)
    plain = Maker(vocabulary=VOCABULARY, interleave=InterleaveConfig(), seed=0).documents(form, flat, chosen, 0)
    merging = Maker(vocabulary=merged_vocabulary, interleave=InterleaveConfig(), seed=0, speech_bpe=bpe)
    merged = merging.documents(form, flat, chosen, 0)
    assert merging.row_vocabulary == VOCABULARY
    for d in range(30):
        a = plain.tokens_T[plain.start_D[d] : plain.start_D[d + 1]]
        b = merged.tokens_T[merged.start_D[d] : merged.start_D[d + 1]]
        assert split(b, bpe, merged_vocabulary) == a.tolist()
        question = split(b[: merged.loss_from_D[d]], bpe, merged_vocabulary)
        assert question == a[: plain.loss_from_D[d]].tolist()
    if form != "text":
        assert len(merged.tokens_T) < len(plain.tokens_T)


def test_reading(bpe: SpeechBpe, tmp_path: Path) -> None:
    source = Source("s", speech_set(tmp_path, utterances(30)))
    vocabulary = Vocabulary(pieces=VOCABULARY.pieces, units=bpe.pieces)
    config = ReaderConfig(positions=64, prefetch=0)
    patching = Patcher(PatchingConfig(strategy="none"))
    packed = next(Reader(config, [source], vocabulary, patching, total_steps=1, speech_bpe=bpe)).packed()
    assert packed.tokens_T.max() < vocabulary.size
    assert len(packed.tokens_T) == len(packed.document_P) == 8 * 64
    with pytest.raises(UserError, match="static with a speech BPE"):
        Reader(config, [source], vocabulary, Patcher(PatchingConfig()), total_steps=1, speech_bpe=bpe)
    with pytest.raises(UserError, match="does not fit the model's vocabulary"):
        Reader(config, [source], VOCABULARY, patching, total_steps=1, speech_bpe=bpe)


def test_command(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make_stages(store, utterances(40, words=40))
    assert run(tmp_path, *SPEECH) == 0
    assert run(tmp_path, "shards", "bpe", "shards/s", "--pieces", "150", "--name", "b") == 0
    artifact = store.find("speech_bpe/b", SPEECH_BPE)
    assert SpeechBpe.from_file(artifact.file(MODEL_FILE)).pieces == 150
    assert artifact.statistics["units"] == CLUSTERS
    assert artifact.statistics["units_per_piece"] > 1
    assert run(tmp_path, "shards", "bpe", "shards/s", "--pieces", "50", "--name", "b") == 2
