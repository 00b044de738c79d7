"""How many of a model's first pieces were there before others were added behind them.

Weights of added pieces have learnt nothing until the model is trained, so what it predicts of them teaches nothing.
Models that are made from it without training say so, too, in their own records.
"""

from pathlib import Path

from smelt.files import read_json

AMPLIFICATION, REDUCTION = "amplification.json", "reduction.json"


def shared_of(folder: Path) -> int | None:
    """Return how many first pieces a model shares with the one that pieces were added to; None where none were."""
    for name in (AMPLIFICATION, REDUCTION):
        if (folder / name).is_file():
            shared: int | None = read_json(folder / name).get("shared")
            return shared
    return None
