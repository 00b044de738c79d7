"""The record of a reduced model, reduction.json, and its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.card import CardValue
from smelt.companions import Companions
from smelt.files import write_json
from smelt.model_folder import REDUCTION, ModelSource, count_parameters, count_shared_pieces
from smelt.models.reduce.choice import Choice
from smelt.models.reduce.selection import PieceCounts
from smelt.models.vocabulary.card import any_of, proof_rows, write_vocabulary_card
from smelt.models.vocabulary.weights import WEIGHTS, RewrittenWeights

LIMITS = """\
Those of the model that it was reduced from. A text whose pieces were all kept is read as that model reads it; any other
is cut into more or unknown pieces. How often that happened on held-out lines is said above, by language."""


@dataclass(frozen=True)
class Reduction:
    """A reduction, before it is written."""

    pieces_before: int
    choice: Choice
    counts: Sequence[PieceCounts]
    gathered: RewrittenWeights
    companions: Companions
    rule: Mapping[str, Any]
    proof: Mapping[str, Any]


def write_record(folder: Path, source: ModelSource, made: Reduction) -> None:
    """Write reduction.json: the rule, the pieces by reason, the tensors, and the proof."""
    write_json(
        folder / REDUCTION,
        {
            "rule": dict(made.rule),
            "pieces_before": made.pieces_before,
            "pieces": len(made.choice.ids),
            "shared": _shared(source, made),
            "kept": made.choice.record(),
            "counted": {part.language: _totals(part) for part in made.counts},
            "coverage": {part.language: part.coverage(made.choice.ids) for part in made.counts},
            "unknown_words_may_become_known_by": len(made.choice.closure.loosened),
            "embedding_rows_before": made.gathered.rows,
            "embedding_rows_beyond_the_tokenizer": made.gathered.padding_rows,
            "tensors_gathered": list(made.gathered.gathered),
            "tensors_copied": made.gathered.copied,
            "parameters": count_parameters(folder / WEIGHTS),
            "files_copied": list(made.companions.files),
            "files_left_behind": list(made.companions.left),
            "proof": made.proof,
        },
    )


def write_reduced_card(folder: Path, name: str, source: ModelSource, made: Reduction) -> None:
    """Write the card of a reduced model."""
    languages = [part.language for part in made.counts]
    before, after = made.pieces_before, len(made.choice.ids)
    summary = (
        f"with {after:,} of its {before:,} pieces: those that {any_of(languages)} needs (Abdaoui et al. 2020). On texts"
        " of these pieces it computes the same, as was proven before it was written"
        f" (`{REDUCTION}`)."
    )
    proof = proof_rows(made.proof, "share_of_lines_that_tokenise_differently")
    tables = {"Pieces by language": _pieces(made), "Proof on held-out lines": proof}
    write_vocabulary_card(folder, name, source, languages, (before, after), summary, tables, LIMITS)


def _shared(source: ModelSource, made: Reduction) -> int | None:
    """Return how many of the kept pieces are older than those added to the source; None if none were added."""
    shared = count_shared_pieces(source.folder)
    return None if shared is None else int((made.choice.ids < shared).sum())


def _totals(counts: PieceCounts) -> dict[str, int]:
    return {"lines": counts.lines, "documents": counts.documents, "tokens": counts.tokens}


def _pieces(made: Reduction) -> list[Mapping[str, CardValue]]:
    selected = made.choice.selection.by_language
    return [
        {
            "language": part.language,
            "lines counted": part.lines,
            "pieces seen": int((part.in_lines > 0).sum()),
            "pieces selected": len(selected[part.language]),
            "occurrences kept": f"{part.coverage(made.choice.ids):.4%}",
        }
        for part in made.counts
    ]
