"""How much memory this process takes, and how much there is, as the system counts it."""

from pathlib import Path

import psutil


def resident() -> int:
    """Return the bytes of this process that lie in memory, mapped files included."""
    return int(psutil.Process().memory_info().rss)


def at_hand(share: float = 0.8) -> int:
    """Return most of the bytes that this machine has left: those of a laptop may be fewer than a job was promised."""
    return int(share * psutil.virtual_memory().available)


def highest_resident() -> int | None:
    """Return the most that `resident` has been; None where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="ignore").splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
