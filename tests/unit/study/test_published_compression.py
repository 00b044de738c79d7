"""The study of XtremeDistil compresses as the paper says."""

import json
from itertools import product
from types import SimpleNamespace

import pytest
from published_studies import STUDIES, compressed

from smelt.finetuning.compression.signals import size_of
from smelt.report.tables.grid import GridTable
from smelt.study.catalogue import Catalogue
from smelt.study.compression import STRATEGIES, Stage, middle
from smelt.study.makers.compress import Compress
from smelt.study.schema import load_study
from smelt.tasks.task_file import load_task

# Mukherjee and Hassan Awadallah 2020, Table 16: embeddings and states of each direction.
TABLE_16 = {(e, h) for e in (50, 100, 200, 300) for h in (100, 200, 400, 600)}
# Table 15: layers and widths of Transformers.
TABLE_15 = {(2, width) for width in (48, 72, 96, 132, 204, 228, 240, 252)}
TABLE_15 |= {(1, 144), *((3, width) for width in (228, 240, 252, 276))}


def students_of(table: str) -> list[Compress]:
    study = load_study(STUDIES / "xtremedistil.yaml")
    shown = study.tables[table].models
    assert shown is not None
    return [model for name in shown if isinstance(model := study.models[name], Compress)]


def test_xtremedistil_stores_the_signals_of_its_table_8(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMELT_VECTORS", "SMELT_REVIEWS", "SMELT_TASKS"):
        monkeypatch.setenv(name, "/nowhere")
    compress = Catalogue.load(str(STUDIES / "xtremedistil.yaml")).compress
    words = {"wiki41-1400000-32": 23.9e6, "wiki41-7200000-32": 172e6}  # counted in texts of ten and twenty languages
    for seed, (text, labelled) in product((1, 2, 3), words.items()):
        of_text = SimpleNamespace(model="mbert", task="wikiann-41.joint", seed=str(seed), transfer=text)
        layers = json.loads(compress.signals_settings(of_text))["layers"]
        kept = json.loads(compress.signals_storage(of_text, input=None))
        gigabytes = size_of(int(labelled), len(layers), 768, 7) / 1e9
        if text == "wiki41-1400000-32":
            assert layers == [1, 2, 4, 6, 9, 11, "middle"]
            assert kept == {"mode": "auto", "max_gigabytes": 300}
            assert round(gigabytes) == 258
        else:
            assert (layers, kept["max_gigabytes"]) == (["middle"], 50)
            assert gigabytes > kept["max_gigabytes"]


def test_xtremedistil_has_the_shapes_of_its_tables_15_and_16() -> None:
    of_widths = students_of("table-16")
    assert {(model.student.embedding, model.student.hidden) for model in of_widths} == TABLE_16
    assert len(of_widths) == 16
    assert {model.strategy for model in of_widths} == {"D4.2"}
    of_labels = students_of("table-15")
    transformers = [model.student for model in of_labels if model.student.kind == "transformer"]
    assert {(student.layers, student.embedding) for student in transformers} == TABLE_15
    assert len(of_labels) == 2 * len(transformers) == 26
    assert {model.strategy for model in of_labels} == {"D0-S"}


def test_xtremedistil_trains_as_its_appendix_a_2_says() -> None:
    settings = compressed("xtremedistil", "d42-1400000").settings
    assert (settings.batch, settings.dropout, settings.length) == (512, 0.2, 32)
    assert (settings.learning_rate, settings.minimum_learning_rate, settings.patience) == (1e-3, 1e-8, 5)
    assert compressed("xtremedistil", "layer-6").layer == 6
    assert [middle(12), compressed("xtremedistil", "d42-1400000").layer] == [7, None]


def test_students_of_texts_read_as_much_of_them_as_their_teachers() -> None:
    study = load_study(STUDIES / "xtremedistil.yaml")
    assert study.finetuning is not None
    read = {
        task: (model.settings.length, study.options(task).length or study.finetuning.length)
        for model in study.models.values()
        if isinstance(model, Compress)
        for task in model.named_tasks
        if not task.startswith("wikiann")
    }
    assert len(read) == 9
    assert all(student == teacher for student, teacher in read.values())
    assert [read[task][0] for task in ("imdb", "elec-500", "ag-news", "sst2")] == [512, 512, 128, 128]


def test_students_of_labels_alone_see_no_teacher() -> None:
    study = load_study(STUDIES / "xtremedistil.yaml")
    alone = [model for model in study.models.values() if isinstance(model, Compress) and not model.imitates]
    assert len(alone) == 1 + 1 + 26 + 4  # D0, D0-S, Table 15, and one for each set of texts
    assert not any(model.needs_finetuned_teacher for model in alone)


def learnt(stage: Stage) -> tuple[list[str], object]:
    """Return what a stage learns and how it unfreezes, whatever the weights."""
    return [loss for loss, weight in stage.losses.weights().items() if weight], stage.unfreeze


@pytest.mark.parametrize(("study", "task"), [("xtremedistil", "wikiann-41"), ("mini-xtreme", "panx")])
def test_strategies_are_compared_on_the_same_transfer_texts_and_widths(study: str, task: str) -> None:
    loaded = load_study(STUDIES / f"{study}.yaml")
    table = loaded.tables["table-3"]
    assert isinstance(table, GridTable)
    cells = [place for place in table.places() if place.model in loaded.models]
    best = {place.column: loaded.models[place.model] for place in cells if place.row == "D4.2"}
    assert {place.row for place in cells} == set(STRATEGIES)
    for place in cells:
        model, other = loaded.models[place.model], best[place.column]
        assert isinstance(model, Compress)
        assert list(map(learnt, model.stages)) == list(map(learnt, STRATEGIES[place.row]))
        assert model.student == other.student
        assert not model.imitates or model.transfer == other.transfer
        # On a laptop the strategies differ in their epochs, so that they read about as much.
        assert study == "mini-xtreme" or model.settings == other.settings
    whole = load_task(f"{task}.joint")
    assert table.languages == whole.languages
    assert whole.average == "languages"


def test_the_small_study_of_compression_has_three_seeds_and_two_sizes_of_transfer_text() -> None:
    study = load_study(STUDIES / "mini-xtreme.yaml")
    assert study.finetuning is not None
    assert len(study.finetuning.seeds) == 3
    sizes = {
        model.transfer.sentences for model in study.models.values() if isinstance(model, Compress) and model.imitates
    }
    assert len(sizes) == 2
    assert {
        str(model.student)
        for name, model in study.models.items()
        if name.startswith("d") and isinstance(model, Compress)
    } == {"BiLSTM 50/200"}
