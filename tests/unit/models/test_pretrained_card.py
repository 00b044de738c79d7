"""A pretrained model's card says what was done to this model, whatever its family and recipe."""

import math
from typing import Any

import pytest

from smelt.entry import check, merge
from smelt.errors import SmeltError
from smelt.models.pretrain import summary
from smelt.models.training_card import effective_settings, held_out
from smelt.study.architectures import ARCHITECTURES
from smelt.study.makers.pretrain import PretrainingSettings
from smelt.training.curve import LearningCurve
from smelt.training.recipes import RECIPES
from smelt.training.run import Outcome


def settings(architecture: str = "albert-base", recipe: str = "albert", **changes: Any) -> PretrainingSettings:
    values = {
        "shape": ARCHITECTURES[architecture].model_dump(),
        "recipe": merge(RECIPES[recipe].model_dump(), changes),
        "alpha": 0.7,
        "seed": 1,
        "version": 1,
    }
    return check(PretrainingSettings, values, "--settings")


def effective(made: PretrainingSettings) -> dict[str, str]:
    return effective_settings(made.recipe, made.shape.hidden)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            settings(),
            "An ALBERT encoder for 2 languages, pretrained from scratch with masked language modelling of n-grams of up"
            " to 3 words (Lan et al. 2019) and sentence order prediction (Lan et al. 2019) for 4,000,000 steps.",
        ),
        (
            settings("bert-base", "small", objective={"sentences": "next"}, schedule={"stop_at": 50}),
            "A BERT encoder for 2 languages, pretrained from scratch with masked language modelling of whole words"
            " (Devlin et al. 2019) and next sentence prediction (Devlin et al. 2019) for 50 steps.",
        ),
        (
            settings(
                "distilbert-base",
                "fast",
                objective={"sentences": "none", "masking": "spans", "max_ngram": 5},
                validation={"choose": "best"},
            ),
            "A DistilBERT encoder for 2 languages, pretrained from scratch with masked language modelling of spans of"
            " up to 5 words (Joshi et al. 2020) for 70,000 steps."
            " Its weights are those of the lowest loss on held-out documents.",
        ),
    ],
)
def test_the_summary_names_family_masking_and_objectives(made: PretrainingSettings, said: str) -> None:
    assert summary(made, 2) == said


def test_one_language_is_not_several() -> None:
    assert "for one language," in summary(settings(), 1)


def test_rules_are_shown_by_the_values_they_gave() -> None:
    table = effective(settings())
    shown = {
        key: table[key]
        for key in (
            "optimizer.learning_rate",
            "schedule.warmup_steps",
            "schedule.stop_at",
            "objective.max_ngram",
            "model.dropout",
        )
    }
    assert shown == {
        "optimizer.learning_rate": "0.0003125",
        "schedule.warmup_steps": "3125",
        "schedule.stop_at": "4000000",
        "objective.max_ngram": "3",
        "model.dropout": "0.1",
    }
    assert effective(settings("albert-xxlarge"))["model.dropout"] == "0.0"


def test_every_row_of_the_table_has_a_value() -> None:
    for name, recipe in RECIPES.items():
        assert (
            "None"
            not in effective(
                settings(recipe=name, **(merge(recipe.for_blocks(99_999).model_dump(), {"schedule": {"epochs": None}})))
            ).values()
        )


def test_a_length_in_epochs_is_given_in_steps_too() -> None:
    made = settings("distilbert-base", "eliquare")
    made = made.model_copy(update={"recipe": made.recipe.for_blocks(24_001)})
    assert "more often (Sanh et al. 2019) for 151 steps, 10 passes over its texts. Its weights" in summary(made, 1)
    table = effective(made)
    assert [
        table[key] for key in ("schedule.steps", "schedule.epochs", "validation.every", "schedule.warmup_steps")
    ] == ["151", "10.0", "15", "8"]
    assert "schedule.epochs" not in effective(settings())


def test_settings_that_had_no_effect_are_left_out() -> None:
    whole = set(effective(settings(objective={"masking": "rare", "smoothing": 0.5})))
    assert "objective.smoothing" in whole
    assert {"objective.smoothing", "objective.max_ngram", "objective.swap_probability"} & set(
        effective(settings(objective={"masking": "words", "sentences": "none"}))
    ) == set()


def test_figures_on_held_out_documents_are_those_of_the_weights_that_were_chosen() -> None:
    curve = LearningCurve()
    for step, loss in ((4, 2.5), (8, 3.5)):
        curve.add(step, "train", "all", {"mlm_loss": 9.0})
        curve.add(step, "validation", "aa", {"mlm_loss": loss})
    assert held_out(Outcome(curve, 0.1, None, 4)) == [
        {"language": "aa", "mlm_loss": 2.5, "mlm_perplexity": pytest.approx(math.exp(2.5))}
    ]


def test_settings_of_the_command_are_checked_as_the_studys_are() -> None:
    with pytest.raises(SmeltError, match=r"--settings: settings\.objective\.sentences: expected none; found 'order'"):
        settings("distilbert-base", "small")
