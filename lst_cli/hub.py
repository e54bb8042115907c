"""The Hugging Face Hub: folders of models there or here, addresses, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lst_cli.console import on_terminal
from lst_cli.errors import UserError

_ADDRESS = re.compile(r"hf://([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w][\w./-]*))?")
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{4,}")
_TRANSPORTS = ("requests", "urllib3", "httpx", "httpcore")
"""Libraries below huggingface_hub, which passes their errors on."""


@dataclass(frozen=True)
class HubAddress:
    """A repository on the Hub, and a branch, tag or commit of it."""

    repository: str
    revision: str | None

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """An address ``hf://USER/REPOSITORY`` or ``hf://USER/REPOSITORY@REVISION``.

        :raises UserError: it is none.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            expected = "hf://USER/REPOSITORY[@REVISION], or the URL of a bucket"
            raise UserError(f"{without_tokens(text)}: not an address", expected=expected)
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def without_tokens(text: str) -> str:
    """The text with access tokens of the Hub masked: they belong in no manifest and no message."""
    return _TOKEN.sub("hf_***", text)


def hub_library() -> Any:
    """The module ``huggingface_hub``; it shows progress on a terminal only.

    :raises UserError: it is not installed.
    """
    try:
        import huggingface_hub
        from huggingface_hub import utils
    except ImportError:
        raise UserError("the Hugging Face Hub needs huggingface_hub", fix="pip install huggingface_hub") from None
    shown: Any = utils
    if not on_terminal():
        shown.disable_progress_bars()
    return huggingface_hub


@contextmanager
def hub_errors(address: HubAddress) -> Iterator[None]:
    """Turn errors of the Hub, and of the way to it, into a :class:`UserError`."""
    from huggingface_hub import errors

    missing = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError)
    own = (*missing, errors.HfHubHTTPError, errors.HFValidationError, errors.OfflineModeIsEnabled)
    known = (*own, ConnectionError, TimeoutError)
    try:
        yield
    except Exception as error:
        if not isinstance(error, known) and not type(error).__module__.startswith(_TRANSPORTS):
            raise
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            fix = "log in with 'hf auth login', or set HF_TOKEN, with a token that may do this"
        elif isinstance(error, missing) and not isinstance(error, errors.LocalEntryNotFoundError):
            fix = "check name and revision; for a private repository, log in with 'hf auth login' or set HF_TOKEN"
        else:
            fix = "run the same command again when the Hub can be reached; HF_ENDPOINT is its address"
        raise UserError(
            f"{address}: the Hugging Face Hub denied the request or can't be reached",
            found=without_tokens((str(error).strip() or type(error).__name__).splitlines()[0]),
            fix=fix,
        ) from None


def hub_folder(name: str, called: str, patterns: Sequence[str], expected: str, *, fetch: bool = True) -> Path:
    """A folder of this machine, or that of a model on the Hub.

    :param called: its name in errors, as in ``--init NAME``; ``expected`` is their text for valid values.
    :param patterns: of the files that are needed.
    :param fetch: download it from the Hub if needed; otherwise it must have been downloaded before.
    :raises UserError: there is no such folder, and the Hub has no such model or can't be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise UserError(f"{called}: no such folder", expected=expected)
    library = hub_library()
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(library.snapshot_download(name, allow_patterns=list(patterns), local_files_only=not fetch))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        where = "it can't be fetched from the Hugging Face Hub" if fetch else "it was not downloaded before"
        raise UserError(
            f"{called}: not a local folder, and {where}",
            found=str(error).strip().splitlines()[0],
            expected=expected,
            fix="copy the model's folder to this machine and give its path",
        ) from None
