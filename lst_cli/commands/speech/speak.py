"""``lst speak``: text to audio."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lst_cli.commands.common import Device, Json, Seed, completing, store
from lst_cli.commands.speech.vocoder import Speaker
from lst_cli.console import print_json, progress, say, warn
from lst_cli.errors import UserError
from lst_cli.json_text import NotText, decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.inference.speech_stream import Voiced

STANDARD_STREAM = "-"
_ROWS = 8


def speak(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME, fine-tuned for TTS.", autocompletion=completing("model"))],
    vocoder: Annotated[
        str,
        typer.Option(
            help="vocoder/NAME, fitted on tokens of the model's quantizer.", autocompletion=completing("vocoder")
        ),
    ],
    output: Annotated[str, typer.Option(help="A wav file, or - for raw 16-bit samples on standard output.")],
    text: Annotated[str | None, typer.Argument(help="Text to speak.")] = None,
    file: Annotated[
        str | None, typer.Option(help="Instead of TEXT: a text file, or - for standard input; each line is spoken.")
    ] = None,
    by: Annotated[
        Literal["line", "sentence"], typer.Option(help="Text that the model speaks in one request.")
    ] = "line",
    speaker: Speaker = None,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy decoding.")] = 0.0,
    top_k: Annotated[int, typer.Option(help="Sample from this many likeliest tokens; 0: from all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Nucleus sampling: sample from the likeliest tokens with this total probability.")
    ] = 1.0,
    seed: Seed = 0,
    drop_unknown: Annotated[
        bool, typer.Option("--drop-unknown", help="Skip characters that the tokenizer lacks.")
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Lines or sentences spoken in one batch.  \\[default: 8; with --output - one at a time, streamed]",
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Speak a text with a model that was fine-tuned for TTS."""
    from lst_cli.distributed.device import pick_device
    from lst_cli.inference.sampling import Sampling
    from lst_cli.inference.speech_generation import sentences, speakable
    from lst_cli.inference.speech_stream import voice, voice_live
    from lst_cli.model_artifact.capabilities import check_task
    from lst_cli.model_artifact.card import MODEL, load_model
    from lst_cli.vocoder.files import VOCODER, check_quantizer
    from lst_cli.vocoder.speaking import load_vocoder

    _check_output(output, json)
    artifact, found = store(ctx).find(model, MODEL), store(ctx).find(vocoder, VOCODER)
    check_task(artifact, "tts")
    lines = _lines(text, file)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    where = pick_device(device)
    loaded, voices = load_model(artifact, where), load_vocoder(found, where)
    check_quantizer(found, loaded.card.quantizer["fingerprint"], artifact.reference)
    texts = [
        speakable(loaded.tokenizer, part, drop=drop_unknown, what=what)
        for what, line in lines
        for part in (sentences(line) if by == "sentence" else [line])
    ]
    start = time.monotonic()
    spoken = []
    live = output == STANDARD_STREAM and rows is None
    with _Output(output, voices.sample_rate) as sink, progress("speaking", len(texts), by + "s") as bar:
        if live:
            coming = voice_live(loaded, voices, texts, sampling, sink.write, speaker=speaker)
        else:
            coming = voice(loaded, voices, texts, sampling, rows=rows or _ROWS, speaker=speaker)
        for each in coming:
            if not live:
                sink.write(each.wave_T)
            spoken.append(each)
            bar.advance()
    _tell(spoken, time.monotonic() - start, voices.sample_rate, artifact.reference, json)


def _check_output(output: str, json: bool) -> None:
    if output != STANDARD_STREAM and Path(output).suffix.lower() not in ("", ".wav", ".wave"):
        raise UserError(
            f"--output {output}: not the name of a wav file",
            found=Path(output).suffix,
            expected="a name that ends in .wav, or - for raw samples on standard output",
            fix="write a wav file and convert it, for example with ffmpeg",
        )
    if json and output == STANDARD_STREAM:
        raise UserError("--json and --output - both write to standard output", fix="give a file with --output")


def _lines(text: str | None, file: str | None) -> list[tuple[str, str]]:
    """The texts to speak, each with its name in errors. Empty lines of a file are skipped."""
    if (text is None) == (file is None):
        raise UserError("lst speak takes one text", expected="either TEXT or --file")
    if text is not None:
        return [("the text", text)]
    try:
        raw = sys.stdin.buffer.read() if file == STANDARD_STREAM else Path(file or "").read_bytes()
        lines = [" ".join(line.split()) for line in decode(raw).split("\n")]
    except OSError as error:
        raise UserError(f"--file {file}: the file can't be read", found=error.strerror) from None
    except NotText as error:
        raise UserError(f"--file {file}: not a text file", found=error.found, fix=error.fix) from None
    found = [(f"--file {file}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UserError(f"--file {file}: nothing to speak", found="an empty text", expected="lines of text")
    return found


class _Output:
    """A wav file that is whole or absent, or raw samples streamed to standard output."""

    def __init__(self, output: str, sample_rate: int) -> None:
        self._path = None if output == STANDARD_STREAM else Path(output)
        self._rate = sample_rate
        self._stack: Any = None
        self._file: Any = None

    def __enter__(self) -> _Output:
        from contextlib import ExitStack

        import soundfile

        from lst_cli.artifacts.parquet import atomic_path

        self._stack = ExitStack()
        if self._path is not None:
            temporary = self._stack.enter_context(atomic_path(self._path))
            self._file = self._stack.enter_context(
                soundfile.SoundFile(temporary, "w", self._rate, 1, "PCM_16", format="WAV")
            )
        return self

    def write(self, wave_T: NDArray[np.float32]) -> None:
        """Append samples."""
        import numpy as np

        if self._file is not None:
            self._file.write(wave_T)
            return
        sys.stdout.buffer.write(np.round(wave_T * 32767).astype("<i2").tobytes())
        sys.stdout.buffer.flush()

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


def _tell(spoken: list[Voiced], took: float, sample_rate: int, model: str, json: bool) -> None:
    seconds = sum(len(each.wave_T) for each in spoken) / sample_rate
    if json:
        print_json(
            {
                "model": model,
                "texts": [
                    {
                        "text": each.text,
                        "seconds": len(each.wave_T) / sample_rate,
                        "units": each.said.units.tolist(),
                        "ended": each.said.ended,
                        "context_positions": each.said.context_positions,
                        "new_positions": each.said.new_positions,
                    }
                    for each in spoken
                ],
                "audio_s": seconds,
                "seconds": took,
                "real_time_factor": took / seconds if seconds else None,
            }
        )
    silent = [each.text for each in spoken if not len(each.said.units)]
    if silent:
        warn(f"the model produced no speech for {len(silent)} of {len(spoken)} texts, the first {silent[0][:60]!r}")
    endless = [each.text for each in spoken if not each.said.ended]
    if endless:
        warn(
            f"the speech of {len(endless)} of {len(spoken)} texts was truncated, the first {endless[0][:60]!r}: the "
            "model did not end it; was it fine-tuned with 'lst finetune tts', on texts of this length?"
        )
    factor = f" (real-time factor {took / seconds:.3f})" if seconds else ""
    say(f"spoke {seconds:,.1f} s in {took:,.1f} s{factor}")
