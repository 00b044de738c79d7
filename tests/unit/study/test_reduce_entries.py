"""Reduced models in a study: what they may be made from, and what is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from study_files import SOUND, complaint, write

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.makers.reduce import ReductionSettings
from smelt.study.schema import load_study

REDUCED = {"maker": "reduce", "source": "mbert", "corpus": "wiki", "languages": ["el"], "threshold": "paper"}


def test_a_reduced_model_may_come_of_any_other(tmp_path: Path) -> None:
    again = {"maker": "reduce", "source": "mbert-el", "corpus": "wiki", "size": 500}
    of_tiny = REDUCED | {"source": "tiny", "threshold": 0.01}
    models = {"models/mbert-el": REDUCED, "models/again": again, "models/tiny-el": of_tiny}
    study = load_study(write(tmp_path, models))
    shares = [getattr(study.models[name], "share", None) for name in ("mbert-el", "tiny-el")]
    assert shares == [0.0005, 0.01]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source": "mbart"}, ["models.small.source", "'mbart'", "mbert"]),
        ({"source": "small"}, ["models.small.source: goes in a circle: small <- small"]),
        ({"corpus": "web"}, ["models.small.corpus", "'web'", "wiki"]),
        ({"languages": ["sw"]}, ["models.small.languages", "'sw' is not in corpus wiki", "en, el"]),
        ({"languages": []}, ["models.small.languages", "at least 1"]),
        ({"threshold": 0}, ["models.small.threshold", "greater than 0"]),
        ({"threshold": 0.1, "size": 100}, ["models.small", "either threshold, coverage or size"]),
        ({"of": "words"}, ["models.small.of", "'lines'"]),
        ({"counts": "tiny"}, ["models.small.counts", "'tiny'", "an adopted model"]),
        ({"counts": "other"}, ["models.small.counts", "'other' is not in the study"]),
        ({"tasks": ["conll2004"]}, ["models.small.tasks", "'conll2004'"]),
        ({"order": "during"}, ["models.small.order", "'before' or 'after'"]),
        ({"sample": 0}, ["models.small.sample", "of at least 1"]),
        ({"sample_seed": 2}, ["models.small", "sample_seed: has no effect without sample"]),
        (
            {"order": "after", "finetuning": {"epochs": 2}},
            ["models.small", "finetuning: has no effect with order: after"],
        ),
    ],
)
def test_a_reduction_that_cannot_be_made_is_named(tmp_path: Path, change: dict[str, Any], expected: list[str]) -> None:
    message = complaint(write(tmp_path, {"models/small": REDUCED | change}))
    assert [part for part in expected if part not in message] == [], message


def test_reductions_do_not_go_in_a_circle(tmp_path: Path) -> None:
    one, other = REDUCED | {"source": "other"}, REDUCED | {"source": "one"}
    message = complaint(write(tmp_path, {"models/one": one, "models/other": other}))
    assert "models.one.source: goes in a circle: one <- other <- one" in message


def test_a_counted_model_has_no_tokenizers_name(tmp_path: Path) -> None:
    names = {"models/unigram-1k": SOUND["models"]["mbert"], "models/small": REDUCED | {"source": "unigram-1k"}}
    assert "models.small.source: 'unigram-1k' is a tokenizer's name too" in complaint(write(tmp_path, names))


def test_nothing_is_made_from_a_model_that_is_reduced_after_fine_tuning(tmp_path: Path) -> None:
    models = {"models/late": REDUCED | {"order": "after"}, "models/small": REDUCED | {"source": "late"}}
    message = complaint(write(tmp_path, models))
    assert "models.small.source: 'late' is reduced after fine-tuning, once for each task and seed" in message


def test_settings_are_what_they_were_where_neither_order_nor_sample_is_given(tmp_path: Path) -> None:
    entry = load_study(write(tmp_path, {"models/small": REDUCED})).models["small"]
    assert not {"order", "sample", "sample_seed"} & set(entry.model_dump())


@pytest.mark.parametrize("rule", [{"coverage": 0.999}, {"size": 64, "of": "documents"}, {"threshold": "code"}])
def test_the_command_takes_the_settings_of_every_rule(tmp_path: Path, rule: dict[str, Any]) -> None:
    entry = {key: value for key, value in REDUCED.items() if key != "threshold"} | rule
    catalogue = Catalogue.load(write(tmp_path, {"models/small": entry}))
    settings = ReductionSettings.model_validate_json(
        catalogue.makers["reduce"].settings(SimpleNamespace(model="small"))
    )
    assert getattr(settings, next(iter(rule))) == (0.00005 if "threshold" in rule else next(iter(rule.values())))


def test_nothing_is_reduced_after_a_task_on_which_nothing_is_learnt(tmp_path: Path) -> None:
    task = {"tasks/squad-es-retrieval": {"finetuning": {"epochs": 0}}}
    path = write(tmp_path, {"models/late": REDUCED | {"order": "after"}} | task)
    with pytest.raises(SmeltError, match=r"models\.late\.order: 'squad-es-retrieval' learns nothing \(epochs: 0\)"):
        Catalogue.load(path)
