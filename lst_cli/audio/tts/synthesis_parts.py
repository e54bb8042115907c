"""One part of a synthesis: some texts of one voice, spoken into one FLAC file by one process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lst_cli.audio.tts.engine import Engine, Voice, load_voice


@dataclass(frozen=True)
class Spoken:
    """Something to say. Equal ones are said once."""

    text: str
    voice: int
    """Number of the voice."""
    rate: float
    """Speaking rate."""


@dataclass(frozen=True)
class PartResult:
    """The contents of a finished part."""

    audio: str
    """Name of the FLAC file."""
    sample_rate: int
    """Hz."""
    samples: tuple[int, ...]
    """Samples of each text, in order; they lie end to end. 0 if nothing sounded."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part to speak. The same part always gives the same bytes on the same machine."""

    voice: Voice
    spoken: tuple[Spoken, ...]
    noise: float
    seed: int
    audio: Path
    """The path of the FLAC file. The part is finished once the JSON file next to it exists."""

    @property
    def size(self) -> int:
        """Texts."""
        return len(self.spoken)

    @property
    def file_name(self) -> str:
        """The JSON: of a part that ranks share."""
        return self.audio.with_suffix(".json").name

    def finished(self) -> PartResult | None:
        """The result, if the part was spoken before."""
        record = self.audio.with_suffix(".json")
        if not record.is_file():
            return None
        data = json.loads(record.read_bytes())
        return PartResult(self.audio.name, data["sample_rate"], tuple(data["samples"]))


@lru_cache(maxsize=1)
def _without_noise(voice: Voice) -> Engine:
    """A voice that always says a sentence the same way is kept for the next part, with the sentences it has spoken."""
    return load_voice(voice, noise=0, seed=0)


def speak_part(part: Part) -> PartResult:
    """Speak a part into its FLAC file (16 bit, the voice's rate). A crash leaves no finished part behind.

    A part that another process has finished by now is not spoken again.
    """
    import numpy as np
    import soundfile

    from lst_cli.artifacts.parquet import atomic_path, write_bytes_atomic
    from lst_cli.audio.level import join_sentences

    found = part.finished()
    if found is not None:
        return found
    noisy = part.noise != 0
    engine = load_voice(part.voice, noise=part.noise, seed=part.seed) if noisy else _without_noise(part.voice)
    rate = engine.sample_rate
    pieces = [join_sentences(engine.speak(spoken.text, spoken.rate), rate) for spoken in part.spoken]
    with atomic_path(part.audio) as temporary:
        soundfile.write(temporary, np.concatenate(pieces), rate, format="FLAC", subtype="PCM_16")
    result = PartResult(part.audio.name, rate, tuple(len(piece) for piece in pieces))
    record = json.dumps({"sample_rate": rate, "samples": result.samples})
    write_bytes_atomic(part.audio.with_suffix(".json"), record.encode())
    return result
