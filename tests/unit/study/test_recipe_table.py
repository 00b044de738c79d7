"""The tables of architectures and recipes in docs/reference say what the code does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smelt.study.architectures import ARCHITECTURES
from smelt.training.recipes import RECIPES, Recipe

PAGES = Path(__file__).parents[3] / "docs/reference"

# The value of a setting that is left to a rule; the page gives it in brackets.
RULES: dict[str, Callable[[Recipe], float]] = {
    "optimizer.learning_rate": lambda recipe: recipe.peak_rate,
    "schedule.warmup": lambda recipe: recipe.warmup_steps / recipe.schedule.steps,
    "model.dropout": lambda recipe: recipe.model.dropout_of(768),
    "objective.max_ngram": lambda recipe: recipe.objective.longest_run,
}


def rows_of(heading: str) -> list[dict[str, str]]:
    """Return the rows of the table whose first column has that heading, their cells without backquotes."""
    text = "\n".join((PAGES / page).read_text(encoding="utf-8") for page in ("models.md", "recipes.md"))
    lines = text[text.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    cells = [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def in_one_table(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of all parts by their dotted keys."""
    return {f"{part}.{key}": value for part, keys in recipe.model_dump().items() for key, value in keys.items()}


def value_of(cell: str) -> Any:
    """Return what a cell says before its brackets: null, yes or no, a number, or a word."""
    cell = cell.partition(" (")[0]
    if cell in ("null", "yes", "no"):
        return {"null": None, "yes": True, "no": False}[cell]
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return cell


def test_the_table_has_every_setting_once_and_in_order() -> None:
    assert [row["setting"] for row in rows_of("setting")] == list(in_one_table(RECIPES["small"]))


def test_the_table_has_every_recipe() -> None:
    columns = list(rows_of("setting")[0])
    assert columns[1 : 1 + len(RECIPES)] == list(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_the_table_shows_the_recipes_values(name: str) -> None:
    recipe = RECIPES[name]
    shown = {row["setting"]: row[name] for row in rows_of("setting")}
    assert {key: value_of(cell) for key, cell in shown.items()} == in_one_table(recipe)


def test_the_table_gives_the_values_that_the_rules_compute() -> None:
    for row in rows_of("setting"):
        for name, recipe in RECIPES.items():
            bracket = re.search(r"\((.+)\)", row[name])
            if bracket is not None:
                assert value_of(row[name]) is None
                assert float(bracket[1]) == pytest.approx(RULES[row["setting"]](recipe), rel=1e-3)
            elif value_of(row[name]) is None:
                assert row["setting"] not in {"optimizer.learning_rate", "schedule.warmup", "model.dropout"}, (
                    f"{name} does not say it"
                )


def test_every_setting_that_albert_and_fast_do_not_share_has_a_source() -> None:
    unsaid = [
        row["setting"]
        for row in rows_of("setting")
        if value_of(row["albert"]) != value_of(row["fast"]) and not (row["source of albert"] and row["source of fast"])
    ]
    assert unsaid == []


@pytest.mark.parametrize("name", ["eliquare", "distil"])
def test_every_setting_of_a_distillation_that_is_no_default_has_a_source(name: str) -> None:
    parts = {part: field.annotation.model_fields for part, field in Recipe.model_fields.items()}
    defaults = {f"{part}.{key}": field.default for part, fields in parts.items() for key, field in fields.items()}
    own = {key for key, value in in_one_table(RECIPES[name]).items() if value != defaults[key]}
    assert {
        row["setting"] for row in rows_of("setting") if row["setting"] in own and not row[f"source of {name}"]
    } == set()
    assert len(own) > 10


def test_the_architectures_are_those_of_the_table() -> None:
    numbers = ("layers", "hidden", "heads", "feed-forward", "embedding")
    shown = {
        row["architecture"]: [int(row[key].replace(",", "")) for key in numbers] for row in rows_of("architecture")
    }
    assert shown == {
        name: [shape.layers, shape.hidden, shape.heads, shape.feed_forward, shape.embedding]
        for name, shape in ARCHITECTURES.items()
    }
