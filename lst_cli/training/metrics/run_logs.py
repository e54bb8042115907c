"""Where the log lines of fairseq2 and torch go: all to the run's log files, only fairseq2's warnings to the user."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lst_cli.console import warn
from lst_cli.errors import is_disk_full

_FAIRSEQ2 = logging.getLogger("fairseq2")
_WARNINGS = logging.getLogger("py.warnings")

_ENVIRONMENT = "Environment Variables"
"""fairseq2 logs the whole environment, secrets included; log files are shared too easily for that."""

_KNOWN = ("Based on the environment setup, training will be run on CPU",)
"""Warnings about the user's settings."""


class _ToUser(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if not message.startswith(_KNOWN):
            warn(message)


class _ToLogFile(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _FAIRSEQ2.info(record.getMessage())


def _without_secrets(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_ENVIRONMENT)


def _without_full_disk(hook: Callable[[threading.ExceptHookArgs], object]) -> Callable[..., object]:
    """Errors of threads but those of a full disk: TensorBoard's writer passes these on to the trainer, too."""

    def shown(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or not is_disk_full(args.exc_value):
            hook(args)

    return shown


@contextmanager
def tidy_logs() -> Iterator[None]:
    """Keep log lines and Python warnings off the terminal while fairseq2 runs."""
    root = logging.getLogger()
    handlers, level, propagate = root.handlers[:], root.level, root.propagate
    forward = _ToLogFile()
    _FAIRSEQ2.setLevel(logging.WARNING)  # what fairseq2 says before it has a log file would go to the terminal
    _FAIRSEQ2.addFilter(_without_secrets)
    _WARNINGS.addHandler(forward)
    _WARNINGS.propagate = False
    logging.captureWarnings(True)
    # On a full disk every log line would print a traceback; the user sees the trainer's own error.
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    hook, threading.excepthook = threading.excepthook, _without_full_disk(threading.excepthook)
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        _WARNINGS.removeHandler(forward)
        _WARNINGS.propagate = True
        _FAIRSEQ2.removeFilter(_without_secrets)
        for handler in _FAIRSEQ2.handlers[:]:
            _FAIRSEQ2.removeHandler(handler)
            with suppress(OSError):
                handler.close()
        logging.raiseExceptions = raises
        root.handlers[:], root.propagate = handlers, propagate
        root.setLevel(level)


def log_to_user() -> None:
    """Show the user warnings only; call it when fairseq2 has configured logging."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if not isinstance(handler, logging.NullHandler):
            root.removeHandler(handler)
            root.addHandler(_ToUser(level=logging.WARNING))
    _FAIRSEQ2.setLevel(logging.NOTSET)
