"""What a job has taken of time and electricity, the parts before it was stopped included."""

import time
from typing import Any

from smelt.energy import Energy, Meter, together


class Account:
    """Time and energy since its making, added to what earlier parts of the job took."""

    def __init__(self, meter: Meter | None = None) -> None:
        """Take what measures the energy, if anything does."""
        self._meter, self._began = meter, time.monotonic()
        self._seconds = 0.0
        self._earlier: list[Energy | None] = []

    def resume(self, state: dict[str, Any]) -> None:
        """Add what `state` returned in the part before."""
        self._seconds = state["seconds"]
        self._earlier = [Energy(**state["energy"]) if state["energy"] else None]

    @property
    def hours(self) -> float:
        """Hours that it took so far."""
        return (self._seconds + time.monotonic() - self._began) / 3600

    def energy(self) -> Energy | None:
        """Return what it took so far; None where a part of it is not known."""
        reading = self._meter.reading() if self._meter else None
        return together([*self._earlier, reading])

    def state(self) -> dict[str, Any]:
        """Return both as JSON and checkpoints can hold them."""
        energy = self.energy()
        return {"seconds": self.hours * 3600, "energy": energy.to_json() if energy else None}
