"""What a model would be reduced to, for rules around the user's: sizes, and how held-out lines would be cut.

Nothing is written or trained: the sizes of weights follow from their headers. Held-out lines are cut once by the whole
tokenizer; of each rung's tokenizer only the lines that hold a piece left out are cut again, for all others are cut
alike. The figures are those that `reduce` with the rule of a rung writes into reduction.json, if it reduces: it proves
a model on held-out lines whose pieces are all kept. Of a language without one it proves nothing, and it refuses a rule
that leaves no such line in any language.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from smelt.model_folder import ModelSource, read_configuration
from smelt.models.reduce.choice import choose
from smelt.models.reduce.rungs import Rung, rungs_around
from smelt.models.reduce.selection import TOTALS, Numbers, PieceCounts
from smelt.models.vocabulary.tensors import Ids, StoredTensor, TensorToWrite, part_of_tensor, size_of_file, whole_tensor
from smelt.models.vocabulary.texts import held_out_lines
from smelt.models.vocabulary.tokenizer_files import file_text
from smelt.models.vocabulary.vocabulary import Vocabulary
from smelt.models.vocabulary.weights import check_rows, layout_of, rewritten, stored_tensors
from smelt.study.makers.reduce import SelectionRule
from smelt.training.known_words import encode, prepare, read_written


@dataclass(frozen=True)
class WeightSize:
    """A model's weights, as they are stored."""

    parameters: int
    """Numbers in the file; tied weights count once."""
    bytes: int
    """Of the file."""


@dataclass(frozen=True)
class LinesCut:
    """How held-out lines of a language are cut with some of the pieces."""

    coverage: float | None
    """Share of the occurrences in the texts counted whose pieces are kept; None of several languages together."""
    lines: int
    changed: int
    """Lines that are cut differently."""
    proving: int
    """Lines whose pieces are all kept, and that are cut alike: on these `reduce` proves the model."""
    tokens: int
    unknown: int
    """Tokens that are the unknown piece."""

    @property
    def changed_share(self) -> float | None:
        """The share of lines that are cut differently."""
        return self.changed / self.lines if self.lines else None

    @property
    def tokens_per_line(self) -> float | None:
        """Tokens of a line, on average."""
        return self.tokens / self.lines if self.lines else None


@dataclass(frozen=True)
class RungFigures:
    """What the rule of a rung would make."""

    label: str
    """Its threshold, coverage or size, as text."""
    value: float | None
    """The same as a number; None of the whole model."""
    given: bool
    """Whether it is the user's own rule."""
    pieces: int
    weights: WeightSize
    by_language: Mapping[str, LinesCut]

    @property
    def all(self) -> LinesCut:
        """The lines of all languages together."""
        found = list(self.by_language.values())
        names = ("lines", "changed", "proving", "tokens", "unknown")
        sums = {name: sum(getattr(part, name) for part in found) for name in names}
        return LinesCut(found[0].coverage if len(found) == 1 else None, **sums)

    @property
    def unproven(self) -> list[str]:
        """Languages without a line that proves anything; `reduce` refuses the rule where these are all."""
        return [language for language, part in self.by_language.items() if not part.proving]


@dataclass(frozen=True)
class Preview:
    """A dry run."""

    model: str
    rule: str
    """The key that the rungs differ in: threshold, coverage or size."""
    of: str
    """What its shares are of: lines, documents or occurrences."""
    whole: RungFigures
    """The model as it is."""
    rungs: Sequence[RungFigures]


def preview(
    source: ModelSource,
    vocabulary: Vocabulary,
    counts: Sequence[PieceCounts],
    held_out: Mapping[str, Path],
    rule: SelectionRule,
    always: Mapping[str, Ids],
    lines: int,
) -> Preview:
    """Return what the rules around one would make of a model.

    Args:
        source: the model.
        vocabulary: its vocabulary.
        counts: of its pieces, one of each language.
        held_out: documents.parquet of the same languages.
        rule: the user's.
        always: ids to keep in any case, by reason.
        lines: held-out lines of a language to cut, at most.

    Raises:
        SmeltError: the weights do not fit the tokenizer, or the user's rule is refused.
    """
    weights = Weights(source, vocabulary.size)
    cut = {language: HeldOutLines(vocabulary, held_out_lines(path, lines)) for language, path in held_out.items()}
    of = "occurrences" if rule.named_by == "coverage" else rule.of
    most = max(getattr(part, TOTALS[of]) for part in counts)
    rungs = rungs_around(rule, lambda other: choose(vocabulary, counts, other, always), vocabulary.size, most)

    def figures(rung: Rung) -> RungFigures:
        ids = rung.choice.ids
        tokenizer = read_written(file_text(vocabulary.reduced(ids)), encode_special_tokens=True)
        loosened = len(rung.choice.closure.loosened) > 0
        by_language = {
            part.language: cut[part.language].with_pieces(ids, tokenizer, part.coverage(ids), loosened)
            for part in counts
        }
        return RungFigures(rung.label, rung.value, rung.given, len(ids), weights.with_pieces(ids), by_language)

    whole = {language: part.whole() for language, part in cut.items()}
    return Preview(
        source.where,
        rule.named_by,
        of,
        RungFigures("whole model", None, False, vocabulary.size, weights.whole(), whole),
        [figures(rung) for rung in rungs],
    )


class Weights:
    """The weights of a model, whose sizes with other numbers of pieces follow from their headers."""

    def __init__(self, source: ModelSource, pieces: int) -> None:
        """Read the headers.

        Raises:
            SmeltError: the weights are not whole, or do not fit the tokenizer's number of `pieces`.
        """
        configuration = read_configuration(source.folder, source.where)
        self._layout, self._where = layout_of(configuration, source.where), source.where
        self._tensors = stored_tensors(source.folder, source.where)
        self._rows = check_rows(self._tensors, self._layout, configuration, pieces, source.where)

    def whole(self) -> WeightSize:
        """Return the size of all."""
        return _size({name: whole_tensor(tensor) for name, tensor in self._tensors.items()})

    def with_pieces(self, ids: Ids) -> WeightSize:
        """Return the size with the kept pieces alone."""

        def part(tensor: StoredTensor, axis: int) -> TensorToWrite:
            return part_of_tensor(tensor, ids, axis)

        return _size(rewritten(self._tensors, self._layout, self._rows, self._where, part))


def _size(parts: Mapping[str, TensorToWrite]) -> WeightSize:
    return WeightSize(sum(math.prod(part.shape) for part in parts.values()), size_of_file(parts))


def _cut(tokenizer: Tokenizer, lines: Sequence[str]) -> tuple[Numbers, Ids]:
    sizes, ids = encode(tokenizer, lines)
    return sizes, ids.astype(np.int64)


class HeldOutLines:
    """Lines of a language, cut by the whole tokenizer."""

    def __init__(self, vocabulary: Vocabulary, lines: Sequence[str]) -> None:
        """Cut them, as the proof of a reduction does: a special piece that a text spells out is text."""
        self._lines, self._pieces = lines, vocabulary.size
        self._unknown: int | None = vocabulary.tokenizer.unk_token_id
        backend = vocabulary.tokenizer.backend_tokenizer
        prepare(backend, encode_special_tokens=True)
        self._sizes, self._ids = _cut(backend, lines)
        self._owners = np.repeat(np.arange(len(lines)), self._sizes)

    def whole(self) -> LinesCut:
        """Return how they are cut."""
        unknown = self._count_unknown(self._ids, self._unknown)
        return LinesCut(1.0, len(self._lines), 0, len(self._lines), len(self._ids), unknown)

    def with_pieces(self, ids: Ids, tokenizer: Tokenizer, coverage: float, loosened: bool) -> LinesCut:
        """Return how they are cut with some of the pieces.

        Args:
            ids: the pieces, ascending.
            tokenizer: that of these pieces.
            coverage: their share of the occurrences in the texts counted.
            loosened: whether words that were unknown may become known.
        """
        new = np.full(self._pieces, -1, np.int64)
        new[ids] = np.arange(len(ids))
        unknown = None if self._unknown is None else int(new[self._unknown])
        left_out = new[self._ids] < 0
        again = np.unique(self._owners[left_out | (self._ids == self._unknown) if loosened else left_out])
        sizes, cut = _cut(tokenizer, [self._lines[line] for line in again])
        inside = np.isin(self._owners, again)
        before = self._of_lines(new[self._ids[inside]], self._sizes[again])
        after = self._of_lines(cut, sizes)
        same = [np.array_equal(old, line) for old, line in zip(before, after, strict=True)]
        return LinesCut(
            coverage,
            len(self._lines),
            len(same) - sum(same),
            len(self._lines) - len(same) + sum(same),
            int((~inside).sum()) + len(cut),
            self._count_unknown(new[self._ids[~inside]], unknown) + self._count_unknown(cut, unknown),
        )

    def _of_lines(self, ids: Ids, sizes: Numbers) -> list[Ids]:
        return np.split(ids, np.cumsum(sizes)[:-1]) if len(sizes) else []

    def _count_unknown(self, ids: Ids, unknown: int | None) -> int:
        return 0 if unknown is None else int((ids == unknown).sum())
