"""How much memory this process takes, as its system counts it."""

from pathlib import Path

import psutil


def resident() -> int:
    """Return the bytes of this process that lie in memory, mapped files included."""
    return int(psutil.Process().memory_info().rss)


def highest_resident() -> int | None:
    """Return the most that `resident` has been; None where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="ignore").splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
