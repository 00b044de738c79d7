"""Two tokenizers side by side: the pieces that both have, and how each cuts the same lines."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from smelt.models.inspect.pieces import InspectedTokenizer, SpeltPiece
from smelt.models.inspect.usage import LanguageUse, Usage, all_lines
from smelt.training.known_words import prepare

AT_ONCE = 256
Span = tuple[int, int, bool]
"""Where a piece begins and ends in a line, and whether it is unknown."""


@dataclass(frozen=True)
class ComparedLanguage:
    """How two tokenizers cut the lines of a language."""

    first: LanguageUse
    other: LanguageUse
    lines: int
    """Lines whose cuts were compared, from all over the texts."""
    alike: int
    """Of these, lines that both cut at the same places."""

    @property
    def length_ratio(self) -> float | None:
        """Pieces of the other tokenizer for each of the first."""
        return self.other.tokens / self.first.tokens if self.first.tokens else None

    @property
    def alike_share(self) -> float | None:
        """Share of the lines that both cut alike."""
        return self.alike / self.lines if self.lines else None


@dataclass(frozen=True)
class ComparedTokenizers:
    """What two tokenizers share."""

    shared: int
    """Pieces that both have: of the same text, and at the same place in a word where both mark starts or both ends."""
    shared_by_script: Mapping[str, int]
    languages: Sequence[ComparedLanguage]


def compare(
    first: InspectedTokenizer,
    other: InspectedTokenizer,
    uses: tuple[Usage, Usage],
    documents: Mapping[str, Path],
    lines: int,
) -> ComparedTokenizers:
    """Return what two tokenizers share.

    Args:
        first: one of them.
        other: the other one.
        uses: of the languages, by both.
        documents: of each language.
        lines: lines of a language whose cuts are compared, at most.
    """
    placed = first.marked == other.marked
    theirs = {_key(piece, placed) for piece in other.pieces if piece.piece}
    both = {key: piece.script for piece in first.pieces if (key := _key(piece, placed)) in theirs}
    pairs = zip(uses[0].languages, uses[1].languages, strict=True)
    languages = [_compare_lines(first, other, pair, documents[pair[0].language], lines) for pair in pairs]
    return ComparedTokenizers(len(both), dict(Counter(both.values()).most_common()), languages)


def _key(piece: SpeltPiece, placed: bool) -> tuple[str, str]:
    """Return what makes it the same piece in another tokenizer, whatever marks that one spells.

    placed: whether both mark the same places in words, so that these have to be the same, too.
    """
    return (piece.place if placed else "", piece.text) if piece.text else ("", piece.piece)


def _compare_lines(
    first: InspectedTokenizer,
    other: InspectedTokenizer,
    pair: tuple[LanguageUse, LanguageUse],
    documents: Path,
    most: int,
) -> ComparedLanguage:
    step = max(1, -(-pair[0].lines // most))
    chosen = islice(all_lines(documents), 0, None, step)
    compared = alike = 0
    while batch := list(islice(chosen, AT_ONCE)):
        compared += len(batch)
        alike += sum(one == two for one, two in zip(_spans(first, batch), _spans(other, batch), strict=True))
    return ComparedLanguage(*pair, compared, alike)


def _spans(tokenizer: InspectedTokenizer, lines: Sequence[str]) -> Iterator[list[Span]]:
    """Yield the pieces of each line as places in it, without blanks around them."""
    backend = tokenizer.vocabulary.tokenizer.backend_tokenizer
    prepare(backend, encode_special_tokens=True)
    for line, encoding in zip(lines, backend.encode_batch(lines, add_special_tokens=False), strict=True):
        spans = zip(encoding.offsets, encoding.ids, strict=True)
        placed = [(*_without_blanks(line, *ends), identity == tokenizer.unknown) for ends, identity in spans]
        yield [(begin, end, unknown) for begin, end, unknown in placed if end > begin]


def _without_blanks(line: str, begin: int, end: int) -> tuple[int, int]:
    text = line[begin:end]
    return begin + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
