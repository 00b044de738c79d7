"""The strict base of entries in study and task files: read, check, and refuse them in one clear line."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails

from smelt.errors import SmeltError, did_you_mean, expected_one_of, similar_names, suggest_similar

_PATTERNS: dict[str, str] = {}


def explain(pattern: str, meaning: str) -> str:
    """Return a regular expression, which error messages describe in these words."""
    _PATTERNS[pattern] = meaning
    return pattern


def meaning_of(pattern: str) -> str:
    """Return the words that `explain` has for a regular expression."""
    return _PATTERNS[pattern]


# Names become file names and Snakemake wildcards, so they keep to one safe alphabet.
NAME = explain(r"^[a-z0-9][a-z0-9._-]*$", "a name of a to z, 0 to 9, '.', '_' and '-', with a letter or digit first")
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]


def _refuse_repeated(values: list[Any]) -> list[Any]:
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    if repeated:
        raise ValueError(f"names {repeated[0]!r} twice")
    return values


Distinct = AfterValidator(_refuse_repeated)
"""For lists whose entries must not be repeated, because they would count twice."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Precision = Literal["fp32", "bf16"]


class Entry(BaseModel):
    """A part of a study file: unknown keys are errors, numbers are finite, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, each with its new place: `learning_rate: optimizer.learning_rate`."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed_keys(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and (old := _old_keys(cls, value)):
            places = ", ".join(f"{key} is now {cls.renamed[key]}" for key in old)
            moved = move_renamed(cls, {key: value[key] for key in old})
            shown = yaml.safe_dump(moved, default_flow_style=True, sort_keys=False, width=math.inf).strip()
            raise ValueError(f"{places}; write {shown}")
        return value


def move_renamed(kind: type[Entry], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with the keys of earlier versions of `kind` moved to their new places."""
    old = _old_keys(kind, value)
    moved: dict[str, Any] = {key: part for key, part in value.items() if key not in old}
    for key in old:
        places = reversed(kind.renamed[key].split("."))
        moved = merge(moved, reduce(lambda inner, part: {part: inner}, places, value[key]))
    return moved


def merge(base: Mapping[str, Any], *others: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings as one: values of later ones replace those of earlier ones, key by key at every depth."""
    merged = dict(base)
    for other in others:
        for key, value in other.items():
            both = isinstance(merged.get(key), Mapping) and isinstance(value, Mapping)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def _old_keys(kind: type[Entry], value: Mapping[str, Any]) -> list[str]:
    """Return the renamed keys in a mapping. The name of a part counts as one where it holds a value, not a mapping."""
    parts = {key for key in kind.model_fields if isinstance(value.get(key), Mapping | BaseModel | None)}
    return [key for key in kind.renamed if key in value and key not in parts]


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
            fields[key] = (part, Field(part(), description=field.description))
        else:
            fields[key] = (value | None, Field(None, description=field.description))
    doc = about or f"Any settings of {settings.__name__} to override."
    partial = create_model(name, __base__=Entry, __doc__=doc, **fields)
    partial.renamed = settings.renamed
    return partial


AnyEntry = TypeVar("AnyEntry", bound=Entry)
VARIABLE = re.compile(r"\$\{(\w+)\}")
"""The place of an environment variable's value in a file."""


def read_yaml(path: Path, fill_in: bool = True) -> Any:
    """Return the content of a YAML file, with `${NAME}` filled in from the environment unless `fill_in` is False."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SmeltError(
            path, f"no such file{'' if path.is_absolute() else f' (looked for {path.absolute()})'}"
        ) from None
    except IsADirectoryError:
        raise SmeltError(path, "is a folder: expected a file in YAML") from None
    except UnicodeDecodeError as error:
        raise SmeltError(path, f"is not UTF-8 text (byte {error.start})") from None
    content = parse_yaml(text, path)
    return expand(content) if fill_in else content


def parse_yaml(text: str, where: str | Path) -> Any:
    """Return the content of a text in YAML, read strictly: no key occurs twice, and `no` is a word.

    Raises:
        SmeltError: it is not YAML; the line is named.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{where}:{mark.line + 1}" if mark else str(where)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        # In a flow mapping, the brace of an unquoted ${NAME} begins another one.
        unquoted = mark and re.search(r"[{\[,:]\s*\$\{\w+\}", text.splitlines()[mark.line])
        hint = '; write "${NAME}" in quotes within {} and []' if unquoted else ""
        raise SmeltError(line, f"is not YAML: {problem}{hint}") from None


def check(kind: type[AnyEntry], value: Any, where: str | Path) -> AnyEntry:
    """Return `value` as a checked entry; complaints name the key, what was found and what is allowed."""
    if not isinstance(value, Mapping):
        raise SmeltError(where, f"expected a mapping of keys, found {type(value).__name__}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        complaints = [_complaint(details, kind, value) for details in _by_place(error.errors(), value)]
        raise SmeltError(where, "\n       ".join(complaints)) from None


def entry_of(kind: type[AnyEntry], settings: Mapping[str, Any], where: str | Path = "--settings") -> AnyEntry:
    """Return the part of a job's settings that a study file holds, as a checked entry."""
    return check(kind, {key: settings[key] for key in kind.model_fields if key in settings}, where)


def expand(value: Any) -> Any:
    """Fill in `${NAME}` from the environment in every text of a nested value; unset names stay as they are."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {key: expand(part) for key, part in value.items()}
    if isinstance(value, list):
        return [expand(part) for part in value]
    return value


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key occurs twice, and `no`, `on` and 2023-05-01 are text (Norwegian's code is `no`)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """Refuse 010 and 1:30, which YAML 1.1 reads as 8 and 90."""
        if re.fullmatch(r"[-+]?(0[0-9_]+|[0-9_]+:.*)", node.value):
            problem = f"{node.value} is no decimal number: write it without zeros in front, or a text in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))


_AS_TEXT = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")

_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_number)

_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _AS_TEXT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


# The expected value in pydantic's errors, by type; {} is filled in from their context.
_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} {entries}",
    "too_long": "at most {max_length} {entries}",
    "list_type": "a list",
    "tuple_type": "a list",
    "literal_error": "{expected}",
}
_MAPPING_TYPES = ("model_type", "model_attributes_type", "dict_type")
_SHAPES: dict[str, type | None] = {
    **dict.fromkeys(_MAPPING_TYPES, Mapping),
    **dict.fromkeys(("list_type", "tuple_type"), list),
    **dict.fromkeys(("string_type", "int_type", "float_type", "bool_type", "literal_error"), None),
}
KEY = "[key]"  # what pydantic adds to a place where a key itself is wrong


def _complaint(details: list[ErrorDetails], kind: type[Entry], value: Any) -> str:
    """Return the line about one value: several complaints about it are of the branches of a union."""
    detail = details[0]
    key, found = _key_of(detail, value) or kind.__name__.lower(), detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            *place, unknown = detail["loc"]
            allowed = _keys_at(kind, tuple(place), value)
            inner = {} if similar_names(unknown, allowed) else _inner_keys(kind, tuple(place), value)
            complaint = f"{key}: no such key; {expected_one_of(unknown, allowed, 'allowed here:')}"
            similar = [inner[name] for name in similar_names(unknown, inner)]
            return "; ".join(filter(None, [complaint, did_you_mean(similar)]))
        case "missing":
            return f"{key}: is missing"
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
            return f"{key}: {message}" if detail["loc"] else message
        case "union_tag_not_found":
            tag, tags = _tags_at(kind, detail["loc"], value)
            return f"{key}.{tag}: is missing; expected one of {', '.join(tags)}"
        case "union_tag_invalid":
            union = detail["ctx"]
            key = f"{key}.{union['discriminator'].strip(chr(39))}"
            complaint = f"{key}: expected one of {union['expected_tags']}; found {union['tag']!r}"
            return _asking(complaint, union["tag"], _quoted_values(union["expected_tags"]))
    types = {each["type"] for each in details}
    keys = _keys_at(kind, detail["loc"], value) if types.intersection(_MAPPING_TYPES) else []
    expected = " or ".join(dict.fromkeys(_expected(each, keys) for each in details))
    complaint = f"{key}: expected {expected}; found {_yaml_name(found)}"
    if found in keys:
        return f"{complaint}; write {{{found}: {{...}}}}"
    if "string_type" in types and isinstance(found, bool | int | float):
        return f'{complaint}; write "{_yaml_name(found)}" in quotes'
    named = [each["ctx"]["expected"] for each in details if each["type"] == "literal_error"]
    return _asking(complaint, found, [name for listed in named for name in _quoted_values(listed)])


def _expected(detail: ErrorDetails, keys: list[str]) -> str:
    """Return the expected value of a pydantic error, in plain words; `keys` are those of a mapping in its place."""
    context = detail.get("ctx", {})
    if detail["type"] in _MAPPING_TYPES:
        return f"a mapping with the keys {', '.join(keys)}" if keys else "a mapping"
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS[context["pattern"]]
    whole = {key: int(limit) for key, limit in context.items() if isinstance(limit, float) and limit.is_integer()}
    entries = "entry" if 1 in (context.get("min_length"), context.get("max_length")) else "entries"
    return _EXPECTED[detail["type"]].format(**context | whole, entries=entries)


def _asking(complaint: str, found: object, names: Iterable[str]) -> str:
    """Return a complaint about an unknown name, and the question whether one like it was meant."""
    return "; ".join(filter(None, [complaint, suggest_similar(found, names)]))


def _quoted_values(listed: str) -> list[str]:
    """Return the values that pydantic lists in quotes."""
    return re.findall(r"'([^']*)'", listed)


def _yaml_name(found: Any) -> str:
    """Return a value's name in YAML."""
    match found:
        case None:
            return "nothing"
        case bool():
            return str(found).lower()
        case Mapping() | list():
            what = "list" if isinstance(found, list) else "mapping"
            return f"a {what}" if found else f"an empty {what}"
    return repr(found)


def _by_place(details: list[ErrorDetails], value: Any) -> list[list[ErrorDetails]]:
    """Return complaints together that are of one value: what each branch of a union expects in its place.

    A list or mapping rules out the branches of another shape; so does a complaint about what lies inside a value.
    """
    places: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for detail in details:
        places.setdefault(_place_of(detail, value), []).append(detail)
    for place, found in places.items():
        shaped = [detail for detail in found if not _is_misshapen(detail)]
        inside = any(other[: len(place)] == place for other in places if other != place)
        if inside or (shaped and isinstance(found[0]["input"], Mapping | list)):
            places[place] = shaped
    return [found for found in places.values() if found]


def _place_of(detail: ErrorDetails, value: Any) -> tuple[str | int, ...]:
    """Return the place of the value that a complaint is about, without the branch of a union at its end."""
    place = detail["loc"]
    branch = place and detail["type"] not in ("missing", "value_error") and place[-1] != KEY
    return place[:-1] if branch and not _are_of_file(place, value)[-1] else place


def _is_misshapen(detail: ErrorDetails) -> bool:
    """Return whether a complaint is only that a value is a text, list or mapping and another of these was expected."""
    found = detail["input"]
    shape = next((shape for shape in (Mapping, list) if isinstance(found, shape)), None)
    return detail["type"] in _SHAPES and _SHAPES[detail["type"]] is not shape


def _key_of(detail: ErrorDetails, value: Any) -> str:
    """Return the dotted key of the file that an error is about, without the union branches that pydantic adds."""
    place = detail["loc"]
    in_file = _are_of_file(place, value)
    if detail["type"] == "missing":
        in_file[-1] = True
    return ".".join(str(part) for part, there in zip(place, in_file, strict=True) if there)


def _are_of_file(place: tuple[str | int, ...], value: Any) -> list[bool]:
    """Return for each part of a place whether the file has it, as a key or an index; branches of unions are not."""
    found = []
    for part in place:
        inside = part in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(part, int)
        value = value[part] if inside else value
        found.append(inside)
    return found


def _keys_at(kind: type[Entry], place: tuple[str | int, ...], value: Any) -> list[str]:
    """Return the keys allowed at a place, found by walking the JSON schema along it."""
    return sorted({key for shape in _shapes_at(kind, place, value) for key in shape.get("properties", {})})


def _inner_keys(kind: type[Entry], place: tuple[str | int, ...], value: Any) -> dict[str, str]:
    """Return the keys of all parts that may stand at a place, each with its dotted name."""
    schema = kind.model_json_schema()
    parts = [part for shape in _shapes_at(kind, place, value) for part in shape.get("properties", {}).items()]
    return {key: f"{name}.{key}" for name, node in parts for key in _resolved(node, schema).get("properties", {})}


def _tags_at(kind: type[Entry], place: tuple[str | int, ...], value: Any) -> tuple[str, list[str]]:
    """Return the key at a place by which mappings of several kinds differ, and its values."""
    union = next(shape["discriminator"] for shape in _shapes_at(kind, place, value) if "discriminator" in shape)
    return union["propertyName"], list(union["mapping"])


def _shapes_at(kind: type[Entry], place: tuple[str | int, ...], value: Any) -> list[dict[str, Any]]:
    """Return the parts of the JSON schema that describe a place: several where it is a union's."""
    schema = kind.model_json_schema()
    nodes = [schema]
    for part, in_file in zip(place, _are_of_file(place, value), strict=True):
        steps = [step for node in nodes for step in _steps(node, part, schema)]
        nodes = steps if in_file or _is_tag(part, nodes, schema) else nodes  # what is neither is a branch of a union
    shapes = [_resolved(node, schema) for node in nodes]
    return shapes + [_resolved(branch, schema) for shape in shapes for branch in shape.get("anyOf", [])]


def _is_tag(part: str | int, nodes: list[dict[str, Any]], schema: dict[str, Any]) -> bool:
    return any(part in _resolved(node, schema).get("discriminator", {}).get("mapping", {}) for node in nodes)


def _steps(node: dict[str, Any], part: str | int, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return where one part of a place leads from a node of the schema: a key, an index or a branch of a union."""
    node = _resolved(node, schema)
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    if part in node.get("discriminator", {}).get("mapping", {}):
        return [{"$ref": node["discriminator"]["mapping"][part]}]
    branches = [step for branch in node.get("anyOf", []) for step in _steps(branch, part, schema)]
    values = [*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items")]
    return branches or [step for step in values if isinstance(step, dict)]


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
