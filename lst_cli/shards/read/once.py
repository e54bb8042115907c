"""One pass over shards in packed sequences, for validation."""

from __future__ import annotations

from collections.abc import Iterator

from lst_cli.hashing import text_id
from lst_cli.patching.packed import Packed
from lst_cli.patching.strategies import Cut, Patcher, inference_cut
from lst_cli.shards.documents.forms import Maker, Source
from lst_cli.shards.read.blocks import BlockLine, first_edition
from lst_cli.shards.read.feed import Cursor, Feed, RowCache
from lst_cli.shards.read.logical_stream import LogicalStream, Place
from lst_cli.shards.read.packing import Sequence
from lst_cli.shards.read.reader import ReaderConfig
from lst_cli.shards.read.step import join
from lst_cli.text.speech_bpe import SpeechBpe
from lst_cli.text.vocabulary import Vocabulary


def read_once(
    source: Source,
    config: ReaderConfig,
    vocabulary: Vocabulary,
    patcher: Patcher,
    *,
    micro_batch_size: int = 1,
    cut: Cut | None = None,
    speech_bpe: SpeechBpe | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Packed]:
    """Every row of a source once, the same at every call; the last sequence is padded.

    :param cut: how to cut patches; what inference uses by default.
    :param speech_bpe: merges the speech tokens; the vocabulary's units are its pieces then.
    :param rank: this rank gets batches ``rank``, ``rank + world_size``, ... of all batches.
    :raises UserError: the source does not fit the vocabulary, or a row group is damaged.
    """
    chosen = inference_cut(patcher.config) if cut is None else cut
    stream = _one_epoch(source, config, vocabulary, patcher, speech_bpe)
    held: list[Sequence] = []
    batch = 0
    while True:
        sequence = stream.next(chosen)
        if sequence is not None and len(sequence.tokens_T):
            held.append(sequence)
        if len(held) == micro_batch_size or (sequence is None and held):
            if batch % world_size == rank:
                yield join(held, config.positions)
            batch += 1
            held = []
        if sequence is None:
            return


def _one_epoch(
    source: Source,
    config: ReaderConfig,
    vocabulary: Vocabulary,
    patcher: Patcher,
    speech_bpe: SpeechBpe | None,
) -> LogicalStream:
    maker = Maker(vocabulary=vocabulary, interleave=config.interleave, seed=config.seed, speech_bpe=speech_bpe)
    source.shards.check_vocabulary(maker.row_vocabulary, source.name)
    line = BlockLine(
        source.shards.groups, [first_edition(source.shards.groups, streams=1)], config.seed, text_id(source.name)
    )
    feed = Feed(
        source,
        line,
        Cursor(0),
        streams=1,
        maker=maker,
        cache=RowCache(),
        skip_corrupt=config.skip_corrupt,
        epochs=1,
    )
    return LogicalStream(
        [feed],
        Place({source.name: feed.cursor}),
        positions=config.positions,
        whole=config.whole_documents,
        vocabulary=vocabulary,
        patcher=patcher,
    )
