"""Folders of models, here or on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lst_cli.errors import UserError


def hub_folder(name: str, called: str, patterns: Sequence[str], expected: str, *, fetch: bool = True) -> Path:
    """A folder of this machine, or that of a model on the Hub.

    :param called: what errors call it, as in ``--init NAME``; ``expected`` what they say it may be.
    :param patterns: of the files that are needed.
    :param fetch: from the Hub if need be; otherwise it has to be among what was downloaded before.
    :raises UserError: there is no such folder, and the Hub has no such model or can't be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise UserError(f"{called}: no such folder", expected=expected)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=not fetch))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        where = "it can't be fetched from the Hugging Face Hub" if fetch else "it was not downloaded before"
        raise UserError(
            f"{called}: not a folder here, and {where}",
            found=str(error).strip().splitlines()[0],
            expected=expected,
            fix="copy the model's folder to this machine and give its path",
        ) from None
