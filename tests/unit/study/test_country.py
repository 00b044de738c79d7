"""The country that a study names is one whose electricity codecarbon knows."""

import json
from importlib.resources import files
from typing import Any

import pytest

from smelt.countries import COUNTRIES
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.study.schema import Study


def study(**keys: Any) -> Study:
    return check(Study, {"study": "one", "models": {"m": {"maker": "adopt", "folder": "x"}}} | keys, "study.yaml")


def test_the_codes_are_those_of_codecarbon() -> None:
    data = files("codecarbon") / "data/private_infra/global_energy_mix.json"
    assert set(json.loads(data.read_text())) == COUNTRIES


def test_a_study_may_leave_its_country_out() -> None:
    assert (study().country, study(country="FRA").country) == (None, "FRA")


@pytest.mark.parametrize("wrong", ["France", "FR", "fra", "XXX", ""])
def test_another_code_is_refused_with_what_is_expected(wrong: str) -> None:
    with pytest.raises(SmeltError, match=rf"study.yaml: country: .*{wrong!r} is not known: expected a code of three"):
        study(country=wrong)


def test_a_code_in_small_letters_is_refused_with_the_right_one() -> None:
    with pytest.raises(SmeltError, match="close to it: FRA"):
        study(country="fra")
