"""The strict base of entries in study and task files: read, check and refuse them."""

import ast
import inspect
import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from smelt.complaints import complaints_of, explain
from smelt.environment import VARIABLE
from smelt.errors import SmeltError, expected_one_of

# Names become file names and Snakemake wildcards, so they keep to one safe alphabet.
NAME = explain(r"^[a-z0-9][a-z0-9._-]*$", "a name of a to z, 0 to 9, '.', '_' and '-', with a letter or digit first")
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]


def first_repeated(values: Iterable[Any]) -> Any:
    """Return the first value that stood before; None where each stands once."""
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _refuse_repeated(values: list[Any]) -> list[Any]:
    if (repeated := first_repeated(values)) is not None:
        raise ValueError(f"names {repeated!r} twice")
    return values


Distinct = AfterValidator(_refuse_repeated)
"""For lists whose entries must not be repeated, because they would count twice."""

Precision = Literal["fp32", "bf16"]


def check_path(path: str, *places: str) -> str:
    """Return the path of a source that a job can be handed.

    Args:
        path: as a study writes it, with `${NAME}` in it.
        places: names in braces that are filled in, such as language.

    Raises:
        ValueError: a command would take it for a flag, or Snakemake for a pattern; or it is of several lines.
    """
    plain = VARIABLE.sub("", path)
    for place in places:
        plain = plain.replace(f"{{{place}}}", "")
    if path.startswith("-") or path.splitlines() != [path] or set("{}") & set(plain):
        raise ValueError(f"expected a path of one line without braces and without '-' in front, found {path!r}")
    return path


SourcePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(check_path)]


class Entry(BaseModel):
    """A part of a study file: unknown keys are errors, numbers are finite, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, each with its new place: `learning_rate: optimizer.learning_rate`."""
    overrides: ClassVar["type[Entry] | None"] = None
    """The type whose keys these are, where a study may set any of them."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return pydantic's schema with the keys' docstrings.

        Pydantic can read them itself (`use_attribute_docstrings`), but does so whenever the types are imported, which
        takes longer than all other checks of a study.
        """
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for key, text in meanings(cls).items():
            if key in properties:
                properties[key].setdefault("description", text)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed_keys(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and (old := _old_keys(cls, value)):
            places = ", ".join(f"{key} is now {cls.renamed[key]}" for _, key in old)
            moved = _moved(cls, value, old)
            shown = yaml.safe_dump(moved, default_flow_style=True, sort_keys=False, width=math.inf).strip()
            raise ValueError(f"{places}; write {shown}")
        return value


def meanings(kind: type[Entry]) -> dict[str, str]:
    """Return what the keys of a type mean: their docstrings, by the names that files give the keys."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Entry) and base is not Entry:
            found |= meanings(base.overrides) if base.overrides else _docstrings(base)
    fields = kind.model_fields
    return {fields[name].alias or name: text for name, text in found.items() if name in fields}


def _docstrings(kind: type[Entry]) -> dict[str, str]:
    """Return the docstrings below the annotations of a class's own body; a class made from a mapping has none."""
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except OSError:
        return {}
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        key.target.id: inspect.cleandoc(text.value.value)
        for key, text in itertools.pairwise(lines)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def move_renamed(kind: type[Entry], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the keys of earlier versions of `kind` moved to their new places."""
    old = _old_keys(kind, value)
    kept = {
        name: {key: inner for key, inner in part.items() if (name, key) not in old}
        if isinstance(part, Mapping)
        else part
        for name, part in value.items()
        if (None, name) not in old
    }
    return merge(kept, _moved(kind, value, old))


def _moved(kind: type[Entry], value: Mapping[str, Any], old: Iterable[tuple[str | None, str]]) -> dict[str, Any]:
    """Return the values of renamed keys in their new places, and nothing else of the mapping."""
    moved: dict[str, Any] = {}
    for part, key in old:
        places = reversed(kind.renamed[key].split("."))
        found = value[key] if part is None else value[part][key]
        moved = merge(moved, reduce(lambda inner, place: {place: inner}, places, found))
    return moved


def merge(base: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings as one: values of later ones replace those of earlier ones, key by key at every depth."""
    merged = dict(base)
    for other in others:
        for key, value in other.items():
            both = isinstance(merged.get(key), Mapping) and isinstance(value, Mapping)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def _old_keys(kind: type[Entry], value: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """Return the renamed keys in a mapping: at its top (None), or within a part of it that has no such key.

    The name of a part counts as a renamed key where it holds a value, not a mapping.
    """
    parts = {key for key in kind.model_fields if isinstance(value.get(key), Mapping | BaseModel | None)}
    top: list[tuple[str | None, str]] = [(None, key) for key in kind.renamed if key in value and key not in parts]
    for name, field in kind.model_fields.items():
        part, inner = value.get(name), field.annotation
        if isinstance(part, Mapping) and isinstance(inner, type) and issubclass(inner, Entry):
            known = {*inner.model_fields, *inner.renamed}
            top += [(name, key) for key in kind.renamed if key in part and key not in known]
    return top


def refer(key: str, name: str, names: Iterable[str], where: str = "in the study") -> None:
    """Refuse an unknown name.

    Raises:
        ValueError: it is not one of `names`; the message gives similar ones.
    """
    known = list(names)
    if name not in known:
        raise ValueError(f"{key}: {name!r} is not {where}: {expected_one_of(name, known)}")


def refuse_idle(place: str, entry: Entry, idle: Mapping[str, str]) -> None:
    """Refuse settings that have no effect; only those that the file sets itself count, and not defaults.

    Args:
        place: where the entry stands, with a dot behind it, or nothing.
        entry: what the file sets.
        idle: its settings that have no effect, each with why; those of its parts by dotted keys.

    Raises:
        ValueError: the file sets one of them.
    """
    for key, why in idle.items():
        if _sets(entry, key):
            raise ValueError(f"{place}{key}: has no effect {why}; leave it out")


def _sets(entry: Entry, key: str) -> bool:
    """Return whether a file gives a key of the entry a value; a dotted key stands in a part of it."""
    first, _, rest = key.partition(".")
    value = getattr(entry, first)
    return first in entry.model_fields_set and (_sets(value, rest) if rest else value is not None)


def overrides_of(settings: type[Entry], name: str, about: str | None = None) -> type[Entry]:
    """Return the type of a partial `settings`: the same keys, none of them required, so that a study may set any."""
    fields: dict[str, Any] = {}
    for key, field in settings.model_fields.items():
        value = field.rebuild_annotation()
        if isinstance(value, type) and issubclass(value, Entry):
            part = overrides_of(value, f"{value.__name__}Overrides", value.__doc__)
            fields[key] = (part, part())
        else:
            fields[key] = (value | None, None)
    doc = about or f"Any settings of {settings.__name__} to override."
    partial = create_model(name, __base__=Entry, __doc__=doc, **fields)
    partial.renamed, partial.overrides = settings.renamed, settings
    return partial


AnyEntry = TypeVar("AnyEntry", bound=Entry)


def check(kind: type[AnyEntry], value: Any, where: str | Path, context: Any = None) -> AnyEntry:
    """Return `value` as a checked entry; complaints name the key, what was found and what is allowed.

    Args:
        kind: of the entry.
        value: what a file holds.
        where: names the file in complaints.
        context: what its validators know beside it.
    """
    if not isinstance(value, Mapping):
        raise SmeltError(where, f"expected a mapping of keys, found {type(value).__name__}")
    try:
        return kind.model_validate(value, context=context)
    except ValidationError as error:
        raise SmeltError(where, "\n       ".join(complaints_of(error, kind, value))) from None


def entry_of(kind: type[AnyEntry], settings: Mapping[str, Any], where: str | Path = "--settings") -> AnyEntry:
    """Return the part of a job's settings that a study file holds, as a checked entry."""
    return check(kind, {key: settings[key] for key in kind.model_fields if key in settings}, where)
