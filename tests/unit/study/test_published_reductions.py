"""Smaller multilingual BERT is reduced and tested as the paper says; studies of orders compare the same pieces."""

import pytest
from published_studies import STUDIES

from smelt.report.tables.languages import LanguagesTable
from smelt.study.makers.reduce import Reduce
from smelt.study.schema import load_study
from smelt.tasks.splits import SPLITS
from smelt.tasks.task_file import load_task


def test_smaller_mberts_are_the_thirty_models_of_section_3_2() -> None:
    study = load_study(STUDIES / "smaller-mbert.yaml")
    languages = study.corpora["wiki15"].languages
    reduced = {name: model for name, model in study.models.items() if isinstance(model, Reduce)}
    own = [model for model in reduced.values() if model.source == "mbert"]
    kept = [tuple(model.languages or languages) for model in own]
    bilingual = [("en", language) for language in languages if language != "en"]
    assert sorted(kept) == sorted([tuple(languages), *bilingual, *((language,) for language in languages)])
    assert len(kept) == 30
    # The threshold that gives Table 1 is that of the authors' code.
    assert {model.share for model in reduced.values()} == {0.00005}


def test_smaller_mberts_are_tested_as_section_4_2_says() -> None:
    study = load_study(STUDIES / "smaller-mbert.yaml")
    for language in study.corpora["wiki15"].languages:
        bilingual, alone = (study.models.get(name) for name in (f"mbert-en-{language}", f"mbert-{language}"))
        assert alone is not None
        assert f"xnli.translate-train.{language}" in (alone.tasks or [])
        if bilingual is not None:
            assert (bilingual.tasks, bilingual.tested_on) == (
                ["xnli.transfer", "xnli.transfer-smelt"],
                ["en", language],
            )
    table = study.tables["table-2"]
    assert isinstance(table, LanguagesTable)
    assert table.languages == ["en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur"]
    assert [section.task for section in table.sections] == [
        "xnli.transfer",
        "xnli.transfer-smelt",
        "xnli.translate-train.{language}",
        "xnli.translate-train-all",
        "xnli.translate-test",
    ]


def test_xnli_chooses_no_epoch_on_a_language_that_transfer_tests() -> None:
    for setting in ("transfer", "translate-test"):
        task = load_task(f"xnli.{setting}")
        assert (task.languages_of("train"), task.languages_of("validation")) == (["en"], ["en"])
        assert len(task.languages_of("test")) == 15
    together = load_task("xnli.translate-train-all")
    assert {tuple(together.languages_of(split)) for split in SPLITS} == {tuple(together.languages)}


def test_the_small_study_of_reductions_has_every_algorithm_at_30_thousand_pieces_and_one_two_and_five_languages() -> (
    None
):
    study = load_study(STUDIES / "mini-reduce.yaml")
    sizes = {tokenizer.algorithm: tokenizer.vocabulary for tokenizer in study.tokenizers.values()}
    assert set(sizes) == {"unigram", "wordpiece", "bpe"}
    assert min(sizes.values()) >= 30_000
    reduced = [model for model in study.models.values() if isinstance(model, Reduce)]
    languages = {(model.source, len(model.languages or [])) for model in reduced}
    assert languages == {(source, count) for source in ("wordpiece", "unigram", "bpe") for count in (1, 2, 5)}


@pytest.mark.parametrize(("name", "pairs"), [("trim.yaml", 10), ("mini-trim.yaml", 3)])
def test_both_orders_keep_the_same_pieces_and_run_on_the_same_tasks(name: str, pairs: int) -> None:
    study = load_study(STUDIES / name)
    late = {key: model for key, model in study.models.items() if isinstance(model, Reduce) and model.makes_finetuned}
    both = 0
    for key, model in late.items():
        early = study.models.get(key.replace("e5-after", "e5").replace("after", "before"))
        if early is None or "after" not in key:
            continue
        assert isinstance(early, Reduce)
        apart = {"order", "tasks", "tested_on", "finetuning"}
        assert early.model_dump(exclude=apart) == model.model_dump(exclude=apart)
        assert set(model.named_tasks) <= set(early.named_tasks)
        both += 1
    assert both == pairs
    # What a seed draws is shared by a model and the same reduced, so that paired tests are the right ones.
    assert study.significance.test == "paired-t"
