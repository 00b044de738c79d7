"""Studies of papers that pretrain do it as the papers say (mALBERT, ALBETO)."""

import pytest
from published_studies import STUDIES, pretrained

from smelt.study.catalogue import Catalogue
from smelt.study.makers.pretrain import Pretrain
from smelt.study.schema import load_study
from smelt.study.tokenizers import Unigram


# Cañete et al. 2022, Table 2: learning rate, batch, warm-up ratio, warm-up steps and total steps; the last column is
# the share of the plan that was run, which follows from them.
@pytest.mark.parametrize(
    ("size", "rate", "batch", "warmup", "warmup_steps", "steps", "share"),
    [
        ("tiny", 1.25e-3, 2048, 1.25e-2, 125_000, 8_300_000, 0.83),
        ("base", 8.83e-4, 960, 6.25e-3, 53_333, 3_650_000, 0.43),
        ("large", 6.25e-4, 512, 3.12e-3, 12_500, 1_450_000, 0.36),
        ("xlarge", 3.12e-4, 128, 7.81e-4, 6_250, 2_775_000, 0.35),
        ("xxlarge", 3.12e-4, 128, 7.81e-4, 3_125, 1_650_000, 0.41),
    ],
)
def test_albeto_trains_as_its_table_2_says(
    size: str, rate: float, batch: int, warmup: float, warmup_steps: int, steps: int, share: float
) -> None:
    model = pretrained("albeto", f"albeto-{size}")
    recipe = model.training
    assert model.architecture == f"albert-{size}"
    assert (recipe.data.batch, recipe.warmup_steps, recipe.schedule.last_step) == (batch, warmup_steps, steps)
    assert recipe.peak_rate == pytest.approx(rate, rel=2e-3)  # the table cuts its third digit
    assert recipe.warmup_steps / recipe.schedule.steps == pytest.approx(warmup, rel=2e-3)
    assert round(recipe.schedule.last_step / recipe.schedule.steps, 2) == share


def test_albeto_follows_albert_with_a_vocabulary_of_31_thousand() -> None:
    study = load_study(STUDIES / "albeto.yaml")
    tokenizer = study.tokenizers["unigram-31k"]
    assert isinstance(tokenizer, Unigram)
    assert (tokenizer.vocabulary, tokenizer.lowercase) == (31_000, True)
    pretrained_ones = [name for name, model in study.models.items() if isinstance(model, Pretrain)]
    assert len(pretrained_ones) == 5
    for name in pretrained_ones:
        recipe = pretrained("albeto", name).training
        assert (
            recipe.optimizer.name,
            recipe.objective.masking,
            recipe.objective.longest_run,
            recipe.objective.sentences,
        ) == (
            "lamb",
            "ngrams",
            3,
            "order",
        )
    models = [pretrained("albeto", name) for name in pretrained_ones]
    assert [model.training.model.dropout_of(model.shape.hidden) for model in models] == [0.0] * 5
    assert [model.training.model.initializer_range for model in models] == [0.02, 0.02, 0.02, 0.02, 0.01]


def test_albeto_searches_the_grid_of_its_section_4_2(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPANISH_CORPORA", "SMELT_TASKS"):
        monkeypatch.setenv(name, "/nowhere")
    catalogue = Catalogue.load(str(STUDIES / "albeto.yaml"))
    runs = catalogue.finetune.tried()
    assert len(runs) == len(set(runs)) == 8 * 8 * 36 == 2_304
    for model in catalogue.study.models:
        for task in (name for name in catalogue.tasks.files if not name.endswith("-smelt")):
            cells = catalogue.finetune.grid(model, task).cells.values()
            rates = {1e-6, 2e-6, 3e-6, 5e-6} if model.endswith("large") else {1e-5, 2e-5, 3e-5, 5e-5}
            assert {cell.learning_rate for cell in cells} == rates
            assert {cell.batch for cell in cells} == {16, 32, 64}
            assert {cell.epochs for cell in cells} == {2, 3, 4}
            answers = catalogue.tasks.files[task].kind == "question-answering"
            assert {cell.choose for cell in cells} == {"metric" if answers else "loss"}
            assert {cell.length for cell in cells} == {510 if task.startswith("conll2002") else 512}


@pytest.mark.parametrize("vocabulary", ["32k", "64k", "128k"])
def test_malbert_trains_as_its_section_2_3_says(vocabulary: str) -> None:
    recipe = pretrained("malbert", f"malbert-{vocabulary}").training
    assert (recipe.data.batch, recipe.peak_rate) == (128, pytest.approx(3.125e-4))
    assert (recipe.objective.masking, recipe.objective.longest_run, recipe.objective.sentences) == (
        "ngrams",
        3,
        "order",
    )


def test_recipes_follow_alberts_square_root_rule() -> None:
    from smelt.training.recipes import RECIPES

    published = RECIPES["albert"]
    assert published.peak_rate == pytest.approx(3.125e-4)  # mALBERT, section 2.3
    assert published.warmup_steps == round(0.2 * 128 / 32768 * published.schedule.total_steps)
