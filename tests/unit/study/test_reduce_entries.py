"""Reduced models in a study: what they may be made from, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from study_files import SOUND, complaint, write

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
