"""Settings that have no effect under the study's other choices are refused, where the file sets them itself."""

from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.study.schema import Study, check_study

SHAPE = {"layers": 2, "hidden": 64, "heads": 2, "feed_forward": 128}
PRETRAIN = {"maker": "pretrain", "architecture": SHAPE, "tokenizer": "words", "corpus": "wiki", "recipe": "small"}
DISTIL = {"maker": "distil", "teacher": "base", "corpus": "wiki", "recipe": "distil", "student": {"layers": 1}}
COMPRESS = {
    "maker": "compress",
    "teacher": "base",
    "student": {"kind": "bilstm", "embedding": 8, "hidden": 8},
    "tasks": ["conll2003"],
}
OWN = [{"losses": {"labels": 1}, "epochs": 3}, {"losses": {"logits": 1}, "epochs": 2}]


def study_of(model: dict[str, Any], **corpus: Any) -> Study:
    """Check a study with a model beside a teacher, both of a corpus of one language."""
    study = {
        "study": "try",
        "corpora": {"wiki": {"text": {"en": "en.txt"}} | corpus},
        "tokenizers": {"words": {"algorithm": "unigram", "vocabulary": 500, "corpus": "wiki"}},
        "models": {"base": PRETRAIN | {"architecture": SHAPE | {"embedding": 64}}, "one": model},
        "tasks": ["conll2003"],
        "finetuning": {"seeds": [1]},
    }
    return check_study(study, "study.yaml")


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (
            PRETRAIN | {"settings": {"objective": {"masking": "tokens", "smoothing": 0.5}}},
            "settings.objective.smoothing",
        ),
        (PRETRAIN | {"settings": {"objective": {"smoothing": 0.7}}}, "settings.objective.smoothing"),
        (PRETRAIN | {"settings": {"objective": {"max_ngram": 3}}}, "settings.objective.max_ngram"),
        (
            PRETRAIN | {"settings": {"objective": {"sentences": "none", "swap_probability": 0.4}}},
            "settings.objective.swap_probability",
        ),
        (DISTIL | {"settings": {"objective": {"swap_probability": 0.4}}}, "settings.objective.swap_probability"),
        (DISTIL | {"losses": {"kl": 0, "temperature": 4}}, "losses.temperature"),
        (DISTIL | {"losses": {"kl": 0, "positions": "masked"}}, "losses.positions"),
        (COMPRESS | {"strategy": "D0", "transfer": {"sentences": 50}}, "transfer.sentences"),
        (COMPRESS | {"strategy": "D0", "transfer": {"signals": "live"}}, "transfer.signals"),
        (COMPRESS | {"strategy": "D0-S", "settings": {"held_out": 0.2}}, "settings.held_out"),
        (COMPRESS | {"strategy": "D1", "layer": 1}, "layer"),
        (COMPRESS | {"strategy": "D1", "settings": {"representation": "mse"}}, "settings.representation"),
        (COMPRESS | {"strategy": "D0", "embeddings": {"start": "random"}, "teacher_seed": 1}, "teacher_seed"),
        (COMPRESS | {"embeddings": {"start": "random", "of": "pretrained"}}, "embeddings.of"),
        (COMPRESS | {"embeddings": {"start": "file", "file": "x.vec", "of": "finetuned"}}, "embeddings.of"),
        (COMPRESS | {"transfer": {"signals": "stored", "max_gigabytes": 3}}, "transfer.max_gigabytes"),
        (COMPRESS | {"strategy": OWN, "settings": {"epochs": 9}}, "settings.epochs"),
        ({"maker": "adopt", "folder": "here", "revision": "abc"}, "revision"),
        ({"maker": "export", "source": "base", "format": "onnx", "reduce_range": True}, "reduce_range"),
    ],
)
def test_a_setting_without_effect_is_refused(model: dict[str, Any], key: str) -> None:
    with pytest.raises(SmeltError, match=rf"^study.yaml: models\.one: {key}: has no effect .*; leave it out$"):
        study_of(model)


@pytest.mark.parametrize(
    "model",
    [
        PRETRAIN | {"settings": {"objective": {"masking": "rare", "smoothing": 0.5}}},
        PRETRAIN | {"settings": {"objective": {"masking": "spans", "max_ngram": 4, "swap_probability": 0.4}}},
        PRETRAIN | {"settings": {"objective": {"max_ngram": None}}},
        DISTIL | {"losses": {"kl": 1, "mlm": 0, "temperature": 4, "positions": "masked"}},
        COMPRESS | {"strategy": "D1", "transfer": {"sentences": 50}, "settings": {"held_out": 0.2}},
        COMPRESS | {"strategy": "D2", "layer": 1, "settings": {"representation": "mse"}},
        COMPRESS | {"strategy": "D0", "embeddings": {"start": "svd", "of": "pretrained"}},
        COMPRESS | {"strategy": [OWN[0], {"losses": {"logits": 1}}], "settings": {"epochs": 9}},
        {"maker": "export", "source": "base", "format": "int8", "reduce_range": True},
    ],
)
def test_a_setting_with_an_effect_is_not(model: dict[str, Any]) -> None:
    assert study_of(model)


def test_what_mixes_languages_is_refused_in_a_corpus_of_one() -> None:
    with pytest.raises(
        SmeltError, match=r"corpora.wiki: sampling.alpha: has no effect in a corpus of one language; le"
    ):
        study_of(PRETRAIN, sampling={"alpha": 0.7})
    with pytest.raises(SmeltError, match=r"corpora.wiki: sampling.max_share: has no effect in a corpus of one"):
        study_of(PRETRAIN, sampling={"max_share": 0.7})
    assert study_of(PRETRAIN, sampling={})
    assert study_of(PRETRAIN, text={"en": "en.txt", "el": "el.txt"}, sampling={"alpha": 0.7, "max_share": 0.5})


def test_a_largest_share_that_makes_no_whole_is_refused() -> None:
    line = r"corpora.wiki: sampling.max_share: 2 languages of 0.4 each at most make no whole; expected 0.5 or more"
    with pytest.raises(SmeltError, match=line):
        study_of(PRETRAIN, text={"en": "en.txt", "el": "el.txt"}, sampling={"max_share": 0.4})


@pytest.mark.parametrize(
    "settings", [{"validation": {"every": 2_001}}, {"schedule": {"steps": 10}, "validation": {"every": 250}}]
)
def test_measuring_after_the_end_is_refused(settings: dict[str, dict[str, int]]) -> None:
    steps, found = settings.get("schedule", {}).get("steps", 2_000), settings["validation"]["every"]
    expected = (
        rf"validation\.every: expected at most the run's {steps} steps, which measure once, at the end; found {found}"
    )
    with pytest.raises(SmeltError, match=expected):
        study_of(PRETRAIN | {"settings": settings})


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": {"steps": 10}},  # the recipe's own 250
        {"schedule": {"steps": 10}, "validation": {"every": 10}},
        {"schedule": {"stop_at": 3}, "validation": {"every": 250}},  # cut short, to try it
        {"schedule": {"epochs": 2}, "validation": {"every": 9_999}},  # the number of steps is not known yet
        {"validation": {"every": None}},
    ],
)
def test_measuring_at_the_end_is_not(settings: dict[str, Any]) -> None:
    assert study_of(PRETRAIN | {"settings": settings})
