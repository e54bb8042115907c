"""The tasks that a model was fine-tuned for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lst_cli.errors import UserError

if TYPE_CHECKING:
    from lst_cli.artifacts import Artifact

_DOES = {"asr": "transcribe", "tts": "speak"}


def check_task(model: Artifact, task: Literal["asr", "tts"]) -> None:
    """Refuse a model that was not trained for a task, before anything is loaded.

    A model whose artifact names no task was not made by ``lst``, and is accepted.

    :param task: to transcribe (asr) or to speak (tts).
    :raises UserError: it was only pretrained, or fine-tuned for other tasks.
    """
    trained_for = model.config.get("task")
    if isinstance(trained_for, str) and task not in trained_for.split(","):
        raise UserError(
            f"{model.reference}: this model can't {_DOES[task]}",
            found="a model that was pretrained only"
            if trained_for == "pretrain"
            else f"a model that was fine-tuned for {trained_for}",
            expected=f"a model that was fine-tuned for {task}",
            fix=f"make one: lst finetune {task} CONFIG --model {model.kind}/{model.name} --shards shards/NAME "
            "--name NAME",
        )
