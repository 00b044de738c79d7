"""The processes of one training: only this one, or several under torchrun with the same model.

Every process makes its own rows of each batch, so they exchange gradients, sums and reasons to stop, but no data.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from smelt.errors import SmeltError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """The rank of this process and the number of processes. All of them call each method, in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process does what only one may do, such as writing files."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Return this process's rows of a batch, in shares as equal as possible."""
        return slice(batch * self.rank // self.size, batch * (self.rank + 1) // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, added in the same order and so bit-equal in each."""
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
        """Do something in each process; if it fails in one, fail in all, with the first one's message.

        If one process stopped alone, the others would wait for it for ever.

        Raises:
            SmeltError: of this process or of another.
        """
        result, error = None, None
        try:
            result = act()
        except SmeltError as raised:
            error = raised
        errors = [raised for raised in self.gather(error) if raised is not None]
        if errors:
            raise self.alike(errors[0])
        return result  # type: ignore[return-value]

    def alike(self, error: SmeltError) -> SmeltError:
        """Return an error that every process raises and only the first one prints."""
        error.reported, error.of_all = not self.first, True
        return error


ALONE = Processes()


def is_under_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def join_processes() -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that torchrun started with this one, if it did; yield them and this one's device."""
    if not is_under_torchrun():
        yield ALONE, torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # Tensors on the CPU use gloo even if gradients use NCCL, so that no step waits for its GPU.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size()), device
    finally:
        distributed.destroy_process_group()
