"""A key of an earlier version is refused in one line, which shows where it stands now."""

from typing import Any, ClassVar

import pytest

from smelt.entry import Entry, check, merge, move_renamed, overrides_of
from smelt.errors import SmeltError
from smelt.training.recipes import RecipeOverrides


class Rate(Entry):
    name: str
    peak: float = 1.0
    renamed: ClassVar = {"high": "peak"}


class Recipe(Entry):
    rate: Rate
    steps: int = 1
    keep: int = 2
    renamed: ClassVar = {"rate": "rate.name", "learning_rate": "rate.peak", "kept": "keep"}


class Model(Entry):
    settings: overrides_of(Recipe, "RecipeOverrides")  # type: ignore[valid-type]


class Study(Entry):
    models: dict[str, Model]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kept": 3}, ": kept is now keep; write {keep: 3}"),
        ({"learning_rate": 0.5}, ": learning_rate is now rate.peak; write {rate: {peak: 0.5}}"),
        ({"rate": "lamb"}, ": rate is now rate.name; write {rate: {name: lamb}}"),
        ({"rate": {"high": 2}}, ".rate: high is now peak; write {peak: 2}"),
        ({"rate": {"learning_rate": 2}}, ": learning_rate is now rate.peak; write {rate: {peak: 2}}"),
        ({"rate": {"kept": 2}, "steps": 3}, ": kept is now keep; write {keep: 2}"),
        (
            {"rate": "lamb", "steps": 3, "learning_rate": 1, "kept": None},
            ": rate is now rate.name, learning_rate is now rate.peak, kept is now keep;"
            " write {rate: {name: lamb, peak: 1}, keep: null}",
        ),
    ],
)
def test_a_renamed_key_is_refused_with_its_new_place(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SmeltError) as error:
        check(Study, {"models": {"x": {"settings": settings}}}, "study.yaml")
    assert str(error.value) == f"study.yaml: models.x.settings{complaint}"


def test_other_unknown_keys_get_the_complaint_they_had() -> None:
    with pytest.raises(SmeltError, match=r"models\.x\.settings\.rate\.peek: no such key; .*peak"):
        check(Study, {"models": {"x": {"settings": {"rate": {"peek": 2}}}}}, "study.yaml")


def test_a_renamed_key_of_a_recipe_is_known_within_its_new_part() -> None:
    with pytest.raises(ValueError, match=r"mask_rate is now objective\.masking_probability; write {objective: {"):
        RecipeOverrides.model_validate({"objective": {"mask_rate": 0.15}})
    assert RecipeOverrides.model_validate({"schedule": {"steps": 5}, "optimizer": {"name": "lamb"}})


def test_a_complaint_that_models_share_is_one_line() -> None:
    old, other = {"settings": {"kept": 3}}, {"settings": {"kept": 4}}
    with pytest.raises(SmeltError) as error:
        check(Study, {"models": {"a": old, "b": other, "c": old, "d": old, "e": {}}}, "study.yaml")
    assert str(error.value).splitlines() == [
        "study.yaml: models.a.settings: kept is now keep; write {keep: 3} (and 2 more of the models)",
        "       models.b.settings: kept is now keep; write {keep: 4}",
        "       models.e.settings: is missing",
    ]


def test_overrides_hold_what_is_set_and_nothing_else() -> None:
    study = check(Study, {"models": {"x": {"settings": {"rate": {"peak": 2}}}}}, "study.yaml")
    assert study.models["x"].settings.model_dump(exclude_unset=True) == {"rate": {"peak": 2}}  # type: ignore[attr-defined]
    assert Model(settings={}).settings.model_dump(exclude_unset=True) == {}  # type: ignore[attr-defined]


def test_files_of_earlier_versions_are_moved_to_todays_keys() -> None:
    old = {"rate": "lamb", "learning_rate": 0.5, "steps": 4, "kept": 1}
    new = {"rate": {"name": "lamb", "peak": 0.5}, "steps": 4, "keep": 1}
    assert move_renamed(Recipe, old) == new
    assert move_renamed(Recipe, new) == new
    assert move_renamed(Recipe, {"rate": {"name": "lamb", "learning_rate": 0.5}, "steps": 4, "kept": 1}) == new
    assert Recipe.model_validate(new)


def test_nested_mappings_merge_key_by_key() -> None:
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert merge(base, {"a": {"c": {"d": 4}}}, {"e": {"f": 5}}) == {"a": {"b": 1, "c": {"d": 4}}, "e": {"f": 5}}
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
