"""Memory of a training: how many rows pass through the model at once. As many as fit do, without an effect on the
result.

Memory grows linearly with the rows, so two small passes show how much a row takes.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smelt.errors import SmeltError
from smelt.training.data import NARROWEST, Batch
from smelt.training.distributed import Processes
from smelt.training.objectives import ModelWithObjective, weighted_loss
from smelt.training.recipes import ModelSettings, Recipe


class LiveTensors(TorchDispatchMode):
    """Counts the memory of tensors made within the block, each from when it is made until it is freed.

    Everything that torch's operations return counts: what autograd keeps, gradients, buffers of our own functions, and
    temporary results of passes without gradients. Memory that an operation takes and frees internally does not.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        """Bytes at the highest point so far."""
        self._now = 0
        self._known: dict[int, int] = {}  # bytes by storage; 0 for those made before the block

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, and count its results."""
        given: Mapping[str, Any] = kwargs or {}
        for tensor in tree_leaves((args, given)):
            self._take(tensor, before=True)
        made = func(*args, **given)
        for tensor in tree_leaves(made):
            self._take(tensor, before=False)
        return made

    def _take(self, tensor: Any, *, before: bool) -> None:
        if not isinstance(tensor, Tensor):
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known[key] = 0 if before else storage.nbytes()
            self._now += self._known[key]
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._drop, key).atexit = False

    def _drop(self, key: int) -> None:
        self._now -= self._known.pop(key, 0)


GIB = 2**30
USABLE = 0.8  # of the free memory; the rest is for needs that two small passes do not show
MOST_IN_COMMON = 256  # a first row may take at most this many times a further row's memory; more is a measuring error
# On a CPU the process grows by more than its tensors take, because operations have workspaces and the allocator gaps
# (measured: 1.25 times as much at 8 rows of 128 tokens that 12 layers teach to 6, 1.26 at 24).
INSIDE = 4 / 3
STATES = 4  # copies of the weights that a step needs: gradient, two moments, and room for an update


def parts(batch: Batch, rows: int, multiple: int = NARROWEST) -> Iterator[Batch]:
    """Yield a batch in micro-batches of `rows` rows, as wide as their longest one; the last may have fewer.

    multiple: widths are multiples of it (see Batch.part).
    """
    for first in range(0, max(len(batch), 1), rows):
        yield batch.part(slice(first, first + rows), multiple)


def micro_batch_of(
    module: ModelWithObjective, batch: Batch, recipe: Recipe, device: torch.device, processes: Processes
) -> int:
    """Return how many rows of a batch to pass at once, the same in all processes.

    Raises:
        SmeltError: not even one row fits.
    """
    batch = batch.longest_first()  # at full width, because later batches may have rows of it
    free = free_memory(device) * USABLE - states_to_come(module)
    if device.type == "cuda":
        # The first pass also allocates what libraries keep.
        memory_of(module, batch.only(slice(0, 1)), recipe.model, device)
    one, two = (memory_of(module, batch.only(slice(0, rows)), recipe.model, device) for rows in (1, 2))
    row = max(two - one, one // MOST_IN_COMMON, 1)
    fitting = len(batch) if len(batch) == 1 else int((free - one) / row) + 1
    found = processes.gather((fitting if free >= one else 0, len(batch), one, free))
    fitting, _, one, free = min(found)
    if fitting < 1:
        message = f"a block of {recipe.data.length} tokens takes {one / GIB:.1f} GiB, {max(free, 0) / GIB:.1f} are free"
        advice = "Set machine.gradient_checkpointing, a shorter data.length or a smaller model"
        raise processes.alike(SmeltError("memory", f"{message}. {advice}"))
    return even_size(max(rows for _, rows, _, _ in found), fitting)


def ran_out(device: torch.device, step: int, rows: int | None) -> SmeltError:
    """Return the error for a device whose memory ran out at a step; `rows` passed at once, None before any pass."""
    found = f"{rows} rows passed at once" if rows else "no row has passed yet"
    advice = "Set a smaller machine.micro_batch, machine.gradient_checkpointing or a smaller model, and run again"
    return SmeltError("memory", f"{device} has run out of it at step {step:,}; {found}. {advice}")


def even_size(rows: int, fitting: int) -> int:
    """Return the size of micro-batches that are as few and as equal in size as possible."""
    passes = -(-rows // fitting)
    return -(-rows // passes)


def states_to_come(module: nn.Module) -> int:
    """Return the bytes that the optimizer will take from its first step on."""
    return STATES * sum(weight.numel() * weight.element_size() for weight in module.parameters())


def memory_of(module: ModelWithObjective, batch: Batch, settings: ModelSettings, device: torch.device) -> int:
    """Return the bytes that a forward and backward pass takes on top of the weights, without side effects."""
    generators = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(generators):
        if device.type == "cuda":
            return _peak_on_gpu(module, batch, settings, device)
        with LiveTensors() as live:
            _pass(module, batch, settings, device)
        return int(live.most * INSIDE)


def free_memory(device: torch.device) -> int:
    """Return the bytes that this process may still take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min([*available, *_limits()], default=GIB)


def _limits() -> Iterator[int]:
    """Yield the bytes that the control groups of this process leave it."""
    for group in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            if (group / limit).exists() and (text := (group / limit).read_text().strip()).isdigit():
                yield int(text) - int((group / used).read_text())


def _pass(module: ModelWithObjective, batch: Batch, settings: ModelSettings, device: torch.device) -> None:
    """Run a forward and backward pass; the gradients are computed and freed."""
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        loss = weighted_loss(module(batch.to(device)))
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    torch.autograd.grad(loss, weights, allow_unused=True)


def _peak_on_gpu(module: ModelWithObjective, batch: Batch, settings: ModelSettings, device: torch.device) -> int:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        _pass(module, batch, settings, device)
    except torch.cuda.OutOfMemoryError:
        return torch.cuda.get_device_properties(device).total_memory
    return torch.cuda.max_memory_allocated(device) - before
