"""``lst continue``: continue a prompt in text or speech."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lst_cli.commands.common import Device, Json, Seed, completing, store
from lst_cli.console import print_json, print_line, say
from lst_cli.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lst_cli.inference.generate import Continuation, Prompt
    from lst_cli.inference.sampling import Sampling
    from lst_cli.model_artifact.card import LoadedModel
    from lst_cli.vocoder.speaking import Vocoder

Into = Literal["text", "speech"]


def continue_(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="model/NAME", autocompletion=completing("model"))],
    text: Annotated[str | None, typer.Option(help="The prompt as text.")] = None,
    audio: Annotated[str | None, typer.Option(help="The prompt as an audio file, or - for standard input.")] = None,
    into: Annotated[
        Into | None, typer.Option(help="Continue in text or in speech.  \\[default: the prompt's modality]")
    ] = None,
    tokens: Annotated[
        int, typer.Option(min=1, help="Maximum number of new tokens; without a speech BPE, 25 are a second of speech.")
    ] = 100,
    samples: Annotated[int, typer.Option(min=1, help="Continuations to draw.")] = 1,
    temperature: Annotated[float, typer.Option(help="Sampling temperature; 0 is greedy decoding.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Sample from this many likeliest tokens; 0: from all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Nucleus sampling: sample from the likeliest tokens with this total probability.")
    ] = 0.95,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1: penalise tokens that occurred before.")] = 1.0,
    seed: Seed = 0,
    vocoder: Annotated[
        str | None,
        typer.Option(help="vocoder/NAME that speaks a continuation in speech.", autocompletion=completing("vocoder")),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="With --vocoder: a wav file; several samples become NAME-1.wav, NAME-2.wav, …")
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Continue a prompt in text, or in speech tokens."""
    from lst_cli.distributed.device import pick_device
    from lst_cli.inference.generate import generate
    from lst_cli.inference.prompts import make_prompt, speech_prompt
    from lst_cli.inference.sampling import Sampling
    from lst_cli.model_artifact.card import MODEL, load_model

    if (text is None) == (audio is None):
        raise UserError("lst continue takes one prompt", expected="either --text or --audio")
    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty, seed=seed
    )
    where = pick_device(device)
    artifact = store(ctx).find(model, MODEL)
    loaded = load_model(artifact, where)
    said = text if text is not None else speech_prompt(loaded, audio or "", store(ctx))
    chosen = into or ("text" if isinstance(said, str) else "speech")
    voice = _voice(ctx, vocoder, output, chosen, loaded, artifact.reference)
    prompts = [make_prompt(loaded, said, chosen, tokens, key) for key in range(samples)]
    if samples == 1 and chosen == "text" and not json:
        _stream(loaded, prompts[0], sampling)
        return
    found = generate(loaded, prompts, chosen, sampling)
    if voice is not None and output is not None:
        _speak(loaded, voice, found, said, output)
    if json:
        print_json([_as_dict(loaded, continuation, chosen) for continuation in found])
        return
    for continuation in found:
        print_line(_written(loaded, continuation, chosen))


def _voice(
    ctx: typer.Context, vocoder: str | None, output: Path | None, into: Into, loaded: LoadedModel, model: str
) -> Vocoder | None:
    """The vocoder of the options, if it matches the model and the direction."""
    from lst_cli.vocoder.files import VOCODER, check_quantizer
    from lst_cli.vocoder.speaking import load_vocoder

    if (vocoder is None) != (output is None):
        raise UserError("audio needs both --vocoder and --output", fix="give both, or neither for speech tokens")
    if vocoder is None:
        return None
    if into == "text":
        raise UserError("--vocoder speaks speech tokens", found="a continuation in text", fix="add --into speech")
    found = store(ctx).find(vocoder, VOCODER)
    check_quantizer(found, loaded.card.quantizer["fingerprint"], model)
    return load_vocoder(found, str(loaded.device))


def _speak(
    loaded: LoadedModel,
    vocoder: Vocoder,
    found: list[Continuation],
    said: str | NDArray[np.uint16],
    output: Path,
) -> None:
    """Write each continuation to a wav file, after the spoken prompt, resynthesised by the same vocoder."""
    import numpy as np

    from lst_cli.vocoder.wav_files import write_wav

    for number, continuation in enumerate(found, start=1):
        units_U = np.array(_units(loaded, continuation), np.uint16)
        if not isinstance(said, str):
            units_U = np.concatenate([said, units_U])
        path = output if len(found) == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")
        write_wav(path, vocoder.speak(units_U), vocoder.sample_rate)
        say(f"wrote {path}")


def _stream(loaded: LoadedModel, prompt: Prompt, sampling: Sampling) -> None:
    """Print a text as it is generated."""
    from lst_cli.inference.generate import generate

    pieces: list[int] = []
    shown = ""

    def show(index: int, token: int) -> None:
        nonlocal shown
        pieces.append(token)
        # A piece may be a part of a character, so the whole text so far is decoded.
        text = loaded.tokenizer.decode(pieces)
        if text.startswith(shown) and not text.endswith("\ufffd"):
            print_line(text[len(shown) :], end="")
            shown = text

    (found,) = generate(loaded, [prompt], "text", sampling, on_token=show)
    print_line(_written(loaded, found, "text")[len(shown) :])


def _written(loaded: LoadedModel, continuation: Continuation, into: Into) -> str:
    """A continuation as text, or as numbers of speech tokens."""
    if into == "text":
        return loaded.tokenizer.decode(continuation.tokens)
    return " ".join(str(unit) for unit in _units(loaded, continuation))


def _units(loaded: LoadedModel, continuation: Continuation) -> list[int]:
    import numpy as np

    units: list[int] = loaded.speech.decode(np.array(continuation.tokens, np.int32)).tolist()
    return units


def _as_dict(loaded: LoadedModel, continuation: Continuation, into: Into) -> dict[str, Any]:
    said = {"text": _written(loaded, continuation, into)} if into == "text" else {"units": _units(loaded, continuation)}
    return {**said, "log_prob": continuation.log_prob, "ended": continuation.ended}
