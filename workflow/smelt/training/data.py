"""Batches made on the fly from token blocks: rows of text with masks in them.

Every draw is a function of the seed, the step and the position in the whole batch, so that a row depends neither on the
number of workers or processes nor on where a run was resumed. So is the block of each example: languages are drawn
in proportion to tokens ** alpha, and each language's blocks without replacement within an epoch of that language.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.mixture import Mixture
from smelt.training.blocks import TokenBlocks
from smelt.training.distributed import ALONE, Processes
from smelt.training.examples import DRAWS_PER_ROW, Segments, TrainingExamples
from smelt.training.masking import masking_of
from smelt.training.pieces import Pieces
from smelt.training.recipes import Recipe
from smelt.training.sampler import TRAINING, VALIDATION, Draws, Sampler, fair_shares, seeded_draws, shares

Ids = NDArray[np.int64]

NARROWEST = 8  # tokens: widths are multiples of it, which matrix units of GPUs take without padding
DESCRIBED = 5  # block numbers of a language that a message names


@dataclass(frozen=True)
class Batch:
    """Examples for masked language modelling and sentence prediction."""

    input_ids: Tensor
    """Shape (rows, length): [CLS] A [SEP] B [SEP] and padding, with masks."""
    token_type_ids: Tensor
    """Shape (rows, length): 0 up to the first [SEP], 1 from there to the second."""
    attention_mask: Tensor | None
    """Shape (rows, length); None where there is no padding, since attention runs faster without it."""
    masked: Tensor
    """Shape (masked,): positions to predict in the flattened batch, ascending."""
    labels: Tensor
    """Shape (masked,): the original ids at these positions."""
    sentence_labels: Tensor
    """Shape (rows,): 1 where the segments are swapped or the second is from elsewhere, 0 where not, IGNORED where there
    is only one."""
    lengths: Ids
    """Shape (rows,): tokens that are not padding; this and the next field stay on the CPU."""
    cut: Ids
    """Shape (rows,): tokens of the row's block that are cut off or replaced this time."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens that are not padding."""
        return int(self.lengths.sum())

    @property
    def dropped(self) -> int:
        """Tokens of its blocks that are not in the batch: they are skipped until the next epoch."""
        return int(self.cut.sum())

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {
            name: value.pin_memory().to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def part(self, rows: slice, multiple: int = NARROWEST) -> Self:
        """Return consecutive rows as a batch, without the columns that only pad them.

        Cheap on the CPU, so cut before moving.

        multiple: the width is the next multiple of it, so that there are few widths; at most the batch's own.
        """
        part = self.only(rows)
        longest = int(part.lengths.max(initial=1))
        return part.narrow(min(-(-longest // multiple) * multiple, self.input_ids.shape[1]))

    def only(self, rows: slice) -> Self:
        """Return consecutive rows, at their full width."""
        start, stop, _ = rows.indices(len(self))
        if (start, stop) == (0, len(self)):
            return self
        rows, width = slice(start, max(start, stop)), self.input_ids.shape[1]
        first, last = torch.searchsorted(self.masked, self.masked.new_tensor([rows.start, rows.stop]) * width).tolist()
        padded = self.attention_mask is not None and (self.lengths[rows] < width).any()
        return replace(
            self,
            input_ids=self.input_ids[rows],
            token_type_ids=self.token_type_ids[rows],
            attention_mask=self.attention_mask[rows] if padded and self.attention_mask is not None else None,
            masked=self.masked[first:last] - rows.start * width,
            labels=self.labels[first:last],
            sentence_labels=self.sentence_labels[rows],
            lengths=self.lengths[rows],
            cut=self.cut[rows],
        )

    def narrow(self, width: int) -> Self:
        """Return the batch without the columns from `width` on, which contain only padding."""
        before = self.input_ids.shape[1]
        if width >= before:
            return self
        padded = self.attention_mask is not None and (self.lengths < width).any()
        return replace(
            self,
            input_ids=self.input_ids[:, :width].contiguous(),
            token_type_ids=self.token_type_ids[:, :width].contiguous(),
            attention_mask=self.attention_mask[:, :width].contiguous()
            if padded and self.attention_mask is not None
            else None,
            masked=self.masked // before * width + self.masked % before,
        )

    def longest_first(self) -> Self:
        """Return the rows sorted by length, so that rows of about the same length are neighbours."""
        order = np.argsort(-self.lengths, kind="stable")
        place, width = np.argsort(order), self.input_ids.shape[1]  # the new place of each row
        masked = self.masked.numpy()
        masked = place[masked // width] * width + masked % width
        ascending = np.argsort(masked)
        rows, positions = torch.from_numpy(order), torch.from_numpy(ascending)
        return replace(
            self,
            input_ids=self.input_ids[rows],
            token_type_ids=self.token_type_ids[rows],
            attention_mask=None if self.attention_mask is None else self.attention_mask[rows],
            masked=torch.from_numpy(masked[ascending]),
            labels=self.labels[positions],
            sentence_labels=self.sentence_labels[rows],
            lengths=self.lengths[order],
            cut=self.cut[order],
        )


class Batches:
    """This process's rows of a run's batches: `train(step)` for any step, and the validation batches."""

    def __init__(
        self,
        train: Sequence[TokenBlocks],
        validation: Sequence[TokenBlocks],
        pieces: Pieces,
        recipe: Recipe,
        mixture: Mixture,
        seed: int,
        processes: Processes = ALONE,
    ) -> None:
        """Take the blocks of each language, in the same order; the mixture says how often each is drawn."""
        self._train, self._validation = train, validation
        self._recipe, self._seed, self._processes = recipe, seed, processes
        probabilities = shares([blocks.tokens for blocks in train], mixture)
        self._new_sampler = partial(Sampler, [len(blocks) for blocks in train], probabilities, seed)
        self._sampler = self._new_sampler()
        self._numbers = fair_shares([len(blocks) for blocks in validation], recipe.validation.blocks)
        self._examples = TrainingExamples(pieces, recipe)
        self._masking = masking_of(recipe.objective, pieces, partial(counts_of, train, pieces.size))

    def train(self, step: int) -> Batch:
        """Return this process's rows of the batch of a step, counted from 1."""
        size = self._recipe.data.batch
        own = self._processes.rows(size)
        rows = self._dependent_rows(own, size)
        languages, blocks = self._sampler.examples((step - 1) * size + rows.start, len(rows))
        draws = seeded_draws(self._seed, TRAINING, step, rows, self._draws)
        segments = Segments.empty(len(rows), self._examples.width)
        for language in np.unique(languages):
            its = languages == language
            part = self._examples.segments(
                self._train[language],
                blocks[its],
                draws[its, :DRAWS_PER_ROW],
                self._recipe.data.short_sequence_probability,
            )
            segments.put(its, part)
        return self._own(self._mask(segments, draws), slice(own.start - rows.start, own.stop - rows.start))

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield (language, batch) of this process's share of the held-out blocks; the same ones at every call.

        Each language's blocks are spread evenly over all it has, and none is shortened. The languages have the same
        order in all processes; one with fewer blocks than there are processes is in some of them only.
        """
        for index, (source, number) in enumerate(zip(self._validation, self._numbers, strict=True)):
            own = self._processes.rows(number)
            at_once = -(-self._recipe.data.batch // self._processes.size)
            for first in range(own.start, own.stop, at_once):
                yield source.language, self._held_out(index, slice(first, min(first + at_once, own.stop)))

    @property
    def languages(self) -> list[str]:
        """The languages with held-out blocks, in the order of validation."""
        return [blocks.language for blocks, number in zip(self._validation, self._numbers, strict=True) if number]

    def describe(self, step: int) -> str:
        """Return the languages and some of the block numbers of a step's whole batch, for a message."""
        size = self._recipe.data.batch
        sampler = self._new_sampler()  # a thread may be using the other one
        languages, blocks = sampler.examples((step - 1) * size, size)
        return "; ".join(
            list_blocks(self._train[language].language, blocks[languages == language].tolist())
            for language in np.unique(languages)
        )

    def _held_out(self, index: int, own: slice) -> Batch:
        """Return some of the held-out blocks that are measured of a language, by their numbers among these."""
        source, number = self._validation[index], self._numbers[index]
        rows = self._dependent_rows(own, number)
        draws = seeded_draws(self._seed, VALIDATION, index, rows, self._draws)
        blocks = np.asarray(rows, np.int64) * len(source) // number
        segments = self._examples.segments(source, blocks, draws[:, :DRAWS_PER_ROW], short_probability=0.0)
        return self._own(self._mask(segments, draws), slice(own.start - rows.start, own.stop - rows.start))

    def _mask(self, segments: Segments, draws: Draws) -> Batch:
        """Return the batch of segments, masked by the draws of their rows, shape (rows, draws)."""
        rows = self._examples.rows(segments)
        of_tokens = draws[:, DRAWS_PER_ROW:].reshape(
            len(draws), self._masking.draws_per_token, self._recipe.data.length
        )
        ids, chosen = self._masking(rows.ids, of_tokens)
        positions = np.flatnonzero(chosen)
        return Batch(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.from_numpy(rows.types),
            attention_mask=None if rows.real.all() else torch.from_numpy(rows.real.astype(np.int64)),
            masked=torch.from_numpy(positions),
            labels=torch.from_numpy(rows.ids.ravel()[positions]),
            sentence_labels=torch.from_numpy(segments.labels),
            lengths=rows.real.sum(1),
            cut=segments.dropped,
        )

    def _own(self, batch: Batch, rows: slice) -> Batch:
        """Return this process's rows of a batch, in the order of their passes."""
        own = batch.only(rows)
        return own.longest_first() if self._recipe.machine.grouped else own

    def _dependent_rows(self, own: slice, size: int) -> range:
        """Return the rows that must be made because the masks of a process's rows depend on them."""
        together = self._masking.choose.rows_together
        return range(own.start // together * together, min(-(-own.stop // together) * together, size))

    @property
    def _draws(self) -> int:
        """How many draws a row takes for its segments and its masks."""
        return DRAWS_PER_ROW + self._masking.draws_per_token * self._recipe.data.length


def counts_of(blocks: Sequence[TokenBlocks], vocabulary: int) -> Ids:
    """Return how often each piece occurs in blocks of all languages, shape (vocabulary,)."""
    counts = np.zeros(vocabulary, np.int64)
    for part in blocks:
        counts += part.counts(vocabulary)
    return counts


def list_blocks(language: str, blocks: list[int]) -> str:
    """Return a language, the first block numbers and how many more there are, as text."""
    more = f" and {len(blocks) - DESCRIBED:,} more" if len(blocks) > DESCRIBED else ""
    return f"{language}: blocks {', '.join(map(str, blocks[:DESCRIBED]))}{more}"


Item = TypeVar("Item")


def prefetch(make: Callable[[int], Item], first: int, last: int) -> Iterator[Item]:
    """Yield make(first) ... make(last); a thread makes each while the one before it is used."""
    if first > last:
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as worker:
        following = worker.submit(make, first)
        for number in range(first, last + 1):
            current = following.result()
            if number < last:
                following = worker.submit(make, number + 1)
            yield current
