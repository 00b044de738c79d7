"""Complaints about entries of study and task files: pydantic's errors as one clear line for each value."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from smelt.errors import did_you_mean, expected_one_of, quote, similar_names, suggest_similar

_PATTERNS: dict[str, str] = {}


def explain(pattern: str, meaning: str) -> str:
    """Return a regular expression, which error messages describe in these words."""
    _PATTERNS[pattern] = meaning
    return pattern


def meaning_of(pattern: str) -> str:
    """Return the words that `explain` has for a regular expression."""
    return _PATTERNS[pattern]


def complaints_of(error: ValidationError, kind: type[BaseModel], value: Any) -> list[str]:
    """Return a line for each value that is not as it should be: its key, what was found and what is allowed.

    A complaint that many entries of one section share, as the members of a family do, is a line about the first.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for details in _by_place(error.errors(), value):
        line = _complaint(details, kind, value)
        match details[0]["loc"]:
            case (str(section), str(name), *_) if line.startswith(f"{section}.{name}"):
                place: tuple[str, ...] = (section, line.removeprefix(f"{section}.{name}"))
            case _:
                place = (line,)
        alike.setdefault(place, []).append(line)
    return [
        f"{lines[0]} (and {len(lines) - 1} more of the {place[0]})" if len(lines) > 1 else lines[0]
        for place, lines in alike.items()
    ]


# The expected value in pydantic's errors, by type; {} is filled in from their context.
_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer",
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


def _complaint(details: list[ErrorDetails], kind: type[BaseModel], value: Any) -> str:
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
    known = _EXPECTED.get(detail["type"])
    return known.format(**context | whole, entries=entries) if known else detail["msg"].removeprefix("Input should be ")


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
    return quote(found)


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
        match value, part:
            case Mapping(), _:
                inside = part in value
            case list(), int():
                inside = part < len(value)  # an index past the end is of a tuple's entry that is missing
            case _:
                inside = False
        value = value[part] if inside else value
        found.append(inside)
    return found


def _keys_at(kind: type[BaseModel], place: tuple[str | int, ...], value: Any) -> list[str]:
    """Return the keys allowed at a place, found by walking the JSON schema along it."""
    return sorted({key for shape in _shapes_at(kind, place, value) for key in shape.get("properties", {})})


def _inner_keys(kind: type[BaseModel], place: tuple[str | int, ...], value: Any) -> dict[str, str]:
    """Return the keys of all parts that may stand at a place, each with its dotted name."""
    schema = kind.model_json_schema()
    parts = [part for shape in _shapes_at(kind, place, value) for part in shape.get("properties", {}).items()]
    return {key: f"{name}.{key}" for name, node in parts for key in _resolved(node, schema).get("properties", {})}


def _tags_at(kind: type[BaseModel], place: tuple[str | int, ...], value: Any) -> tuple[str, list[str]]:
    """Return the key at a place by which mappings of several kinds differ, and its values."""
    union = next(shape["discriminator"] for shape in _shapes_at(kind, place, value) if "discriminator" in shape)
    return union["propertyName"], list(union["mapping"])


def _shapes_at(kind: type[BaseModel], place: tuple[str | int, ...], value: Any) -> list[dict[str, Any]]:
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
