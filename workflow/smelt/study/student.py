"""The shape of a distilled student, and which of its teacher's layers it starts from."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from smelt.entry import Distinct, Entry

CODE_LAYERS = [0, 2, 4, 7, 9, 11]
"""What the public code of DistilBERT copies, from 12 layers into 6; its paper says one layer out of two."""
CODE_TEACHER = 12
WIDTHS = ("hidden", "heads", "feed_forward")


class StudentShape(Entry):
    """How large a student is, and what it starts from."""

    layers: PositiveInt = 6
    """As many as the first teacher has at the most, or with start: random any number."""
    hidden: PositiveInt | None = None
    """Width of its hidden states; the first teacher's by default, as are heads and feed_forward. A student of other
    numbers cannot copy layers: it says start: random."""
    heads: PositiveInt | None = None
    feed_forward: PositiveInt | None = None
    start: Literal["alternate", "code", "first", "last", "random"] | list[NonNegativeInt] = "alternate"
    """Layers of the first teacher that the student's are copies of, with its embeddings and head, before it learns:
    alternate (0, 2, 4 and so on, counted from 0: 2n - 1 in Sanh et al. 2019), code (0, 2, 4, 7, 9, 11: 12 into 6, as
    their public code has it), the first ones, the last ones, or a list of numbers counted from 0; random copies
    nothing. ALBERT's layers are one layer, which all but random copy."""
    frozen: Annotated[list[Literal["positions", "pieces"]], Distinct] = Field(default_factory=list)
    """Embeddings that do not learn."""

    @model_validator(mode="after")
    def _starts_every_layer(self) -> Self:
        if isinstance(self.start, list) and len(self.start) != self.layers:
            raise ValueError(f"start: names {len(self.start)} layers of the teacher for {self.layers} of the student")
        if self.start == "code" and self.layers != len(CODE_LAYERS):
            raise ValueError(f"start: code copies {len(CODE_LAYERS)} layers; expected as many, found {self.layers}")
        if self.start == "random" and self.frozen:
            raise ValueError(f"frozen: {self.frozen[0]} would stay random for ever, as nothing is copied")
        return self

    @property
    def copies(self) -> bool:
        """Whether the student starts from its teacher's weights."""
        return self.start != "random"

    def copied(self, teacher: int) -> list[int]:
        """Return the layers of a teacher of that many that the student starts from, counted from 0; none at random."""
        if isinstance(self.start, list):
            return self.start
        starts = {
            "alternate": list(range(0, 2 * self.layers, 2)),
            "code": CODE_LAYERS,
            "first": list(range(self.layers)),
            "last": list(range(teacher - self.layers, teacher)),
        }
        return starts.get(self.start, [])

    def refuse_unfit(self, teacher: Mapping[str, int]) -> None:
        """Refuse a teacher that cannot be the first one of such a student.

        Args:
            teacher: its layers, hidden, heads and feed_forward, as far as they are known.

        Raises:
            ValueError: layers are to be copied and it has fewer than are asked of it, or another width.
        """
        if self.copies and (layers := teacher.get("layers")) is not None:
            self._refuse_layers(layers)
        for key in WIDTHS if self.copies else ():
            own = getattr(self, key)
            if own is not None and key in teacher and own != teacher[key]:
                raise ValueError(
                    f"{key}: {own:,} is not the teacher's {teacher[key]:,}, so that its layers cannot be copied;"
                    " expected start: random"
                )
        hidden, heads = (getattr(self, key) or teacher.get(key) for key in ("hidden", "heads"))
        if hidden and heads and hidden % heads:
            raise ValueError(f"heads: {heads} do not divide a hidden size of {hidden}")

    def _refuse_layers(self, teacher: int) -> None:
        if self.layers > teacher:
            raise ValueError(
                f"layers: {self.layers} are more than the {teacher} of the teacher, so that not all can be copies;"
                " expected start: random"
            )
        if self.start == "code" and teacher != CODE_TEACHER:
            raise ValueError(f"start: code is for teachers of {CODE_TEACHER} layers; this one has {teacher}")
        if (last := max(self.copied(teacher), default=0)) >= teacher:
            raise ValueError(f"start: layer {last}, counted from 0, is beyond the {teacher} layers of the teacher")


def refuse_unmapped(layers: Sequence[int] | None, student: int, teacher: int | None) -> None:
    """Refuse a map of layers that is not one of a student's and a teacher's.

    Args:
        layers: the teacher's for each of the student's, counted from 1, or None.
        student: how many the student has.
        teacher: how many the teacher has, or None where that is not known.

    Raises:
        ValueError: it is of another length, or names a layer that the teacher does not have.
    """
    if layers is None:
        return
    if len(layers) != student:
        raise ValueError(f"losses.layers: names {len(layers)} layers of the teacher for {student} of the student")
    if teacher is not None and max(layers) > teacher:
        raise ValueError(f"losses.layers: layer {max(layers)} is beyond the {teacher} layers of the teacher")
