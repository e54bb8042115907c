"""The reader: packed sequences for training, in an order that no number of ranks, threads or stops changes.

Reading runs over a fixed number of logical streams. Sequence ``q`` of the run (counted over all ranks) is the next one
of stream ``q % streams``; a step takes ``global_batch_size`` of them, and rank ``r`` of ``R`` the ones with
``q % R == r``. What a sequence holds depends on the config, the shards and ``q`` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from pydantic import Field

from lst_cli.config import config_dataclass, to_dict
from lst_cli.errors import UserError
from lst_cli.hashing import text_id, uniform
from lst_cli.patching.strategies import Patcher, PatchingConfig, drawn_cut
from lst_cli.shards.documents.draws import Draw
from lst_cli.shards.documents.forms import Maker, Source
from lst_cli.shards.documents.interleave import InterleaveConfig
from lst_cli.shards.read.blocks import BlockLine, first_edition
from lst_cli.shards.read.feed import Cursor, Feed, RowCache
from lst_cli.shards.read.logical_stream import LogicalStream, Place
from lst_cli.shards.read.prefetch import Prefetch
from lst_cli.shards.read.resume import check_settings, resumed_editions
from lst_cli.shards.read.step import StepData
from lst_cli.text.speech_bpe import SpeechBpe
from lst_cli.text.vocabulary import Vocabulary


@config_dataclass
class ReaderConfig:
    """How shards are read, mixed and packed."""

    positions: int = Field(default=4096, ge=1, le=1 << 18)
    """Global positions of a sequence: patches, text tokens and markers."""

    global_batch_size: int = Field(default=8, ge=1, le=10**6)
    """Sequences of one training step over all ranks; a multiple of the number of ranks."""

    streams: int = Field(default=8, ge=1, le=10**6)
    """Logical streams; a multiple of the number of ranks. Another number is another order of the data."""

    whole_documents: bool = False
    """Pack whole documents and leave the rest of a sequence empty (fine-tuning); documents longer than a sequence are
    skipped and counted. Otherwise a document that crosses the end of a sequence is cut at a patch's end and goes
    on in the next sequence as a document of its own, and no position stays empty."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of every draw: order, spans, patching."""

    interleave: InterleaveConfig = Field(default_factory=InterleaveConfig)
    """How utterances are divided into text and speech spans."""

    prefetch: int = Field(default=4, ge=0, le=10**4)
    """Steps to prefetch in a separate thread; 0 for none."""

    skip_corrupt: bool = False
    """Skip damaged row groups with a warning, and count them; otherwise they are an error."""


class Reader:
    """Iterates over the steps of a run for one rank, without end, from where :meth:`load_state_dict` puts it.

    :param total_steps: length of the run, for the patching curriculum.
    :param speech_bpe: merges the speech tokens; the vocabulary's units are its pieces then.
    :raises UserError: ranks do not divide the streams and the sequences of a step, or a source does not fit.
    """

    def __init__(
        self,
        config: ReaderConfig,
        sources: Sequence[Source],
        vocabulary: Vocabulary,
        patcher: Patcher,
        *,
        total_steps: int,
        speech_bpe: SpeechBpe | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._config = config
        self._sources = sources
        self._maker = Maker(
            vocabulary=vocabulary, interleave=config.interleave, seed=config.seed, speech_bpe=speech_bpe
        )
        _check(config, sources, self._maker, patcher.config, world_size)
        self._patcher = patcher
        self._total_steps = total_steps
        self._rank = rank
        self._world_size = world_size
        self._mine = range(rank, config.streams, world_size)
        self._editions = {source.name: [first_edition(source.shards.groups, config.streams)] for source in sources}
        self._step = 0
        self._places = {
            stream: Place({source.name: Cursor(stream) for source in sources}) for stream in range(config.streams)
        }
        self._prefetch: Prefetch[tuple[StepData, dict[int, Place]]] | None = None
        self.prepare: Callable[[StepData], Any] = lambda data: None
        """Called on each step in the reader's thread, so that the training step finds its batches made."""

    def __iter__(self) -> Iterator[StepData]:
        return self

    def __next__(self) -> StepData:
        """The next step.

        :raises UserError: a row group is damaged, or a source has no row of use.
        """
        if self._prefetch is None:
            self._prefetch = Prefetch(self._produce(), self._config.prefetch)
        data, places = next(self._prefetch)
        self._step = data.step + 1
        self._places.update(places)
        return data

    def close(self) -> None:
        """Stop preparing steps. Iterating again continues after the last step that was returned."""
        if self._prefetch is not None:
            self._prefetch.close()
            self._prefetch = None

    @property
    def places(self) -> dict[int, Place]:
        """The position of each stream of this rank after the last step that was returned."""
        return {stream: self._places[stream] for stream in self._mine}

    def totals(self) -> dict[str, int]:
        """What this rank's streams have read so far: tokens, positions, padding, and what was skipped."""
        totals: dict[str, int] = {}
        for place in self.places.values():
            for name, count in place.counts.items():
                totals[name] = totals.get(name, 0) + count
            for name in ("unusable", "corrupt"):
                more = sum(getattr(cursor, name) for cursor in place.cursors.values())
                totals[name] = totals.get(name, 0) + more
        return totals

    def epochs(self) -> dict[str, float]:
        """How often this rank's streams have read each source, on average over the streams."""
        return {
            name: sum(line.epochs_before(place.cursors[name].block) for place in self.places.values())
            / len(self.places)
            for name, line in self._lines().items()
        }

    def _produce(self) -> Iterator[tuple[StepData, dict[int, Place]]]:
        """Steps from the current place on, each with the positions of its streams after it."""
        config, patching, step = self._config, self._patcher.config, self._step
        streams = self._open_streams()
        while True:
            first = step * config.global_batch_size
            numbers = range(first + self._rank, first + config.global_batch_size, self._world_size)
            cuts = tuple(
                drawn_cut(patching, step, self._total_steps, float(uniform(config.seed, Draw.CUT, step, number)))
                for number in numbers
            )
            made = [streams[number % config.streams].next(cut) for number, cut in zip(numbers, cuts, strict=True)]
            touched = {number % config.streams for number in numbers}
            data = StepData(
                step=step,
                numbers=tuple(numbers),
                cuts=cuts,
                sequences=tuple(sequence for sequence in made if sequence is not None),
                positions=config.positions,
            )
            yield replace(data, prepared=self.prepare(data)), {stream: streams[stream].place() for stream in touched}
            step += 1

    def _lines(self) -> dict[str, BlockLine]:
        return {
            source.name: BlockLine(
                source.shards.groups, self._editions[source.name], self._config.seed, text_id(source.name)
            )
            for source in self._sources
        }

    def _open_streams(self) -> dict[int, LogicalStream]:
        lines, cache = self._lines(), RowCache()
        return {number: self._open_stream(self._places[number], lines, cache) for number in self._mine}

    def _open_stream(self, place: Place, lines: dict[str, BlockLine], cache: RowCache) -> LogicalStream:
        config = self._config
        feeds = [
            Feed(
                source,
                lines[source.name],
                place.cursors[source.name],
                streams=config.streams,
                maker=self._maker,
                cache=cache,
                skip_corrupt=config.skip_corrupt,
            )
            for source in self._sources
        ]
        return LogicalStream(
            feeds,
            place,
            positions=config.positions,
            whole=config.whole_documents,
            vocabulary=self._maker.vocabulary,
            patcher=self._patcher,
        )

    def state_dict(self) -> dict[str, Any]:
        """The position of this rank after the last step that was returned: plain data, a few numbers per stream.

        Those of all ranks (:func:`lst_cli.shards.read.resume.merge_states`) put any number of ranks at this place.
        """
        return {
            "settings": self._settings(),
            "step": self._step,
            "sources": {
                source.name: {
                    "editions": [asdict(edition) for edition in self._editions[source.name]],
                    "identity": source.shards.identity(self._editions[source.name][-1].groups),
                }
                for source in self._sources
            },
            "streams": {str(stream): place.to_json() for stream, place in self.places.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state of all streams, saved by any number of ranks.

        :raises UserError: the state is of other settings or shards, or lacks streams.
        """
        self.close()
        check_settings(state["settings"], self._settings())
        wanted = {str(stream) for stream in range(self._config.streams)}
        if set(state["streams"]) != wanted:
            raise UserError(
                "the reader's state lacks streams",
                found=f"streams {', '.join(sorted(state['streams']))}",
                expected=f"all of 0 to {self._config.streams - 1}",
                fix="merge the states of all ranks",
            )
        places = {int(stream): Place.from_json(place) for stream, place in state["streams"].items()}
        self._editions = {
            source.name: resumed_editions(source, state["sources"][source.name], places.values(), self._config.streams)
            for source in self._sources
        }
        self._places, self._step = places, state["step"]

    def _settings(self) -> dict[str, Any]:
        """Everything that the order of the data depends on; a state is valid for one value of it."""
        settings = to_dict(self._config)
        del settings["prefetch"], settings["skip_corrupt"]
        settings["sources"] = {
            source.name: {
                "weight": source.weight,
                "form": source.form,
                "held_out": source.held_out,
                "split": source.split,
            }
            for source in self._sources
        }
        return settings


def _check(
    config: ReaderConfig,
    sources: Sequence[Source],
    maker: Maker,
    patching: PatchingConfig,
    world_size: int,
) -> None:
    if maker.speech_bpe is not None and patching.strategy != "none":
        raise UserError(
            f"patching.strategy: {patching.strategy} with a speech BPE",
            expected="none: each BPE token is a position",
            fix="remove the speech BPE, or set patching.strategy=none",
        )
    if maker.speech_bpe is not None and maker.speech_bpe.pieces != maker.vocabulary.units:
        raise UserError(
            "the speech BPE does not fit the model's vocabulary",
            found=f"{maker.speech_bpe.pieces} pieces",
            expected=f"{maker.vocabulary.units}",
        )
    for name, value in (("streams", config.streams), ("global_batch_size", config.global_batch_size)):
        if value % world_size:
            raise UserError(
                f"{name}: {value} can't be divided evenly",
                found=f"{world_size} ranks",
                expected=f"a number of ranks that divides {value}",
                fix=f"change {name} (for a new run) or the number of ranks",
            )
    names = [source.name for source in sources]
    if not names or len(set(names)) < len(names):
        raise UserError("the sources of the mixture", found=", ".join(names) or "none", expected="one or more names")
    if len({source.shards.info.tokenizer for source in sources}) > 1:
        raise UserError(
            "the sources were made with different text tokenizers",
            found=", ".join(f"{source.name}: {source.shards.info.tokenizer[:12]}" for source in sources),
            fix="make the shards of all sources with one tokenizer",
        )
    for source in sources:
        source.shards.check_vocabulary(maker.row_vocabulary, source.name)
