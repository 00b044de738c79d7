"""The speed of training: the operations that a token needs, and the most that a device can do in a second."""

import time
from typing import Any

import torch

from smelt.model_families import family_of, number_of, operations_per_token


def flops_per_token(model: Any, length: int, predicted: float) -> float:
    """Return the floating-point operations of one training pass for each token, by `operations_per_token`.

    The head counts by the share of tokens that pass it. Left out are looking up, adding, normalising, the pooler and
    its classifier, under 1% together, and the second computation of gradient checkpointing: these are the operations
    that the model needs, not those that a program does.

    Args:
        model: of transformers, with a head for masked tokens of one of smelt.model_families.FAMILIES.
        length: tokens in a row.
        predicted: share of the tokens that pass the head.
    """
    config = model.config
    hidden = config.hidden_size
    shape = {"layers": config.num_hidden_layers, "hidden": hidden}
    shape["feed_forward"] = number_of(config, "feed_forward") or 0
    embedding = getattr(config, "embedding_size", hidden)
    projection = 0 if embedding == hidden and not family_of(model).shared_layers else embedding * hidden
    head = hidden * embedding + embedding * model.get_output_embeddings().out_features
    return operations_per_token(shape, projection, length, predicted, head)


SMALLEST, LARGEST = 512, 8192  # sides of the square matrices tried, doubled while time allows


def measure_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.5) -> float:
    """Return the operations a second (2 * side**3 a product) of the fastest product of two square matrices.

    It takes about `seconds`, and does not use the random generators of training.

    Args:
        device: a GPU, or the CPU with as many threads as torch has now.
        dtype: of the matrices; sums are as wide as the device makes them, as in training.
        seconds: to measure for; the sides grow while a product takes under an eighth of it.
    """
    generator = torch.Generator(device).manual_seed(1)
    fastest, side = 0.0, SMALLEST
    with torch.inference_mode():
        # Random numbers: a GPU multiplies zeros and ones with less power, and so faster than real values.
        one, other = (torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(one)
        _seconds_of_product(one, other, out)  # the first one warms up
        end = time.perf_counter() + seconds
        while not fastest or time.perf_counter() < end:
            taken = _seconds_of_product(one, other, out)
            fastest = max(fastest, 2 * side**3 / taken)
            if taken < seconds / 64 and side < LARGEST:  # a product of twice the side takes eight times as long
                side *= 2
                one, other, out = (part.repeat(2, 2) for part in (one, other, out))
    return fastest


def is_emulated(precision: str, device: torch.device) -> bool:
    """Return whether a precision is emulated on this device: bf16 on x86 processors without AVX-512."""
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
