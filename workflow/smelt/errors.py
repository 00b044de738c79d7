"""Errors that a user can fix: reported in one clear message, never as a traceback."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from smelt.environment import VARIABLE, hide_secrets, hide_secrets_at_start

LONGEST_SHOWN = 80  # characters of a file's content that a message shows
FEW = 15  # a longer list of names comes after the question whether one of them was meant
WITHOUT_IT = "or leave what needs it out of the study"
ERROR = 1  # something to fix first
NO_INPUT = 66  # EX_NOINPUT of sysexits.h: a file that is needed is not there
CRASH = 70  # EX_SOFTWARE of sysexits.h: ended by an error that smelt does not know, such as too little memory
IO_ERROR = 74  # EX_IOERR of sysexits.h: a file could not be read or written, on a full disk for example
RESUMABLE = 75  # EX_TEMPFAIL of sysexits.h: try again later
FINAL = frozenset({ERROR, NO_INPUT})
"""Exit codes of errors that the same command meets again: a cluster's retries are not spent on them."""


class SmeltError(Exception):
    """An error that a user can fix: where, what is wrong, what was expected and, where it helps, what to do.

    `where` names a file (with a line, where there is one), a key of the study or an address.
    """

    exit_code = ERROR
    """The exit code of a command that ends in this error."""
    reported = False
    """Whether it has been printed, or another process of the same job prints it."""
    of_all = False
    """Whether every process of the same job raises it."""

    def __init__(self, where: str | Path, message: str) -> None:
        """Keep both parts; `str()` of the error is `where: message`."""
        self.where = hide_secrets(str(where))
        self.message = hide_secrets(message)
        super().__init__(self.where, self.message)  # for pickling between processes

    def __str__(self) -> str:
        """The line that the user reads."""
        return f"{self.where}: {self.message}"


class Unfinished(SmeltError):
    """A job was stopped before its end; running it again continues from there."""

    exit_code = RESUMABLE


class Unwritable(SmeltError):
    """A disk took no more, or gave nothing back: with space or permission, the same command may go well."""

    exit_code = IO_ERROR


class Killed(SmeltError):
    """A process of the job was killed, most likely for want of memory: with more, the same command may go well."""

    exit_code = CRASH


def expected_one_of(found: object, names: Iterable[object], listed: str = "expected one of") -> str:
    """Return the end of a message about an unknown name: the known names, and a question where one is similar.

    Args:
        found: the name that is not known.
        names: the known names.
        listed: the words before the list of them.
    """
    known = [str(name) for name in names]
    question, every = suggest_similar(found, known), f"{listed} {', '.join(known) or '(none defined)'}"
    if question and len(known) > FEW:
        return f"{question} {every[0].upper()}{every[1:]}"
    return "; ".join(filter(None, [every, question]))


def suggest_similar(found: object, names: Iterable[str]) -> str:
    """Return the question whether a similar name was meant; nothing where none is similar."""
    return did_you_mean(similar_names(found, names))


def similar_names(found: object, names: Iterable[str]) -> list[str]:
    """Return the names that are similar to an unknown one, the closest first."""
    folded = {name.casefold(): name for name in names}
    return [folded[name] for name in difflib.get_close_matches(str(found).casefold(), folded, n=3, cutoff=0.75)]


def did_you_mean(names: Iterable[str]) -> str:
    """Return the question whether one of these names was meant; nothing where there are none."""
    listed = " or ".join(names)
    return f"did you mean {listed}?" if listed else ""


def quote(found: object) -> str:
    """Return the beginning of a value as a message shows it: on one line, in quotes where it is text."""
    return repr(shorten_text(found)) if isinstance(found, str) else shorten_text(repr(found))


def shorten_text(text: str) -> str:
    """Return the beginning of a text, with a mark where it continues."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def absent(path: str | Path, kind: str = "file", expected: str = "") -> SmeltError:
    """Return the error that a source of the study is not there, or lies under a variable that is not set.

    Args:
        path: the file or folder.
        kind: which of the two it is.
        expected: what it should hold.
    """
    unset = VARIABLE.findall(str(path))
    found = f"the environment variable {unset[0]} is not set" if unset else f"no such {kind}"
    where = path if unset else Path(path).absolute()
    mend = "Set it" if unset else "Put it there"
    return SmeltError(where, f"{found}{f': expected {expected}' if expected else ''}. {mend}, {WITHOUT_IT}")


def not_found(path: str | Path, kind: str = "file", expected: str = "") -> SmeltError:
    """Return the error that a file or folder that a command reads is not there.

    Args:
        path: the file or folder, or its name in messages.
        kind: which of the two it is.
        expected: what it should hold.
    """
    return SmeltError(path, f"no such {kind}{f': expected {expected}' if expected else ''}")


def cause(error: BaseException) -> Exception:
    """Return the error that a library wraps in its own."""
    return error.__cause__ if isinstance(error.__cause__, Exception) else Exception(str(error))


def first_line(error: Exception) -> str:
    """Return the first line of a library's error, shortened."""
    lines = map(str.strip, hide_secrets_at_start(str(error)).splitlines())
    return next(filter(None, lines), type(error).__name__)[:300]
