"""The command `pretrain` makes a folder that loads, for every family."""

import json
from pathlib import Path

import pytest
from training_toy import RECIPE, Toy

from smelt.__main__ import main
from smelt.study.architectures import FamilyName, Shape

NUMBERS = {"layers": 2, "hidden": 32, "heads": 4, "feed_forward": 64}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "sentences", "kind"),
    [
        ("albert", "none", "AlbertForMaskedLM"),
        ("bert", "next", "BertForPreTraining"),
        ("distilbert", "none", "DistilBertForMaskedLM"),
    ],
)
def test_a_model_of_every_family_is_trained_saved_and_loaded(
    toy: Toy, tmp_path: Path, family: FamilyName, sentences: str, kind: str
) -> None:
    import transformers

    recipe = RECIPE.override(
        {"objective": {"sentences": sentences}, "schedule": {"steps": 4}, "machine": {"gradient_checkpointing": True}}
    )
    shape = Shape.model_validate(NUMBERS | {"family": family})
    settings = {"shape": shape.model_dump(), "recipe": recipe.model_dump(), "alpha": 0.7, "seed": 1, "version": 1}
    words = ["pretrain", "--blocks", *map(str, toy.blocks), "--tokenizer", str(toy.tokenizer), "--threads", "1"]
    words += ["--settings", json.dumps(settings), "--checkpoints", str(tmp_path / "checkpoints")]
    assert main([*words, "--output", str(tmp_path / "model"), "--curve", str(tmp_path / "model.curve.csv")]) == 0
    model, report = getattr(transformers, kind).from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert model.config.vocab_size == toy.pieces.size == 90
    assert model.config.architectures == [kind]
    assert kind in (tmp_path / "model/README.md").read_text()
