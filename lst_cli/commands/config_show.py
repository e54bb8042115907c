"""``lst config``: the config files of other commands."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

ConfigKind = Literal["pretrain", "finetune", "dpo", "instruct", "align", "vocoder"]

CONFIGS: dict[str, tuple[str, str]] = {
    "pretrain": ("lst_cli.training.config.pretrain_config", "PretrainConfig"),
    "finetune": ("lst_cli.training.config.finetune_config", "FinetuneConfig"),
    "dpo": ("lst_cli.training.config.preference_config", "PreferenceConfig"),
    "instruct": ("lst_cli.training.config.dialogue_config", "DialogueConfig"),
    "align": ("lst_cli.alignment.fit.aligner_config", "AlignerConfig"),
    "vocoder": ("lst_cli.vocoder.vocoder_config", "VocoderConfig"),
}
"""Kind of config → module and class."""

app = typer.Typer(no_args_is_help=True, help="Show the keys and values of config files.")


def config_class(kind: str) -> type[Any]:
    """The config class of a kind."""
    module, name = CONFIGS[kind]
    found: type[Any] = getattr(import_module(module), name)
    return found


@app.command()
def show(
    kind: Annotated[
        ConfigKind,
        typer.Argument(
            metavar="KIND", help="pretrain, finetune, dpo, instruct, align (align fit) or vocoder (vocoder fit)."
        ),
    ],
    file: Annotated[Path | None, typer.Argument(help="YAML config.  \\[default: a template]")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: KEY=VALUE, as in budget.steps=500.")
    ] = None,
) -> None:
    """Show a config with all defaults as YAML, with the meaning and the allowed values of every key.

    The output is a valid config file, except that a template lacks the required keys.
    """
    from lst_cli.config import load_config, to_dict
    from lst_cli.config_reference import as_yaml

    cls = config_class(kind)
    values = to_dict(load_config(cls, file, set_ or [])) if file is not None or set_ else None
    print(as_yaml(cls, values), end="")
