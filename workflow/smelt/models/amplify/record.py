"""The record of an amplified model, amplification.json, and its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.files import write_json
from smelt.model_folder import AMPLIFICATION, ModelSource, count_parameters, count_shared_pieces
from smelt.models.amplify.growth import Addition
from smelt.models.amplify.learning import LineSample
from smelt.models.vocabulary.card import any_of, proof_rows, write_vocabulary_card
from smelt.models.vocabulary.vocabulary import Vocabulary
from smelt.models.vocabulary.weights import WEIGHTS, RewrittenWeights
from smelt.study.makers.amplify import NewPieces

LIMITS = """\
Its new pieces have learnt nothing yet: until it is trained, as by distillation, texts that hold them may be read worse
than before. All others are read as by the model that it was amplified from."""

STARTS = {
    "mean": "the mean of those of the pieces each was cut into before (Gee et al. 2022)",
    "gaussian": "drawn from the normal distribution of all old pieces' (Hewitt 2021)",
    "random": "drawn at random, as in a new model",
}


@dataclass(frozen=True)
class Amplification:
    """An amplification, before it is written."""

    vocabulary: Vocabulary
    addition: Addition
    sample: LineSample
    learnt: int
    """Merges that the texts yielded."""
    gathered: RewrittenWeights
    rule: NewPieces
    proof: Mapping[str, Any]


def write_record(folder: Path, made: Amplification) -> None:
    """Write amplification.json: what is shared with the source, the new pieces with their parts, and the proof.

    Pieces that had been added to the source are not shared: they have learnt nothing either.
    """
    pieces = made.vocabulary.pieces
    write_json(
        folder / AMPLIFICATION,
        {
            "rule": made.rule.model_dump(include={"pieces", "start", "sample", "seed"}),
            "kind": made.vocabulary.tree["model"]["type"],
            "shared": count_shared_pieces(made.vocabulary.folder) or made.vocabulary.size,
            "pieces": made.vocabulary.size + len(made.addition.pieces),
            "training_lines": made.sample.count_by_language(),
            "merges_learnt": made.learnt,
            "embedding_rows_before": made.gathered.rows,
            "embedding_rows_beyond_the_tokenizer": made.gathered.padding_rows,
            "tensors_extended": list(made.gathered.gathered),
            "tensors_copied": made.gathered.copied,
            "parameters": count_parameters(folder / WEIGHTS),
            "proof": made.proof,
            "added": {piece.spelling: [pieces[part] for part in piece.parts] for piece in made.addition.pieces},
        },
    )


def write_amplified_card(
    folder: Path, name: str, source: ModelSource, made: Amplification, languages: Sequence[str]
) -> None:
    """Write the card of an amplified model."""
    before, new = made.vocabulary.size, len(made.addition.pieces)
    summary = (
        f"with {new:,} more pieces, those that texts of {any_of(languages)} needed most. Their weights are"
        f" {STARTS[made.rule.start]}. On texts without them it computes what it did, as was proven before it was"
        f" written (`{AMPLIFICATION}`)."
    )
    tables = {"Proof on held-out lines": proof_rows(made.proof, "share_of_lines_cut_differently")}
    write_vocabulary_card(folder, name, source, languages, (before, before + new), summary, tables, LIMITS)
