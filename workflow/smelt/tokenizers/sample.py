"""One seeded sample of a corpus' lines, shared by all tokenizers that name the same seed and size.

Languages are drawn in proportion to characters ** alpha (after Conneau et al. 2020, section 3.1; characters, because
scripts without blanks have few words), by exact quota, without replacement and uniformly within a language. Two
passes over the documents: count, then draw.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import SmeltError
from smelt.mixture import Mixture
from smelt.paragraphs import paragraphs
from smelt.parquet import open_parquet, refuse_damaged

_COLUMNS = ["text", "held_out"]

LONGEST_LINE = 4000
"""Bytes of a line handed to SentencePiece, which skips lines above its own limit without failing."""

# Full stops of scripts that put no blank after them; other full stops followed by a blank.
_SENTENCE_END = re.compile(r"[。！？।॥։။።]+[」』”’]*\s*|[.!?…؟]+[\"'”’»)\]]*\s+")


@dataclass(frozen=True)
class LanguageShare:
    """One language's documents, and how many of their lines were drawn."""

    documents: Path
    characters: int
    lines: int
    drawn: int = 0


@dataclass(frozen=True)
class Sample:
    """The drawn lines, and each language's share in them."""

    lines: list[str]
    shares: dict[str, LanguageShare]
    split: int
    """Lines above LONGEST_LINE bytes, which were split into several."""

    @property
    def sha256(self) -> str:
        """The digest of the lines: equal for tokenizers that learnt from the same sample."""
        digest = hashlib.sha256()
        for line in self.lines:
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()


def draw(documents: list[Path], size: int, mixture: Mixture, seed: int) -> Sample:
    """Draw `size` training lines of all languages, or all lines if there are fewer.

    Raises:
        SmeltError: no training line anywhere, two files of one language, or a file that is no document file.
    """
    counts = count_text(documents)
    total = {language: share.lines for language, share in counts.items()}
    weights = {language: share.characters**mixture.alpha for language, share in counts.items() if share.characters}
    weights = dict(zip(weights, mixture.cap(list(weights.values())), strict=True))
    wanted = quotas(total, weights, size)
    shares = {
        language: LanguageShare(c.documents, c.characters, c.lines, wanted[language]) for language, c in counts.items()
    }
    drawn: list[str] = []
    split = 0
    for language, share in shares.items():
        for line in _draw_lines(share, random.Random(f"{seed} {language}")):
            parts = split_long(line)
            split += len(parts) > 1
            drawn.extend(parts)
    return Sample(drawn, shares, split)


def count_text(documents: list[Path]) -> dict[str, LanguageShare]:
    """Return the characters and lines of each language's training documents."""
    counts: dict[str, LanguageShare] = {}
    for file in documents:
        language = language_of(file)
        if language in counts:
            raise SmeltError(file, f"is a second file of {language!r}: a language's folder names it, so give it once")
        characters = found = 0
        for line in lines(file, held_out=False):
            characters += len(line)
            found += 1
        counts[language] = LanguageShare(file, characters, found)
    if not any(share.lines for share in counts.values()):
        raise SmeltError(", ".join(map(str, documents)), "no training line in these documents: nothing to learn from")
    return counts


def quotas(available: dict[str, int], weights: dict[str, float], size: int) -> dict[str, int]:
    """Return how many lines each language gives: `size` in all, or all lines if there are fewer.

    A language with fewer lines than its share gives all; the others share the rest by their weights.
    """
    given = dict.fromkeys(available, 0)
    left = min(size, sum(available.values()))
    open_languages = [language for language in available if weights.get(language) and available[language]]
    while open_languages:
        shares = _largest_remainders({language: weights[language] for language in open_languages}, left)
        full = [language for language in open_languages if shares[language] >= available[language]]
        for language in full or open_languages:
            given[language] = min(shares[language], available[language])
            left -= given[language]
        open_languages = [language for language in open_languages if language not in full] if full else []
    return given


def split_long(line: str, limit: int = LONGEST_LINE) -> list[str]:
    """Return the line in parts of at most `limit` bytes, cut after sentences, or words, or else characters."""
    parts, start = [], 0
    while len((head := line[start : start + limit]).encode()) > limit or start + limit < len(line):
        head = head.encode()[:limit].decode(errors="ignore")
        cut = _last_boundary(head)
        parts.append(head[:cut])
        start += cut
    return [part.strip() for part in [*parts, head] if part.strip()]


def _last_boundary(head: str) -> int:
    ends = [match.end() for match in _SENTENCE_END.finditer(head, len(head) // 2)]
    blanks = [match.end() for match in re.finditer(r"\s+", head)] if not ends else []
    return (ends or blanks or [len(head)])[-1]


def _largest_remainders(weights: dict[str, float], size: int) -> dict[str, int]:
    """Return whole shares of `size` in proportion to the weights; they add up to `size`."""
    total = sum(weights.values())
    exact = {name: size * weight / total for name, weight in weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in by_remainder[: size - sum(shares.values())]:
        shares[name] += 1
    return shares


def _draw_lines(share: LanguageShare, generator: random.Random) -> list[str]:
    places = set(generator.sample(range(share.lines), share.drawn))
    return [line for place, line in enumerate(lines(share.documents, held_out=False)) if place in places]


def language_of(documents: Path) -> str:
    """Return the language of a document file: the name of its folder."""
    return documents.resolve().parent.name


def lines(documents: Path, held_out: bool) -> Iterator[str]:
    """Yield the paragraphs of the held-out documents or of the others, without blank ones and headings.

    Raises:
        SmeltError: the file is missing, is not Parquet or lacks the columns `text` and `held_out`.
    """
    with open_parquet(documents, _COLUMNS) as file, refuse_damaged(documents):
        for batch in file.iter_batches(batch_size=512, columns=_COLUMNS):
            for text, is_held_out in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if is_held_out == held_out:
                    yield from paragraphs(text)
