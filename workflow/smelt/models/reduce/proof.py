"""Prove that a reduction is exact, on held-out lines of every language, before a model is written.

On lines whose pieces are all kept, tokens map one to one, hidden states of every layer are equal bit for bit, and the
logits of kept pieces are equal to the rounding of single precision. The share of other lines, and how they are cut, is
recorded by language.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.models.vocabulary.equivalence import Extent, FolderPair, tokenizers_of
from smelt.models.vocabulary.states import ProofLines, encode_lines, prove_states
from smelt.models.vocabulary.texts import held_out_lines


def prove(made: FolderPair, held_out: Mapping[str, Path], extent: Extent) -> dict[str, Any]:
    """Return the figures of the proof, as JSON can hold them.

    Args:
        made: the reduction.
        held_out: documents.parquet of each language.
        extent: how much of the text to read.

    Raises:
        SmeltError: as `prove_tokens` and `prove_states` do.
    """
    return prove_states(made, prove_tokens(made, held_out, extent), extent.threads)


def prove_tokens(made: FolderPair, held_out: Mapping[str, Path], extent: Extent) -> ProofLines:
    """Compare the tokenizers, and return the lines for the models, with which `prove_states` ends the proof.

    Args:
        made: the reduction.
        held_out: documents.parquet of each language.
        extent: how much of the text to read.

    Raises:
        SmeltError: a line of kept pieces is cut differently, or no line of any language has only kept pieces.
    """
    both = tokenizers_of(made)
    found = {
        language: both.compare(language, held_out_lines(documents, extent.lines))
        for language, documents in held_out.items()
    }
    if not any(tokens.whole for tokens in found.values()):
        looked = sum(tokens.lines for tokens in found.values())
        raise SmeltError(
            made.where,
            f"nothing can be proven: of none of {looked} held-out lines all pieces are kept; keep more pieces,"
            " or look at more lines (--proof-lines)",
        )
    languages = {language: (tokens.record(), tokens) for language, tokens in found.items()}
    return encode_lines(made, both, extent, languages)


def unproven_languages(proof: Mapping[str, Any]) -> list[str]:
    """Return the languages without a held-out line whose pieces are all kept."""
    rows = proof["languages"].items()
    return [language for language, row in rows if not row["lines_whose_pieces_are_all_kept"]]
