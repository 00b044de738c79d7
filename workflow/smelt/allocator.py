"""Make the C library keep the memory that is freed, for training and counting on CPUs, or give it back at once.

A step takes and frees tensors of the same sizes again and again. glibc returns large ones to the kernel at once, and
the kernel fills their pages with zeros for the next step: an eighth of a step of ALBERT tiny with 128k pieces. A
process that trains takes as much again in a moment, so nothing is lost by keeping it; its peak grew by 3%.

This stands apart from `training.memory` because processes that count load no torch.
"""

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGE = 1 << 20  # bytes
LARGEST = 2**31 - 1  # bytes; what is freed in smaller parts is kept


def keep_freed_memory() -> bool:
    """Keep what is freed until this process ends; return whether the C library can (glibc can)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(what, LARGEST) for what in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD))


def give_back_freed_memory() -> bool:
    """Give large parts back to the kernel as soon as they are freed; return whether the C library can (glibc can).

    glibc raises by itself the size from which it does so. Arrays that grow, each a little larger than the last, then
    leave holes that nothing fits into.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_THRESHOLD, LARGE))


def return_freed_memory() -> bool:
    """Give back to the kernel what was freed by now; return whether the C library can (glibc can)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
