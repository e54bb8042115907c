"""The stage ``lst tokenize``: a corpus and a quantizer become tokens.

The corpus is divided into work units (:mod:`lst_cli.distributed.shared_work`); ranks take every n-th, then help with
what is missing. Rank 0 puts the parts together in the order of the corpus, so the artifact is the same, byte for byte,
after any kill and for any number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Draft, Request
from lst_cli.console import progress
from lst_cli.distributed.device import Precision, pick_device
from lst_cli.distributed.launcher import ALONE, Rank
from lst_cli.distributed.row_units import WorkUnit
from lst_cli.distributed.shared_work import SharedParts, SharedWork
from lst_cli.units.frames import SAMPLE_RATE
from lst_cli.units.tokens import TOKENS

if TYPE_CHECKING:
    from lst_cli.audio.corpus_artifact import Corpus
    from lst_cli.console import Progress
    from lst_cli.units.tokenize.token_parts import PartMaker


@dataclass(frozen=True, kw_only=True)
class TokenizeOptions:
    """Options of ``lst tokenize``."""

    name: str
    corpus: Artifact
    quantizer: Artifact
    precision: Precision = "float32"
    device: str = "auto"
    """As :func:`lst_cli.distributed.device.pick_device` takes it."""
    workers: int | None = None
    """Threads; None for one per core, or 8 next to a GPU."""
    compile: bool = False
    """Compile the model with torch.compile."""
    max_reject_rate: float = 0.01
    unit_samples: int | None = None
    """Audio in a work unit, in samples at 16 kHz; None to choose by the size of the corpus."""

    @property
    def request(self) -> Request:
        """The request of the artifact; it includes only options that change the tokens."""
        return Request(
            kind=TOKENS,
            name=self.name,
            config={"precision": self.precision},
            parents={"corpus": self.corpus, "quantizer": self.quantizer},
        )


def plan_tokens(options: TokenizeOptions, rank: Rank = ALONE) -> tuple[Request, Callable[[Draft], None]]:
    """The arguments of :meth:`lst_cli.artifacts.Store.build`, on rank 0 (or alone)."""

    def make(draft: Draft) -> None:
        from lst_cli.units.tokenize.assemble import assemble

        work = _Work(options, SharedParts(rank, draft.parts))
        work.run()
        assemble(draft, work.units, len(work.corpus), options.max_reject_rate)

    return options.request, make


def share_tokens(options: TokenizeOptions, parts: SharedParts) -> None:
    """The work of a rank other than 0: make parts until none is missing."""
    _Work(options, parts).run()


class _Work:
    """A rank's part in making all work units."""

    def __init__(self, options: TokenizeOptions, parts: SharedParts) -> None:
        from lst_cli.audio.corpus_artifact import Corpus
        from lst_cli.units.input.pieces import input_samples
        from lst_cli.units.tokenize.work_units import divide

        self.corpus: Corpus = Corpus(options.corpus)
        self._samples_U = input_samples(self.corpus)
        self.units = divide(self._samples_U, options.unit_samples)
        self._options = options
        self._shared = SharedWork(self.units, parts)

    def run(self) -> None:
        """Make this rank's units, then help with those still missing."""
        from lst_cli.units.tokenize.assemble import drop_rejecting_parts

        drop_rejecting_parts(self._shared.parts)
        own = self._shared.own()
        maker: PartMaker | None = None
        with progress("tokenize", self._seconds(own), "audio s") as bar:
            for todo in self._shared.rounds(own):
                maker = maker or self._maker()
                self._make(maker, todo, bar)

    def _maker(self) -> PartMaker:
        from lst_cli.units.quantizer.quantize import Quantizer
        from lst_cli.units.tokenize.token_parts import PartMaker

        options = self._options
        device = pick_device(options.device, self._shared.parts.rank.local)
        quantizer = Quantizer.load(options.quantizer.path, device, options.precision, compile=options.compile)
        return PartMaker(quantizer, self.corpus, self._samples_U, options.workers)

    def _make(self, maker: PartMaker, todo: list[WorkUnit], bar: Progress) -> None:
        with self._shared.parts.in_use():
            for unit in maker.make(self._shared.pending(todo), self._shared.parts.folder):
                bar.advance(self._seconds([unit]))

    def _seconds(self, units: list[WorkUnit]) -> float:
        return sum(float(self._samples_U[unit.start : unit.stop].sum()) for unit in units) / SAMPLE_RATE
