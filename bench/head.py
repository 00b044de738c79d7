"""Cross-entropy of masked positions in chunks, against torch's own on the logits of all of them at once."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from bench.measure import Benchmark, Figures
from bench.workers import WayProcess, close
from smelt.training.heads import masked_cross_entropy

POSITIONS, EMBEDDING = 614, 128  # 15% of eight rows of 512
STEPS = 5

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def head(name: str) -> Benchmark:
    """Masked positions a second, forward and backward, in fp32; the vocabulary's size stands in the name."""
    vocabulary = int(name.rsplit("-", 1)[1].removesuffix("k")) * 1000
    ways = {make.__name__: WayProcess(make, vocabulary) for make in (chunked, whole, chunked_memory, whole_memory)}
    return Benchmark(
        name,
        "positions/s",
        "torch's cross_entropy",
        ours=ways["chunked"],
        peer=ways["whole"],
        others={name: ways[name] for name in ("chunked_memory", "whole_memory")},
        further=_memory,
        rehearse=False,
        close=lambda: close(ways),
    )


def chunked(vocabulary: int) -> Callable[[], float]:
    """The head of smelt's loop."""
    return _speed(vocabulary, lambda *parts: masked_cross_entropy(*parts, vocabulary)[0])


def whole(vocabulary: int) -> Callable[[], float]:
    """The logits of all masked positions, and torch's loss of them."""
    return _speed(vocabulary, _all_at_once)


def chunked_memory(vocabulary: int) -> Callable[[], float]:
    """The MiB that a step takes at its peak, the weight's gradient included."""
    return _peak(vocabulary, lambda *parts: masked_cross_entropy(*parts, parts[1].shape[0])[0])


def whole_memory(vocabulary: int) -> Callable[[], float]:
    """The same of all logits at once."""
    return _peak(vocabulary, _all_at_once)


def _all_at_once(states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(functional.linear(states, weight, bias), labels, reduction="sum")


def _parts(vocabulary: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(POSITIONS, EMBEDDING, generator=generator).requires_grad_()
    weight = torch.randn(vocabulary, EMBEDDING, generator=generator).mul_(0.05).requires_grad_()
    labels = torch.randint(0, vocabulary, (POSITIONS,), generator=generator)
    return states, weight, torch.zeros(vocabulary, requires_grad=True), labels


def _step(loss: Loss, parts: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    loss(*parts).backward()  # type: ignore[no-untyped-call]
    for part in parts:
        part.grad = None


def _speed(vocabulary: int, loss: Loss) -> Callable[[], float]:
    parts = _parts(vocabulary)
    _step(loss, parts)

    def run() -> float:
        began = time.perf_counter()
        for _ in range(STEPS):
            _step(loss, parts)
        return STEPS * POSITIONS / (time.perf_counter() - began)

    return run


def _peak(vocabulary: int, loss: Loss) -> Callable[[], float]:
    _step(loss, _parts(1000))  # libraries take their memory
    parts = _parts(vocabulary)
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = _in_status("VmRSS")
    _step(loss, parts)
    added = _in_status("VmHWM") - before
    return lambda: added


def _in_status(name: str) -> float:
    """Return a figure of this process's memory, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _memory(measured: Mapping[str, list[float]]) -> Figures:
    ways = {"ours": "chunked_memory", "peer": "whole_memory"}
    return {f"{way}, peak MiB": measured[name][0] for way, name in ways.items()}
