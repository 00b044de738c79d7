"""Which pieces an amplified model gains, and what their weights start from: the part of a study entry that says so."""

from typing import Literal

from pydantic import PositiveInt

from smelt.entry import Entry, Seed


class NewPieces(Entry):
    """The pieces that some languages need most, learnt from their texts."""

    pieces: PositiveInt = 5000
    """How many to add."""
    start: Literal["mean", "gaussian", "random"] = "mean"
    """What a new piece's weights start as: the mean of those of the pieces it was cut into before (Gee et al. 2022);
    drawn from the normal distribution of all old pieces' weights (Hewitt 2021); or at random as in a new model."""
    sample: PositiveInt = 1_000_000
    """Lines of the corpus that pieces are learnt from, at the most: so many are drawn of all languages together."""
    seed: Seed = 1
    """Of what is drawn: lines, and weights."""


class AmplificationSettings(NewPieces):
    """All that decides what a model is amplified to, besides the model and the texts."""

    version: int = 0
    """The same settings under another version mean another model."""
