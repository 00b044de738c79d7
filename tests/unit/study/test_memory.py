"""What jobs ask for of memory follows from the folders and files that they read."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from smelt.study.architectures import ARCHITECTURES
from smelt.study.catalogue import Catalogue
from smelt.study.resources import megabytes
from smelt.study.schema import check_study

SMALL = {
    "maker": "compress",
    "teacher": "base",
    "student": {"kind": "bilstm", "embedding": 50, "hidden": 200},
    "tasks": ["panx.joint"],
}
STUDY = {
    "study": "try",
    "corpora": {"wiki": {"text": {"eu": "eu.txt"}}},
    "models": {
        "base": {"maker": "adopt", "folder": "somewhere"},
        "own": SMALL,
        "wiki": SMALL | {"transfer": {"corpus": "wiki"}},
        **{f"wiki-{layer}": SMALL | {"transfer": {"corpus": "wiki"}, "layer": layer} for layer in (1, 2, 4)},
        "reviews": SMALL | {"tasks": ["ag-news"], "settings": {"length": 512}},
        "served": {"maker": "export", "source": "base", "format": "onnx"},
    },
    "tasks": ["panx.joint", "ag-news"],
    "finetuning": {"seeds": [1]},
    "efficiency": {"models": ["base"]},
}
CATALOGUE = Catalogue(check_study(STUDY, "try.yaml"))
RUN = SimpleNamespace(model="base", task="panx.joint")


def written(path: Path, size: int) -> None:
    """Make a sparse file of this many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def model_folder(folder: Path, size: int, hidden: int = 768) -> str:
    written(folder / "model.safetensors", size - 1_000)
    written(folder / "onnx/deep/down.bin", 1_000)
    (folder / "config.json").write_text(json.dumps({"hidden_size": hidden}))
    return str(folder)


def task_files(folder: Path, train: int, others: int) -> list[str]:
    splits = {"train": train, "validation": others, "test": others}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "task.json"
    path.write_text(json.dumps({"splits": {name: {"examples": count} for name, count in splits.items()}}))
    return [str(folder / "train.parquet"), str(path)]


def inputs(folder: Path, size: int, train: int = 60, others: int = 20) -> SimpleNamespace:
    """Write the files that rules read, with a model of this many bytes."""
    model = model_folder(folder / "model", size)
    return SimpleNamespace(
        model=model,
        source=model,
        teacher=[model],
        task=task_files(folder / "task", train, others),
        models=[model],
        int8=[],
        documents=[],
    )


def test_a_folder_weighs_what_its_files_do(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model", 5_000_000)
    written(tmp_path / "words.txt", 3_000_000)
    assert megabytes([model]) == pytest.approx(5, abs=0.1)
    assert megabytes([model, str(tmp_path / "words.txt")]) == pytest.approx(8, abs=0.1)


def test_what_is_not_there_yet_is_named_as_snakemake_named_it() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        megabytes(["results/try/models/nobody"])
    assert raised.value.filename == "results/try/models/nobody"


def test_larger_models_ask_for_more_and_small_ones_fit_a_laptop(tmp_path: Path) -> None:
    small, large = inputs(tmp_path / "small", 2_000_000), inputs(tmp_path / "large", 1_400_000_000)
    wanted = [CATALOGUE.finetune.memory, CATALOGUE.compress.memory, CATALOGUE.export.memory]
    for memory in [*wanted, CATALOGUE.efficiency.memory]:
        assert memory(RUN, small) < 4_200
        assert memory(RUN, large) > memory(RUN, small) + 1_400, memory


def pretraining(shape: dict[str, int] | str, vocabulary: int, **data: int) -> tuple[int, int, int]:
    """Return the GPUs, MB and minutes that a pretraining asks for."""
    model = {"maker": "pretrain", "architecture": shape, "tokenizer": "words", "corpus": "wiki", "recipe": "small"}
    study = {
        "study": "try",
        "corpora": {"wiki": {"text": {"eu": "eu.txt"}}},
        "tokenizers": {"words": {"algorithm": "unigram", "vocabulary": vocabulary, "corpus": "wiki"}},
        "models": {"one": model | {"settings": {"data": data}}},
    }
    catalogue, one = Catalogue(check_study(study, "try.yaml")), SimpleNamespace(model="one")
    asked = (catalogue.pretrain.gpus, catalogue.pretrain.memory, catalogue.pretrain.minutes)
    gpus, memory, minutes = (ask(one) for ask in asked)
    return gpus, memory, minutes


DEMO = {"layers": 2, "hidden": 128, "heads": 4, "feed_forward": 512, "embedding": 64}


def test_pretraining_asks_for_what_the_models_size_takes() -> None:
    gpus, memory, minutes = pretraining(DEMO, 5_000, batch=16, length=64)
    assert (gpus, minutes) == (0, 240)
    assert 1_000 < memory < 1_500  # 414 were seen
    assert pretraining(DEMO, 5_000, batch=256, length=128)[1] > 2_405  # as many were seen
    mini = pretraining("bert-mini", 5_000, batch=32, length=128)
    assert mini[0] == 1
    assert mini[1] > 837  # as many were seen, without CUDA's libraries
    sizes = ["bert-mini", "bert-small", "bert-base", "bert-large"]
    asked = [pretraining(size, 30_000, batch=16, length=128)[1] for size in sizes]
    assert asked == sorted(asked)
    assert asked[-1] < 32_000


@pytest.mark.parametrize(
    ("name", "vocabulary", "millions"),
    [
        ("albert-tiny", 31_000, 5.344),  # Cañete et al. 2022, Table 1
        ("albert-base", 31_000, 11.812),
        ("albert-xxlarge", 31_000, 222.724),
        ("bert-base", 119_547, 177.853),  # multilingual BERT
    ],
)
def test_parameters_are_those_of_published_models(name: str, vocabulary: int, millions: float) -> None:
    assert ARCHITECTURES[name].parameters(vocabulary) / 1e6 == pytest.approx(millions, rel=1e-3)


def test_small_models_ask_for_no_gpu_and_a_little_memory(tmp_path: Path) -> None:
    small, large = inputs(tmp_path / "small", 2_000_000), inputs(tmp_path / "large", 400_000_000)
    for found in (small, large):
        found.teacher = found.model
    for ask in (CATALOGUE.finetune.gpus, CATALOGUE.compress.gpus, CATALOGUE.compress.signals_gpus):
        assert (ask(None, small), ask(None, large)) == (0, 1)
    assert CATALOGUE.finetune.memory(RUN, small) < 1_500
    assert CATALOGUE.finetune.memory(RUN, large) > 4_000


def test_examples_of_all_three_splits_count(tmp_path: Path) -> None:
    few, many = inputs(tmp_path / "few", 1_000, 4_100, 0), inputs(tmp_path / "many", 1_000, 4_100, 329_000)
    for memory in (CATALOGUE.finetune.memory, CATALOGUE.compress.memory):
        assert memory(RUN, many) - memory(RUN, few) == pytest.approx(0.0025 * 658_000, abs=1)
    assert CATALOGUE.finetune.minutes(RUN, many) == CATALOGUE.finetune.minutes(RUN, few)


def test_signals_ask_for_teacher_layers_and_texts(tmp_path: Path) -> None:
    def memory(text: str, size: int, documents: int = 0, task: str = "panx.joint") -> int:
        folder = tmp_path / f"{text}-{size}-{documents}"
        found = inputs(folder, size)
        written(folder / "eu/documents.parquet", documents)
        found.teacher, found.documents = found.model, [str(folder / "eu/documents.parquet")] if documents else []
        names = {"model": "base", "task": task, "seed": "1", "transfer": text}
        return CATALOGUE.compress.signals_memory(SimpleNamespace(**names), found)

    one = memory("_task-all-32", 2_000_000)
    assert 1_000 < one < 2_000
    assert memory("_task-all-32", 700_000_000) == pytest.approx(one + 1_400 + 3_000, abs=10)  # with CUDA's libraries
    assert memory("wiki-all-32", 2_000_000) == pytest.approx(one + 3 * (one - 1_000), rel=0.02)
    assert memory("wiki-all-32", 2_000_000, 4_000_000_000) == memory("wiki-all-32", 2_000_000) + 1_000
    assert memory("_task-all-512", 2_000_000, task="ag-news") < 1_100  # a text has one state, however long it is


def test_signals_of_a_distilbert_whose_width_is_called_dim_ask_for_as_much(tmp_path: Path) -> None:
    found = inputs(tmp_path, 2_000_000)
    found.teacher = found.model
    names = SimpleNamespace(model="base", task="panx.joint", seed="1", transfer="_task-all-32")
    expected = CATALOGUE.compress.signals_memory(names, found)
    (Path(found.model) / "config.json").write_text(json.dumps({"dim": 768}))
    assert CATALOGUE.compress.signals_memory(names, found) == expected


def test_a_student_of_an_adopted_teacher_passes_through_layers_as_wide_as_the_teachers(tmp_path: Path) -> None:
    student = {"maker": "distil", "teacher": "base", "corpus": "wiki", "recipe": "distil", "tasks": []}
    data = {"settings": {"data": {"batch": 8, "length": 512}}}
    study = STUDY | {"models": {"base": STUDY["models"]["base"], "half": student | data}}
    study |= {"tasks": [], "efficiency": None}
    distil, half = Catalogue(check_study(study, "try.yaml")).distil, SimpleNamespace(model="half")
    folder = model_folder(tmp_path / "teacher", 2_000_000)
    asked = {}
    for width in (64, 768, 4096):
        numbers = {"hidden_size": width, "num_hidden_layers": 12, "num_attention_heads": 4, "vocab_size": 9}
        (Path(folder) / "config.json").write_text(json.dumps(numbers))
        asked[width] = distil.memory(half, SimpleNamespace(teachers=[folder]))
    (Path(folder) / "config.json").write_text("{")
    assert asked[64] < asked[768] < asked[4096]
    assert distil.memory(half, SimpleNamespace(teachers=[folder])) == asked[768]
