"""Errors that say what was found, what was expected and how to fix it; and the mapping of other libraries' errors."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator


class LstError(Exception):
    """Something failed. ``lst`` prints the message and exits with :attr:`exit_code`.

    :param what: the thing that is wrong, by its name (a file, an option, an artifact).
    :param found: what was found.
    :param expected: what was expected instead.
    :param fix: the command, option or change that fixes it.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, found: str | None = None, expected: str | None = None, fix: str | None = None
    ) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        self.fix = fix
        lines = [what]
        if found is not None:
            lines.append(f"  found:    {found}")
        if expected is not None:
            lines.append(f"  expected: {expected}")
        if fix is not None:
            lines.append(f"  fix:      {fix}")
        super().__init__("\n".join(lines))


class UserError(LstError):
    """The user must change something: an argument, a config, an input file, the disk."""

    exit_code = 2

    def as_failure(self) -> LstError:
        """The same message as a failure of the run, which nothing rejects or skips."""
        return LstError(self.what, found=self.found, expected=self.expected, fix=self.fix)


_FULL = re.compile(r"No space left on device|Disk quota exceeded|\b\d+ requested and \d+ written\b|os error (28|122)\b")
"""How numpy, pyarrow, safetensors and torch report a full disk; not all of them give the system's error number."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and the chain of its causes."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def is_disk_full(error: BaseException) -> bool:
    """Whether this exception reports a full disk or quota, from whatever library."""
    number = error.errno if isinstance(error, OSError) else None
    if number is not None:
        return number in (errno.ENOSPC, errno.EDQUOT)
    return not isinstance(error, LstError) and _FULL.search(str(error)) is not None
