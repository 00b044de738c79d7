"""How a vocabulary's pieces are chosen: the part of a study entry that says which of them a reduced model keeps."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from smelt.entry import Entry

THRESHOLDS = {"paper": 0.0005, "code": 0.00005}
"""What "Smaller multilingual BERT" says (section 3.1), and what its code computes, which alone gives its Table 1."""


class SelectionRule(Entry):
    """The pieces over a threshold in any language, or the most frequent ones up to a size."""

    threshold: Annotated[float, Field(gt=0, le=1)] | Literal["paper", "code"] | None = None
    """Share of a language's lines that must hold a piece: a number, paper (0.0005) or code (0.00005, the default)."""
    size: PositiveInt | None = None
    """Pieces to select in all instead, always-kept ones included: those of the highest share in any language."""
    of: Literal["lines", "documents", "occurrences"] = "lines"
    """What shares are of: of the lines or documents that hold a piece, or of all occurrences of pieces."""

    @model_validator(mode="after")
    def _has_one_measure(self) -> Self:
        if self.threshold is not None and self.size is not None:
            raise ValueError("expected either threshold or size, found both")
        return self

    @property
    def share(self) -> float:
        """The threshold as a number; that of the code where neither it nor a size is given."""
        threshold = self.threshold or "code"
        return THRESHOLDS[threshold] if isinstance(threshold, str) else threshold


class ReductionSettings(SelectionRule):
    """All that decides what a model is reduced to, besides the model and the counts."""

    keep: list[str] = Field(default_factory=list)
    """Pieces to keep in any case, as the tokenizer spells them."""
    version: int = 0
    """The same settings under another version mean another model."""
