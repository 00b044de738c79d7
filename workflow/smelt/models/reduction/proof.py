"""The proof that a reduction is exact: run on held-out lines of every language before a model is written.

On lines whose pieces are all kept, tokens map one to one, hidden states of every layer are equal bit for bit, and the
logits of kept pieces are equal to the rounding of single precision. How many lines are not such, and what becomes of
their segmentation, is stated by language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smelt.errors import SmeltError
from smelt.models.reduction.lines import held_out_lines
from smelt.models.reduction.states import Models, States, batches
from smelt.models.reduction.tensors import Ids
from smelt.models.reduction.tokens import Tokenizers, Tokens
from smelt.training.pieces import read_tokenizer


@dataclass(frozen=True)
class Extent:
    """How much of each language a proof looks at, at the most."""

    lines: int = 1000
    """Lines to tokenise."""
    state_lines: int = 16
    """Of those whose pieces are all kept, lines to run both models on."""
    length: int = 128
    """Tokens of a line that the models read."""
    threads: int = 1


@dataclass(frozen=True)
class Reduction:
    """What is to be proven."""

    source: Path
    """Folder of the whole model."""
    reduced: Path
    """Folder of the reduced one."""
    ids: Ids
    """The kept pieces, ascending."""
    where: str
    """What to call the reduced model in errors."""
    loosened: bool = False
    """Whether words that were unknown may have become known (smelt.models.reduction.wordpiece)."""


def prove(made: Reduction, held_out: Mapping[str, Path], extent: Extent) -> dict[str, Any]:
    """Return the figures of the proof, as JSON can hold them.

    Args:
        made: the reduction.
        held_out: documents.parquet of each language.
        extent: how much to look at.

    Raises:
        SmeltError: the reduction is not exact, with the first difference; or no line of any language could tell.
    """
    torch.set_num_threads(extent.threads)
    both = Tokenizers(load_tokenizer(made.source), load_tokenizer(made.reduced), made.ids, made.where, made.loosened)
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
    return with_states(made, both, extent, {language: (tokens.record(), tokens) for language, tokens in found.items()})


def with_states(
    made: Reduction, both: Tokenizers, extent: Extent, languages: Mapping[str, tuple[dict[str, Any], Tokens]]
) -> dict[str, Any]:
    """Return what is said of each language's lines, with what both models make of those of kept pieces.

    Raises:
        SmeltError: as `Models.compare` does.
    """
    models = Models(made.source, made.reduced, made.ids, made.where)
    headed = models.output is not None
    return {
        "device": "cpu",
        "precision": "fp32",
        "threads": extent.threads,
        "length": min(extent.length, models.longest),
        "languages": {
            language: said | {"states": states_of(both, models, tokens, language, extent).record(headed)}
            for language, (said, tokens) in languages.items()
        },
    }


def unproven(proof: Mapping[str, Any]) -> list[str]:
    """Return the languages of which no held-out line has all its pieces kept."""
    rows = proof["languages"].items()
    return [language for language, row in rows if not row["lines_whose_pieces_are_all_kept"]]


def states_of(both: Tokenizers, models: Models, tokens: Tokens, language: str, extent: Extent) -> States:
    """Compare what both models make of lines of kept pieces, as many as are wanted.

    Raises:
        SmeltError: as `Models.compare` does.
    """
    states = States()
    step = max(len(tokens.whole) // max(extent.state_lines, 1), 1)  # from all over the lines, not only the first
    size = models.lines_at_once if both.before.pad_token is not None else 1
    for lines in batches(tokens.whole[::step][: extent.state_lines], size):
        length = min(extent.length, models.longest)
        old, new = (_encoded(one, lines, length, models.token_types) for one in (both.before, both.after))
        shown = f"a held-out line of {language}: {lines[0][:200]!r}"
        shown += f" or one of the {len(lines) - 1} after it" if lines[1:] else ""
        models.compare(old, new, states, shown)
    return states


def _encoded(tokenizer: Any, lines: list[str], length: int, token_types: bool) -> dict[str, torch.Tensor]:
    encoded = tokenizer(
        lines,
        truncation=True,
        max_length=length,
        padding=tokenizer.pad_token is not None,
        return_attention_mask=True,
        return_token_type_ids=token_types,
        return_tensors="pt",
    )
    return dict(encoded)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder, which reads what counts were made from as they do."""
    return read_tokenizer(folder)
