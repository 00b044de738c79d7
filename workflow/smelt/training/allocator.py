"""Has the C library keep the memory that is freed, which makes training on CPUs, and counting, faster.

A step takes and frees tensors of the same sizes again and again. glibc returns large ones to the kernel at once, and
the kernel hands their pages out anew, filled with zeros, at the next step: an eighth of a step of ALBERT tiny with 128k
pieces. A process that trains takes as much again in a moment, so what it keeps is lost to nobody; its peak grew by 3%.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 2**31 - 1  # bytes; what is freed in smaller parts is kept


def keep_freed_memory() -> bool:
    """Keep what is freed until this process ends; return whether the C library can (glibc can)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(what, LARGEST) for what in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD))
