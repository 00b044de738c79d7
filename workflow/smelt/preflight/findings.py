"""A row of the table, a finding: what was looked at, whether it is as it should be, what was seen, and what to do."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from smelt.errors import SmeltError

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: Verdict
    seen: str
    mend: str = ""
    """What to do; nothing where it is as it should be."""


def findings_of(check: str, look: Callable[[], Iterable[Finding]], mend: str = "") -> Iterator[Finding]:
    """Yield the rows of one check; where it cannot be made, a problem that says why.

    Args:
        check: its name.
        look: makes the rows.
        mend: what to do where it cannot be made.
    """
    try:
        yield from look()
    except SmeltError as error:
        yield Finding(check, "problem", str(error), mend)


def shorten_list(names: Iterable[str], most: int = 3) -> str:
    """Return the first names of a list, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
