"""How many of a model's first pieces were there before others were added behind them.

Weights of added pieces have learnt nothing until the model is trained, so what it predicts of them teaches nothing.
Models that are made from it without training say so, too, in their own records.
"""

from pathlib import Path

from smelt.files import read_json

AMPLIFICATION, REDUCTION = "amplification.json", "reduction.json"


def shared_of(folder: Path) -> int | None:
    """Return how many first pieces a model shares with the one that pieces were added to; None where none were."""
    record = record_of(folder)
    return None if record is None else int(read_json(record)["shared"])


def record_of(folder: Path) -> Path | None:
    """Return the file of a model's folder that says how many it shares; None where nothing was added to it."""
    records = (folder / name for name in (AMPLIFICATION, REDUCTION))
    return next((path for path in records if path.is_file() and read_json(path).get("shared") is not None), None)
