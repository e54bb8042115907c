"""From a tokens artifact to wav files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lst_cli.artifacts import Artifact, Store
from lst_cli.errors import UserError
from lst_cli.vocoder.files import VOCODER, check_quantizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A wav file of one utterance."""

    id: str
    path: Path
    seconds: float


def synthesise_tokens(
    store: Store,
    vocoder: str,
    tokens: Artifact,
    output: Path,
    ids: Sequence[str] | None,
    speaker: str | None,
    device: str,
) -> Iterator[WrittenFile]:
    """Write a wav file of each utterance, as soon as it is synthesised.

    :param ids: only these; None for all.
    :raises UserError: the tokens are of another quantizer than the vocoder's, an id or a speaker is unknown.
    """
    from lst_cli.units.tokens import Tokens
    from lst_cli.vocoder.files import quantizer_of
    from lst_cli.vocoder.speaking import load_vocoder

    found = store.find(vocoder, VOCODER)
    check_quantizer(found, quantizer_of(tokens).fingerprint, tokens.reference)
    units = dict(Tokens(tokens))
    missing = [name for name in ids or [] if name not in units]
    if missing:
        raise UserError(
            f"{tokens.reference}: no utterance {missing[0]!r}",
            found=f"{len(units):,} utterances, the first {next(iter(units), 'none')!r}",
        )
    loaded = load_vocoder(found, device)
    for name in ids or units:
        wave_T = loaded.speak(units[name], speaker)
        path = output / f"{name.strip('/').replace('/', '_')}.wav"
        write_wav(path, wave_T, loaded.sample_rate)
        yield WrittenFile(id=name, path=path, seconds=len(wave_T) / loaded.sample_rate)


def write_wav(path: Path, wave_T: NDArray[np.float32], sample_rate: int) -> None:
    """Write 16-bit mono, whole or not at all."""
    import soundfile

    from lst_cli.artifacts.parquet import atomic_path

    with atomic_path(path) as temporary:
        soundfile.write(temporary, wave_T, sample_rate, format="WAV", subtype="PCM_16")
