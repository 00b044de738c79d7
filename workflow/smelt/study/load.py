"""Reading study files: YAML in, a checked Study out, and every complaint in one clear message."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smelt.errors import SmeltError, expected_one_of, meant
from smelt.study.entry import NAME, Entry
from smelt.study.families import expanded
from smelt.study.schema import Study

AnyEntry = TypeVar("AnyEntry", bound=Entry)


def load_study(path: Path) -> Study:
    """Return the checked study of a YAML file.

    Raises:
        SmeltError: the file is missing, is not YAML, or a key of it is not as it should be; one line for each key.
    """
    return check_study(read_yaml(path), path)


def check_study(value: Any, where: str | Path) -> Study:
    """Return what a study file holds as a checked study, its families of models written out.

    Raises:
        SmeltError: a key is not as it should be; one line for each.
    """
    return check(Study, expanded(value, where), where)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, with `${NAME}` filled in from the environment."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise SmeltError(
            path, f"no such file{'' if path.is_absolute() else f' (looked for {path.absolute()})'}"
        ) from None
    except UnicodeDecodeError as error:
        raise SmeltError(path, f"is not UTF-8 text (byte {error.start})") from None
    return expand(parse_yaml(text, path))


def parse_yaml(text: str, where: str | Path) -> Any:
    """Return what a text in YAML holds, read strictly: a key stands once, and `no` is a word.

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
        details = error.errors()
        complaints = [_complaint(detail, kind, value) for detail in details if not _is_other_branch(detail, details)]
        raise SmeltError(where, "\n       ".join(complaints)) from None


def entry_of(kind: type[AnyEntry], settings: Mapping[str, Any], where: str | Path = "--settings") -> AnyEntry:
    """Return the part of a job's settings that a study file holds, as a checked entry."""
    return check(kind, {key: settings[key] for key in kind.model_fields if key in settings}, where)


def expand(value: Any) -> Any:
    """Fill in `${NAME}` from the environment in every text of a nested value; unset names stay as they are."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {key: expand(part) for key, part in value.items()}
    if isinstance(value, list):
        return [expand(part) for part in value]
    return value


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once, and `no` and `on` are the words they look like (Norwegian's code is `no`)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """Refuse 010 and 1:30, which YAML 1.1 takes for 8 and 90."""
        if re.fullmatch(r"[-+]?(0[0-9_]+|[0-9_]+:.*)", node.value):
            problem = f"{node.value} is no decimal number: write it without zeros in front, or a text in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_number)

_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


def _complaint(detail: ErrorDetails, kind: type[Entry], value: Any) -> str:
    key = _key_of(detail, value) or kind.__name__.lower()
    message = detail["msg"].removeprefix("Value error, ")
    found = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            allowed = _keys_at(kind, detail["loc"][:-1])
            return f"{key}: no such key; {expected_one_of(detail['loc'][-1], allowed, 'allowed here:')}"
        case "missing":
            return f"{key}: is missing"
        case "value_error":
            return f"{key}: {message}" if detail["loc"] else message
        case "union_tag_not_found":
            tag, tags = _tags_at(kind, detail["loc"])
            return f"{key}.{tag}: is missing; expected one of {', '.join(tags)}"
        case "union_tag_invalid":
            union = detail["ctx"]
            key = f"{key}.{union['discriminator'].strip(chr(39))}"
            complaint = f"{key}: expected one of {union['expected_tags']}; found {union['tag']!r}"
            return _asking(complaint, union["tag"], _quoted(union["expected_tags"]))
        case "model_type" | "model_attributes_type" | "dict_type":
            keys = _keys_at(kind, detail["loc"])
            holds = f" with the keys {', '.join(keys)}" if keys else ""
            shape = f"; write {{{found}: {{...}}}}" if found in keys else ""
            return f"{key}: expected a mapping{holds}; found {_shown(found)}{shape}"
        case "literal_error":
            complaint = f"{key}: {message[0].lower()}{message[1:]}; found {_shown(found)}"
            return _asking(complaint, found, _quoted(detail["ctx"]["expected"]))
        case "string_pattern_mismatch" if detail["ctx"]["pattern"] == NAME:
            expected = "expected a to z, 0 to 9, '.', '_' and '-', with a letter or digit first"
            return f"{key}: {found!r} is no name of smelt: {expected}"
    return f"{key}: {message[0].lower()}{message[1:]}; found {_shown(found)}"


def _asking(complaint: str, found: object, names: Iterable[str]) -> str:
    """Return a complaint about an unknown name, and the question whether one like it was meant."""
    return "; ".join(filter(None, [complaint, meant(found, names)]))


def _quoted(listed: str) -> list[str]:
    """Return the values that pydantic lists in quotes."""
    return re.findall(r"'([^']*)'", listed)


def _shown(found: Any) -> str:
    return repr(found if isinstance(found, str | int | float | bool | None) else type(found).__name__)


def _is_other_branch(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a complaint only says that a value is not of the union's other kind, while others say what is wrong."""
    place = detail["loc"][:-1]
    others = [other for other in details if other is not detail and other["loc"][: len(place)] == place]
    unlike = {
        "string_type": (Mapping, list),
        "dict_type": (list,),
        "list_type": (str,),
        "literal_error": (list,),
    }.get(detail["type"])
    return unlike is not None and isinstance(detail["input"], unlike) and bool(others)


def _key_of(detail: ErrorDetails, value: Any) -> str:
    """Return the dotted key of the file that an error is about, without the union branches that pydantic adds."""
    parts = []
    for part in detail["loc"]:
        inside = part in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(part, int)
        if inside:
            value = value[part]
        if inside or (detail["type"] == "missing" and part == detail["loc"][-1]):
            parts.append(str(part))
    return ".".join(parts)


def _keys_at(kind: type[Entry], place: tuple[str | int, ...]) -> list[str]:
    """Return the keys allowed at a place, found by walking the JSON schema along it."""
    schema = kind.model_json_schema()
    nodes = [schema]
    for part in place:
        nodes = [step for node in nodes for step in _steps(node, part, schema)]
    shapes = [_resolved(node, schema) for node in nodes]
    shapes += [_resolved(branch, schema) for shape in shapes for branch in shape.get("anyOf", [])]
    return sorted({key for shape in shapes for key in shape.get("properties", {})})


def _tags_at(kind: type[Entry], place: tuple[str | int, ...]) -> tuple[str, list[str]]:
    """Return the key at a place by which mappings of several kinds differ, and its values."""
    schema = kind.model_json_schema()
    nodes = [schema]
    for part in place:
        nodes = [step for node in nodes for step in _steps(node, part, schema)]
    shapes = [_resolved(node, schema) for node in nodes]
    union = next(shape["discriminator"] for shape in shapes if "discriminator" in shape)
    return union["propertyName"], list(union["mapping"])


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
