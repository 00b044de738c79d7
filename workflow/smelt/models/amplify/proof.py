"""Prove that an amplified model computes what its source does, wherever no new piece occurs.

The source is the amplified model reduced to the old pieces. So the proof is the same as for a reduction: lines of old
pieces are cut alike, their hidden states are equal bit for bit, and the logits of old pieces are equal to rounding. New
pieces are in most lines of their languages; therefore the words of a line that have none are joined to a line and
proven too. All lines are held out, and pieces a word before and after are counted on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.models.vocabulary.equivalence import (
    ComparedTokens,
    Extent,
    FolderPair,
    TokenizerPair,
    tokenizers_of,
)
from smelt.models.vocabulary.states import encode_lines, prove_states
from smelt.models.vocabulary.texts import held_out_lines

_AT_ONCE = 256


def prove(made: FolderPair, held_out: Mapping[str, Path], extent: Extent) -> dict[str, Any]:
    """Return the figures of the proof, as JSON can hold them.

    Args:
        made: the source as a reduction of the amplified model to the old ids.
        held_out: documents.parquet of each language.
        extent: how much of the text to read.

    Raises:
        SmeltError: a text without new pieces is read otherwise than before, or there is no such text.
    """
    both = tokenizers_of(made)
    lines = {language: held_out_lines(documents, extent.lines) for language, documents in held_out.items()}
    found = {language: both.compare(language, some) for language, some in lines.items()}
    others = {language: both.compare(language, rests(both, some)) for language, some in lines.items()}
    whole = {language: [*found[language].whole, *others[language].whole] for language in lines}
    if not any(whole.values()):
        looked = sum(tokens.lines for tokens in found.values())
        raise SmeltError(
            made.where,
            f"nothing can be proven: no word of {looked} held-out lines is without new pieces; add fewer,"
            " or look at more lines (--proof-lines)",
        )
    said = {
        language: (
            record(tokens, others[language], new_pieces(both, lines[language])),
            replace(tokens, whole=whole[language]),
        )
        for language, tokens in found.items()
    }
    return prove_states(made, encode_lines(made, both, extent, said), extent.threads)


def rests(both: TokenizerPair, lines: Sequence[str]) -> list[str]:
    """Return the words without new pieces of each line that has both kinds of words, joined to a line."""
    found = []
    for begin in range(0, len(lines), _AT_ONCE):
        batch = lines[begin : begin + _AT_ONCE]
        words = [word for line in batch for word in line.split()]
        old = iter(both.whole_of_kept(words))
        rest = [(len(line.split()), [word for word in line.split() if next(old)]) for line in batch]
        found += [" ".join(kept) for number, kept in rest if 0 < len(kept) < number]
    return found


def new_pieces(both: TokenizerPair, lines: Sequence[str]) -> tuple[int, int]:
    """Return how many new pieces occur in lines, and how many different ones."""
    ids = [identity for line in lines for identity in both.others_of(line)]
    return len(ids), len(set(ids))


def record(tokens: ComparedTokens, others: ComparedTokens, new: tuple[int, int]) -> dict[str, Any]:
    """Return the figures of a language's lines; `before` and `after` of a reduction are exchanged."""
    return {
        "lines": tokens.lines,
        "lines_without_a_new_piece": len(tokens.whole),
        "lines_of_other_words_without_a_new_piece": len(others.whole),
        "share_of_lines_cut_differently": tokens.changed / tokens.lines if tokens.lines else None,
        "lines_with_known_words_now_unknown": tokens.now_known,
        "before": tokens.after.ratios(),
        "after": tokens.before.ratios(),
        "new_pieces_found": new[0],
        "different_new_pieces_found": new[1],
    }
