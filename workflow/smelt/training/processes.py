"""The processes of one training: this one alone, or several under torchrun that hold the same model.

Every process makes its own rows of each batch, so they exchange gradients, sums and the reasons to stop, no data.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from smelt.errors import SmeltError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is. Every method is called by all of them, in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Return this process's rows of a batch, as even a share as there is."""
        return slice(batch * self.rank // self.size, batch * (self.rank + 1) // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; the same order of adding, so the same bits, everywhere."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank; anything that pickles."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def agree(self, act: Callable[[], Value]) -> Value:
        """Do something in each process; where it fails in one, fail in all, with the first one's message.

        A process that stopped alone would leave the others waiting for it.

        Raises:
            SmeltError: of this process or of another.
        """
        result, error = None, None
        try:
            result = act()
        except SmeltError as raised:
            error = (raised.where, raised.message)
        for other in self.gather(error):
            if other is not None:
                raise SmeltError(*other)
        return result  # type: ignore[return-value]


ALONE = Processes()


def launched() -> bool:
    """Say whether torchrun started this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def device_of(local_rank: int) -> torch.device:
    """Return the GPU of a process of this machine, or the CPU where there are none."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
