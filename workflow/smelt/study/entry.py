"""The strict base of everything that stands in a study or task file."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model

# Names become file names and Snakemake wildcards, so they keep to one safe alphabet.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


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


def overrides_of(settings: type[Entry], name: str) -> type[Entry]:
    """Return the type of a partial `settings`: the same keys, none of them required, so that a study may set any."""
    fields: dict[str, Any] = {
        key: (field.rebuild_annotation() | None, None) for key, field in settings.model_fields.items()
    }
    return create_model(name, __base__=Entry, __doc__=f"Any settings of {settings.__name__} to override.", **fields)
