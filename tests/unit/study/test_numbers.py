"""Every numeric key of study and task files has bounds, and refuses in one line what lies beyond them."""

import math
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from smelt.entry import Entry, check
from smelt.errors import SmeltError
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile
from smelt.training.recipes import Recipe

Wrap = Callable[[Any], Any]

NEGATIVE = {"Conll.word", "Conll.label", "TaskFile.scores"}
"""Columns counted from the end, and scores, which may be below 0."""


def entries(kind: Any, seen: set[type[Entry]]) -> set[type[Entry]]:
    """Return the entries that a type is made of, its own and those of its keys."""
    for part in get_args(kind):
        entries(part, seen)
    if isinstance(kind, type) and issubclass(kind, Entry) and kind not in seen:
        seen.add(kind)
        for field in kind.model_fields.values():
            entries(field.annotation, seen)
    return seen


def numbers(node: dict[str, Any], wrap: Wrap = lambda value: value) -> Iterator[tuple[dict[str, Any], Wrap]]:
    """Yield the numbers below a node of a JSON schema, each with how its value is wrapped in lists and mappings."""
    if node.get("type") in ("integer", "number"):
        yield node, wrap
    for branch in node.get("anyOf", []):
        yield from numbers(branch, wrap)
    if "prefixItems" in node:
        yield from numbers(node["prefixItems"][1], lambda value: wrap([0, value]))
    elif "items" in node:
        yield from numbers(node["items"], lambda value: wrap([value]))
    for inner in [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]:
        if isinstance(inner, dict):
            yield from numbers(inner, lambda value: wrap({"en": value}))


def numeric_keys() -> list[Any]:
    found = []
    for kind in sorted(set().union(*(entries(root, set()) for root in (Study, TaskFile, Recipe))), key=str):
        for key, node in kind.model_json_schema().get("properties", {}).items():
            texts = "'string'" in str(node)
            for place, (number, wrap) in enumerate(numbers(node)):
                name = f"{kind.__name__}.{key}"
                found.append(pytest.param(kind, key, number, wrap, texts, name, id=f"{name}-{place}"))
    return found


def complaints(kind: type[Entry], key: str, value: Any) -> list[str]:
    """Return the complaints about one key of an entry, which lacks all others."""
    try:
        check(kind, {key: value}, "study.yaml")
    except SmeltError as error:
        return [line for line in map(str.strip, error.message.splitlines()) if line.startswith(key)]
    return []


@pytest.mark.parametrize(("kind", "key", "number", "wrap", "texts", "name"), numeric_keys())
def test_a_number_beyond_its_bounds_is_refused_in_one_line(
    kind: type[Entry], key: str, number: dict[str, Any], wrap: Wrap, texts: bool, name: str
) -> None:
    if "enum" not in number:
        assert {"minimum", "exclusiveMinimum"} & number.keys()
        assert {"maximum", "exclusiveMaximum"} & number.keys()
    for value in (True, math.inf, -math.inf, math.nan, 1e30, 10**30, -(10**30), -1 if name not in NEGATIVE else 1e30):
        (line,) = complaints(kind, key, wrap(value))
        assert "expected" in line
        assert len(line) < 400
    if not texts:
        assert len(complaints(kind, key, wrap("many"))) == 1
    if "minimum" in number:
        assert not any(
            "expected" in line and "at least" in line for line in complaints(kind, key, wrap(number["minimum"]))
        )


def test_the_test_goes_over_all_parts_of_a_study() -> None:
    names = {parameter.values[5] for parameter in numeric_keys()}
    assert {"Shape.hidden", "OptimizerSettings.beta1", "Finetuning.seeds", "Reduce.weights", "Conll.word"} <= names
    assert len(names) > 150
