"""What every step of cleaning is asked for."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar


class CleaningStep(ABC):
    """A step of cleaning."""

    name: ClassVar[str]
    """Its key in a study."""

    def __init__(self) -> None:
        """Start without counts."""
        self.counted: Counter[str] = Counter()
        """What it counts beyond documents and characters."""

    @abstractmethod
    def apply(self, text: str, source: str) -> str:
        """Return a document's text after the step; "" leaves the document out."""

    def details(self) -> Mapping[str, Any]:
        """Return what the statistics say further about what was removed."""
        return {}

    def state(self) -> Any:
        """Return what it counted as values that JSON can hold, for `add`."""
        return dict(self.counted)

    def add(self, state: Any) -> None:
        """Add what the same step counted in other documents."""
        self.counted.update(state)


class RememberingStep(CleaningStep):
    """A step whose decision about a document depends on those before it.

    Its parts can run apart: `hashes` and `without` on shards of the documents side by side, `find` on all of them in
    their order.
    """

    decided: Iterator[Sequence[bool]] | None = None
    """What `find` found before about each document that comes here, where another process did so."""

    def apply(self, text: str, source: str) -> str:
        """Return the text without what stood before."""
        found = self.find(self.hashes(text), source) if self.decided is None else next(self.decided)
        return self.without(text, found)

    @abstractmethod
    def hashes(self, text: str) -> list[int]:
        """Return the hashes that stand for the text."""

    @abstractmethod
    def find(self, hashes: Sequence[int], source: str) -> Sequence[bool]:
        """Return what `without` needs to know, and remember the hashes of what stays."""

    @abstractmethod
    def without(self, text: str, found: Sequence[bool]) -> str:
        """Return the text without what was found."""
