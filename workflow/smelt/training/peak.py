"""The fastest that a device multiplies matrices, measured: what speeds of training are compared with."""

import time

import torch

SMALLEST, LARGEST = 512, 8192  # sides of the square matrices tried, doubled while time allows


def measured_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.5) -> float:
    """Return the operations a second (2 * side**3 a product) of the fastest product of two square matrices.

    It takes about `seconds`, and draws nothing from the generators that training uses.

    Args:
        device: a GPU, or the CPU with as many threads as torch has now.
        dtype: of the matrices; sums are as wide as the device makes them, as in training.
        seconds: to measure for; the sides grow while a product takes under an eighth of it.
    """
    generator = torch.Generator(device).manual_seed(1)
    fastest, side = 0.0, SMALLEST
    with torch.inference_mode():
        # Random numbers: a GPU multiplies zeros and ones at less power, and so faster than anything real.
        one, other = (torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(one)
        _seconds_of_product(one, other, out)  # the first makes ready
        end = time.perf_counter() + seconds
        while not fastest or time.perf_counter() < end:
            taken = _seconds_of_product(one, other, out)
            fastest = max(fastest, 2 * side**3 / taken)
            if taken < seconds / 64 and side < LARGEST:  # a product of twice the side takes eight times as long
                side *= 2
                one, other, out = (part.repeat(2, 2) for part in (one, other, out))
    return fastest


def is_emulated(precision: str, device: torch.device) -> bool:
    """Say whether a precision has no arithmetic of its own on this device: bf16 on x86 processors without AVX-512."""
    return precision == "bf16" and device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"


def _seconds_of_product(one: torch.Tensor, other: torch.Tensor, out: torch.Tensor) -> float:
    _wait(one.device)
    began = time.perf_counter()
    torch.mm(one, other, out=out)
    _wait(one.device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
