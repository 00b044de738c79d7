"""What each reduction kept and what its proof saw, as a table of the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.comparison_tables import NONE
from smelt.report.grid import Cell, Grid, Group, PaperTable, Row

RECORD = "reduction.json"
COLUMNS = [
    "Lines",
    "Of kept pieces",
    "Cut differently",
    "Pieces a word before",
    "after",
    "Unknown before",
    "after",
    "States compared",
    "Largest difference of a logit",
]
NOTES = [
    "Proof of each reduction, on held-out lines. Every line whose pieces are all kept is cut as before, except that a "
    "word unknown to WordPiece may become known. States compared: lines among these whose hidden states were compared "
    "in every layer, all equal bit for bit; the last column compares the logits of kept pieces on them. A reduction "
    "that fails this proof is not written. Unknown: share of pieces that are the unknown token."
]


def reduction_table(folders: Sequence[Path]) -> PaperTable | None:
    """Return the proofs of all reduced models, a group a model and a row a language; None where there is none."""
    groups = [_group(folder) for folder in folders if (folder / RECORD).is_file()]
    caption = "Reduced vocabularies and their proofs"
    return PaperTable("reductions", caption, [Grid("Language", COLUMNS, groups)], NOTES) if groups else None


def _group(folder: Path) -> Group:
    record = read_json(folder / RECORD)
    try:
        kept = f"{folder.name}: {record['pieces']:,} of {record['pieces_before']:,} pieces"
        return Group([_row(language, row) for language, row in record["proof"]["languages"].items()], kept)
    except (KeyError, TypeError):
        raise SmeltError(folder / RECORD, "is no record of a reduction: make the model again") from None


def _row(language: str, row: Mapping[str, Any]) -> Row:
    before, after, states = row["before"], row["after"], row["states"]
    texts = [
        f"{row['lines']:,}",
        f"{row['lines_whose_pieces_are_all_kept']:,}",
        _share(row["share_of_lines_that_tokenise_differently"]),
        _number(before["fertility"]),
        _number(after["fertility"]),
        _share(before["unknown_share"]),
        _share(after["unknown_share"]),
        f"{states['hidden_states_equal_bit_for_bit']:,}",
        _difference(states),
    ]
    return Row(language, [Cell(text) for text in texts])


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _difference(states: Mapping[str, Any]) -> str:
    value = states.get("largest_difference")  # none of a model without a head
    return NONE if value is None else f"{value:.1g}"
