"""Settings that have no effect under the study's other choices are refused, where the file sets them itself."""

from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.study.load import check_study
from smelt.study.schema import Study

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


def study_of(model: dict[str, Any]) -> Study:
    """Check a study with a model beside a teacher."""
    study = {
        "study": "try",
        "corpora": {"wiki": {"text": {"en": "en.txt"}}},
        "tokenizers": {"words": {"algorithm": "unigram", "vocabulary": 500, "corpus": "wiki"}},
        "models": {"base": PRETRAIN | {"architecture": SHAPE | {"embedding": 64}}, "one": model},
        "tasks": ["conll2003"],
        "finetuning": {"seeds": [1]},
    }
    return check_study(study, "study.yaml")


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (PRETRAIN | {"settings": {"masking": "tokens", "smoothing": 0.5}}, "settings.smoothing"),
        (PRETRAIN | {"settings": {"smoothing": 0.7}}, "settings.smoothing"),
        (PRETRAIN | {"settings": {"longest": 3}}, "settings.longest"),
        (PRETRAIN | {"settings": {"sentences": "none", "swap_rate": 0.4}}, "settings.swap_rate"),
        (DISTIL | {"settings": {"swap_rate": 0.4}}, "settings.swap_rate"),
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
        (COMPRESS | {"transfer": {"signals": "stored", "most_gigabytes": 3}}, "transfer.most_gigabytes"),
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
        PRETRAIN | {"settings": {"masking": "rare", "smoothing": 0.5}},
        PRETRAIN | {"settings": {"masking": "spans", "longest": 4, "swap_rate": 0.4}},
        PRETRAIN | {"settings": {"longest": None}},
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
