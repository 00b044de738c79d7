"""Studies of papers that distil do it as the papers say (DistilBETO, Eliquare)."""

import os
from pathlib import Path

import pytest
from published_studies import STUDIES, distilled

from smelt.report.tables.monolingual import MonolingualTable
from smelt.study.makers.distil import Distil
from smelt.study.makers.reduce import Reduce
from smelt.study.schema import load_study

DATA = os.environ.get("SMELT_DATA")


def test_distilbeto_is_half_of_beto_and_trains_for_90_thousand_steps() -> None:
    model = load_study(STUDIES / "albeto.yaml").models["distilbeto"]
    assert isinstance(model, Distil)
    assert (model.teachers, model.student.layers, model.student.start) == (["beto"], 6, "code")
    assert model.student.layers_to_copy(12) == [0, 2, 4, 7, 9, 11]
    assert (model.student.positions, model.student.still) == ("sinusoidal", ["positions"])
    assert (model.training.schedule.steps, model.training.schedule.epochs, model.recipe) == (90_000, None, "eliquare")


def test_eliquare_distils_as_its_section_4_says() -> None:
    for language in ("fr", "he", "sl", "nl", "hi", "sw"):
        student = distilled("eliquare", f"eliquare-{language}")
        assert (student.teachers, student.languages) == (["mbert"], [language])
        assert (student.student.layers, student.student.start) == (6, "alternate")
        losses = student.losses
        assert (losses.kl, losses.mlm, losses.cosine, losses.temperature) == (5, 2, 1, 2)
        recipe = student.training
        assert (recipe.data.batch, recipe.schedule.epochs, recipe.objective.smoothing, recipe.validation.choose) == (
            1600,
            10,
            0.7,
            "best",
        )
        assert (recipe.peak_rate, recipe.optimizer.epsilon, recipe.objective.masking_probability) == (5e-4, 1e-6, 0.15)
        assert distilled("eliquare", f"eliquare-xlmr-{language}").student.frozen == ["positions"]
        assert distilled("eliquare", f"before-{language}").teachers == [f"mbert-{language}"]
    assert load_study(STUDIES / "eliquare.yaml").corpora["wiki6"].held_out == 0.1


def test_eliquare_reduces_to_the_stated_threshold_and_to_66_million_parameters() -> None:
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    study = load_study(STUDIES / "eliquare.yaml")
    with torch.device("meta"):
        student = DistilBertModel(DistilBertConfig(vocab_size=30_050))
    assert student.num_parameters() == 6 * 7_087_872 + 512 * 768 + 2 * 768 + 30_050 * 768 == 66_000_384
    for language in ("fr", "he", "sl", "nl", "hi", "sw"):
        for place in ("after", "mbert"):
            stated, published = (study.models[f"{place}{named}-{language}"] for named in ("", "-66m"))
            assert isinstance(stated, Reduce)
            assert isinstance(published, Reduce)
            assert (stated.share, stated.size, published.threshold, published.size) == (0.0005, None, None, 30_050)
            assert (stated.source, stated.languages) == (published.source, published.languages)
        assert distilled("eliquare", f"before-66m-{language}").teachers == [f"mbert-66m-{language}"]
    shown = study.tables["table-5"]
    assert isinstance(shown, MonolingualTable)
    assert list(shown.rows.values())[2:] == ["after-66m-{language}", "before-66m-{language}"]


@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
def test_eliquares_sizes_are_those_of_published_counts() -> None:
    assert DATA is not None
    lines = {"fr": 707 / 0.00005, "hi": 29 / 0.00005, "sw": 7 / 0.00005}  # what 0.005% came to
    kept, of_sized = {}, {}
    for language, total in lines.items():
        text = Path(DATA, "mbert-counts", f"{language}.tsv").read_text(encoding="utf-8")
        counts = sorted((int(row.rsplit("\t", 1)[1]) for row in text.splitlines()), reverse=True)
        kept[language] = sum(count >= 0.0005 * total for count in counts)
        of_sized[language] = counts[30_050 - 1]
    assert kept == {
        "fr": pytest.approx(9_772, rel=0.01),
        "hi": pytest.approx(1_874, rel=0.03),
        "sw": pytest.approx(4_736, rel=0.08),
    }
    assert of_sized["hi"] == of_sized["sw"] == 1
    assert of_sized["fr"] / lines["fr"] == pytest.approx(0.000021, rel=0.02)


def test_eliquare_tries_the_losses_and_temperatures_of_its_section_6() -> None:
    study = load_study(STUDIES / "eliquare.yaml")
    for number, key, expected in (
        (6, ("kl", "mlm", "cosine"), [(5, 2, 1), (1, 1, 1), (1, 0, 1), (0, 1, 1), (1, 1, 0)]),
        (7, ("temperature",), [(0.5,), (1,), (2,), (3,), (4,)]),
    ):
        table = study.tables[f"table-{number}"]
        assert isinstance(table, MonolingualTable)
        for language in ("sl", "sw"):
            models = [distilled("eliquare", row.replace("{language}", language)) for row in table.rows.values()]
            assert [tuple(getattr(model.losses, part) for part in key) for model in models] == expected
            assert {tuple(model.teachers) for model in models} == {(f"mbert-{language}",)}


def test_eliquare_compares_12_pairs_and_fine_tunes_as_its_section_4_says() -> None:
    study = load_study(STUDIES / "eliquare.yaml")
    table = study.tables["table-4"]
    assert isinstance(table, MonolingualTable)
    assert (len(table.languages), len(table.tasks)) == (6, 12)
    assert {study.options(task).finetuned_as for task in table.tasks} == {"published"}
    assert study.finetuning is not None
    finetuning = study.finetuning.named("published")
    assert (finetuning.epochs, finetuning.learning_rate, finetuning.weight_decay) == (10, 5e-5, 0.01)
    (run,) = finetuning.cells.values()
    assert run.warmup_steps(100_000) == 500


def test_the_small_study_of_distillation_has_what_it_is_to_show() -> None:
    study = load_study(STUDIES / "mini-distil.yaml")
    numbers = {
        "before": (5, 2, 1),
        "no-kl": (0, 2, 1),
        "no-mlm": (5, 0, 1),
        "no-cosine": (5, 2, 0),
        "no-teacher": (0, 2, 0),
    }
    for language in ("sw", "sl"):
        for name, weights in numbers.items():
            model = distilled("mini-distil", f"{name}-{language}")
            assert (model.losses.kl, model.losses.mlm, model.losses.cosine) == weights
            assert model.training == distilled("mini-distil", f"before-{language}").training
        assert distilled("mini-distil", f"random-{language}").student.start == "random"
        assert distilled("mini-distil", f"never-{language}").teachers == ["teacher"]
        assert isinstance(study.models[f"after-{language}"], Reduce)
    assert study.finetuning is not None
    assert len(study.finetuning.seeds) == 5
