"""Families: one entry of the study for a model of each language, such as `mbert-en-{language}`, or for several tasks.

A study file is expanded before it is checked: complaints name the member, and no other code knows families. Tables
name one by its pattern, and find the members by the language of each column.
"""

from collections.abc import Mapping
from typing import Any

from smelt.entry import first_repeated
from smelt.errors import SmeltError

MOST_MEMBERS = 1_000  # models, or tasks, of a study
MOST_WRITTEN = 200_000  # keys and values of all of them
LANGUAGE = "language"
PARTS = {"models": "model", "tasks": "task"}
"""Parts of a study that may hold families, and what a member is called."""


def expand_families(study: Any, where: Any) -> Any:
    """Return a study, as its file holds it, with every family of models and of tasks written out.

    Args:
        study: what the file holds; anything but a mapping is left as it is, and so is a part that is none.
        where: names the file in complaints.

    Raises:
        SmeltError: a family lacks `each` or its name the place that `each` fills in, or two members have one name.
    """
    if not isinstance(study, Mapping):
        return study
    parts = {part: study[part] for part in PARTS if isinstance(study.get(part), Mapping)}
    return {**study, **{part: _expand(part, entries, where) for part, entries in parts.items()}}


def member_of(pattern: str, language: str) -> str:
    """Return the name of a family's member; a name that is no pattern stands for itself."""
    return pattern.replace(f"{{{LANGUAGE}}}", language)


def is_family(name: str) -> bool:
    """Return whether a name is the pattern of a family."""
    return f"{{{LANGUAGE}}}" in name


def _expand(part: str, entries: Mapping[Any, Any], where: Any) -> dict[str, Any]:
    """Return the models or tasks of a study with every family of them written out."""
    _check_number(part, entries, where)
    members: dict[str, Any] = {}
    for name, entry in entries.items():
        for member, value in _members(part, name, entry, where):
            if member in members:
                taken = f"its member {member!r} is a {PARTS[part]} of the study already"
                raise SmeltError(where, f"{part}.{name}: {taken}")
            members[member] = value
    return members


def _check_number(part: str, entries: Mapping[Any, Any], where: Any) -> None:
    """Refuse more members than a study can have, before one is written out."""
    numbers = [(entry, _number(entry)) for entry in entries.values()]
    members = sum(number for _, number in numbers)
    if members > MOST_MEMBERS:
        raise SmeltError(
            where, f"{part}: are {members:,} with the members of families: expected at most {MOST_MEMBERS:,}"
        )
    written = sum(number * _size(entry) for entry, number in numbers if number > 1)
    if written > MOST_WRITTEN:
        found = f"the members of families have {written:,} keys and values: expected at most {MOST_WRITTEN:,}"
        raise SmeltError(where, f"{part}: {found}")


def _number(entry: Any) -> int:
    """Return how many members an entry has; 1 where it is no family, or a wrong one."""
    each = entry.get("each") if isinstance(entry, Mapping) else None
    values = next(iter(each.values()), None) if isinstance(each, Mapping) else each
    return len(values) if isinstance(values, list) and values else 1


def _size(value: Any) -> int:
    """Return how many keys and values a nested value has, without `each`."""
    if isinstance(value, Mapping):
        return 1 + sum(1 + _size(part) for key, part in value.items() if key != "each")
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _members(part: str, name: Any, entry: Any, where: Any) -> list[tuple[str, Any]]:
    each = entry.get("each") if isinstance(entry, Mapping) else None
    if each is None:
        if "{" in str(name):
            needed = f"a family of {part} needs `each`, which lists what to fill in"
            raise SmeltError(where, f"{part}.{name}: {needed}")
        return [(name, entry)]
    variable, values = _variable_and_values(f"{part}.{name}.each", each, where)
    if f"{{{variable}}}" not in str(name):
        raise SmeltError(
            where,
            f"{part}.{name}.each: expected {{{variable}}} in the name, because its members need names of their own",
        )
    own = {key: value for key, value in entry.items() if key != "each"}
    return [(name.replace(f"{{{variable}}}", value), _fill_in(own, variable, value)) for value in values]


def _variable_and_values(key: str, each: Any, where: Any) -> tuple[str, list[str]]:
    """Return the variable and its values: a list is of languages; a mapping of one name to a list names another."""
    variable, values = (LANGUAGE, each) if isinstance(each, list) else (None, None)
    if isinstance(each, Mapping) and len(each) == 1:
        variable, values = next(iter(each.items()))
    if not isinstance(variable, str) or not isinstance(values, list) or not values:
        raise SmeltError(where, f"{key}: expected a list of languages, or {{name: [values]}} to fill in {{name}}")
    texts = [str(value) for value in values]
    if (repeated := first_repeated(texts)) is not None:
        raise SmeltError(where, f"{key}: names {repeated!r} twice")
    return variable, texts


def _fill_in(value: Any, variable: str, text: str) -> Any:
    """Return a nested value with `{variable}` filled in, in every text and key."""
    if isinstance(value, str):
        return value.replace(f"{{{variable}}}", text)
    if isinstance(value, Mapping):
        return {_fill_in(key, variable, text): _fill_in(part, variable, text) for key, part in value.items()}
    return [_fill_in(part, variable, text) for part in value] if isinstance(value, list) else value
