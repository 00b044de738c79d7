"""The strict base of everything that stands in a study or task file."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model

from smelt.errors import expected_one_of

# Names become file names and Snakemake wildcards, so they keep to one safe alphabet.
NAME = r"^[a-z0-9][a-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]


def _each_once(values: list[Any]) -> list[Any]:
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    if repeated:
        raise ValueError(f"names {repeated[0]!r} twice")
    return values


Distinct = AfterValidator(_each_once)
"""For lists whose entries would only be counted double if they stood twice."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Precision = Literal["fp32", "bf16"]


class Entry(BaseModel):
    """A part of a study file: unknown keys are errors, numbers are finite, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def refer(key: str, name: str, names: Iterable[str], where: str = "in the study") -> None:
    """Refuse a name of something that is not there.

    Raises:
        ValueError: it is none of `names`; those like it are given.
    """
    known = list(names)
    if name not in known:
        raise ValueError(f"{key}: {name!r} is not {where}: {expected_one_of(name, known)}")


def refuse_idle(place: str, entry: Entry, idle: Mapping[str, str]) -> None:
    """Refuse settings that have no effect; only those that the file sets itself count, and not defaults.

    Args:
        place: where the entry stands, with a dot behind it, or nothing.
        entry: what the file sets.
        idle: the settings of it that have no effect, each with why.

    Raises:
        ValueError: the file sets one of them.
    """
    for key, why in idle.items():
        if key in entry.model_fields_set and getattr(entry, key) is not None:
            raise ValueError(f"{place}{key}: has no effect {why}; leave it out")


def overrides_of(settings: type[Entry], name: str) -> type[Entry]:
    """Return the type of a partial `settings`: the same keys, none of them required, so that a study may set any."""
    fields: dict[str, Any] = {
        key: (field.rebuild_annotation() | None, None) for key, field in settings.model_fields.items()
    }
    return create_model(name, __base__=Entry, __doc__=f"Any settings of {settings.__name__} to override.", **fields)
