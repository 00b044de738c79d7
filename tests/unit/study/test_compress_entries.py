"""Compressed models in the study file: what they are, what they need, and what is refused by name."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.compression import STRATEGIES, Compression, middle
from smelt.study.jobs import count_jobs
from smelt.study.schema import check_study

SHAPE = {"kind": "bilstm", "embedding": 50, "hidden": 200}
LABELS = {"losses": {"labels": 1}}
BASE = {"maker": "adopt", "folder": "somewhere"}


def study_of(compressed=None, **others):
    """Return a checked study of a teacher and one compressed model."""
    small = {"maker": "compress", "teacher": "base", "student": SHAPE, "tasks": ["panx.joint"]} | (compressed or {})
    whole = {"study": "try", "models": {"base": BASE, "small": small}, "tasks": ["panx.joint"]}
    return check_study(whole | {"finetuning": {"seeds": [1, 2]}} | others, "try.yaml")


def wildcards(**values):
    return SimpleNamespace(**values)


def test_strategies_are_those_of_the_papers_third_table():
    losses = {
        name: [
            ("+".join(key for key, weight in stage.losses.weights().items() if weight), stage.unfreeze)
            for stage in stages
        ]
        for name, stages in STRATEGIES.items()
    }
    representation, logits, labels = ("representation", "all"), ("logits", "all"), ("labels", "all")
    assert losses == {
        "D0": [labels],
        "D0-S": [labels],
        "D1": [("logits+labels", "all")],
        "D2": [("representation+logits+labels", "all")],
        "D3.1": [representation, ("logits+labels", "all")],
        "D3.2": [representation, ("logits+labels", "gradual")],
        "D4.1": [representation, logits, labels],
        "D4.2": [representation, ("logits", "gradual"), ("labels", "gradual")],
    }


def test_algorithm_1_can_be_said_as_a_list_of_stages():
    gradual = [{"losses": {loss: 1}, "unfreeze": "gradual"} for loss in ("representation", "logits", "labels")]
    stages = study_of({"strategy": gradual}).models["small"].stages
    assert [len(stage.phases()) for stage in stages] == [3, 4, 4]
    own = [LABELS | {"unfreeze": [["head"], ["head", "projection"]], "epochs": 5, "learning_rate": 0.01}]
    settings = Catalogue(study_of({"strategy": own})).compress.settings(wildcards(model="small", task="panx.joint"))
    (stage,) = Compression.model_validate_json(settings).stages
    assert (stage.phases(), stage.epochs, stage.learning_rate) == ([("head",), ("head", "projection")], 5, 0.01)


def test_the_middle_of_twelve_layers_is_the_papers_seventh():
    assert [middle(layers) for layers in (1, 2, 6, 12, 24)] == [1, 2, 4, 7, 13]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"strategy": "D5"}, "no strategy is called 'D5': expected one of D0, D0-S"),
        ({"strategy": [{"losses": {}}]}, "all weights are 0"),
        ({"strategy": [{"losses": {"representation": 1}}]}, "strategy: the last stage learns neither"),
        ({"strategy": [LABELS, {"losses": {"representation": 1}}]}, "strategy: the last stage learns neither"),
        (
            {"strategy": [{"losses": {"representation": 1}, "unfreeze": [["projection"], ["head"]]}, LABELS]},
            "strategy.0: unfreeze: head is reached by no loss of the stage; expected some of projection, encoder",
        ),
        ({"strategy": [LABELS | {"unfreeze": [["head", "head"]]}]}, "unfreeze.0: names 'head' twice"),
        (
            {"strategy": [LABELS | {"unfreeze": [["head"], []]}]},
            "unfreeze.1: expected at least 1 entry; found an empty",
        ),
        ({"strategy": [LABELS | {"unfreeze": [["neck"]]}]}, "unfreeze.0.0: expected 'head', 'projection'"),
        (
            {"strategy": [LABELS | {"unfreeze": "slowly"}]},
            "unfreeze: expected 'all' or 'gradual' or a list; found",
        ),
        ({"strategy": [LABELS | {"epochs": 0}]}, "strategy.0.epochs: expected a number of at least 1; found 0"),
        (
            {"strategy": [LABELS, LABELS | {"learning_rate": 1e-4}], "settings": {"minimum_learning_rate": 1e-3}},
            "strategy: stage 2: minimum_learning_rate: expected at most learning_rate, 0.0001; found 0.001",
        ),
        ({"student": {"kind": "transformer", "embedding": 50, "layers": 2}}, "heads: 12 do not divide"),
        ({"student": {"kind": "gru"}}, "expected one of 'bilstm', 'transformer'"),
        ({"embeddings": {"start": "file"}}, "file: expected with start: file"),
        ({"embeddings": {"removed": 3}}, "has no effect with svd"),
        ({"settings": {"learning_rate": 1e-9}}, "expected at most learning_rate"),
        ({"settings": {"high": 0.1}}, "high is now learning_rate; write {learning_rate: 0.1}"),
        ({"strategy": [LABELS | {"low": 0.1}]}, "low is now minimum_learning_rate; write {minimum_learning_rate: 0.1}"),
        ({"transfer": {"most_gigabytes": 9}}, "most_gigabytes is now max_gigabytes; write {max_gigabytes: 9}"),
        (
            {"embeddings": {"start": "ppa"}, "student": SHAPE | {"embedding": 13}},
            "models.small.embeddings.removed: found 14, expected at most models.small.student.embedding, 13",
        ),
        ({"teacher": "nobody"}, "models.small.teacher: 'nobody' is not in the study"),
        ({"transfer": {"corpus": "wiki"}}, "models.small.transfer.corpus: 'wiki' is not in the study"),
    ],
)
def test_an_impossible_value_is_refused_by_its_key(changed, expected):
    with pytest.raises(SmeltError, match=re.escape(expected)):
        study_of(changed)


def test_nothing_but_exports_is_made_of_a_compressed_model():
    models = {"base": BASE, "small": {"maker": "compress", "teacher": "base", "student": SHAPE}}
    export = models | {"served": {"maker": "export", "source": "small", "format": "onnx"}}
    assert "served" in study_of(models=export).models
    with pytest.raises(SmeltError, match=r"models\.tiny\.teacher: 'small' is compressed for its tasks"):
        study_of(models=models | {"tiny": {"maker": "compress", "teacher": "small", "student": SHAPE}})


def test_a_layer_or_a_width_beyond_the_teachers_is_refused_where_its_shape_is_known():
    models = {
        "base": {
            "maker": "pretrain",
            "architecture": {"family": "bert", "layers": 2, "hidden": 48, "heads": 2, "feed_forward": 96},
            "tokenizer": "words",
            "corpus": "texts",
            "recipe": "small",
            "settings": {"objective": {"sentences": "none"}},
        },
        "small": {"maker": "compress", "teacher": "base", "student": SHAPE, "layer": 3},
    }
    made_of = {
        "corpora": {"texts": {"text": {"en": "en.txt"}}},
        "tokenizers": {"words": {"algorithm": "wordpiece", "vocabulary": 1000, "corpus": "texts"}},
    }
    with pytest.raises(SmeltError, match=r"models\.small\.layer: 3 is beyond the 2 layers of 'base'"):
        study_of(models=models, **made_of)
    models["small"] = small = {"maker": "compress", "teacher": "base", "student": SHAPE}
    with pytest.raises(SmeltError, match=r"models\.small\.student\.embedding: 50 are more dimensions than the 48"):
        study_of(models=models, **made_of)
    models["small"] = small | {"student": SHAPE | {"embedding": 47}, "embeddings": {"start": "full"}}
    with pytest.raises(SmeltError, match=r"student\.embedding: found 47; start: full keeps the 48 of the teacher's"):
        study_of(models=models, **made_of)
    # ALBERT's embeddings are narrower than its states.
    models["base"]["architecture"] |= {"family": "albert", "embedding": 20}
    models["small"]["student"]["embedding"] = 20
    assert "small" in study_of(models=models, **made_of).models
    models["small"] = small | {"student": SHAPE | {"embedding": 21}}
    with pytest.raises(SmeltError, match=r"student\.embedding: 21 are more dimensions than the 20"):
        study_of(models=models, **made_of)
    between = {"maker": "distil", "teacher": "base", "corpus": "texts", "recipe": "small"}
    models["between"] = between | {"settings": {"objective": {"sentences": "none"}}, "student": {"layers": 1}}
    models["small"]["teacher"] = "between"
    with pytest.raises(SmeltError, match=r"student\.embedding: 21 are more dimensions than the 20"):
        study_of(models=models, **made_of)


def signals_of(catalogue: Catalogue, name: str) -> list[str]:
    """Return the folders of the signals that a model learns from, with each seed."""
    runs = [wildcards(model=name, task="panx.joint", seed=seed) for seed in ("1", "2")]
    return [folder for run in runs for folder in catalogue.compress.signals(run)]


def test_students_of_one_teacher_share_its_signals_and_those_of_labels_alone_need_none():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE}
    models = {
        "base": BASE,
        "stages": small,
        "joint": small | {"strategy": "D1", "student": {"kind": "transformer", "embedding": 48, "layers": 1}},
        "labels": small | {"strategy": "D0-S", "embeddings": {"start": "random"}},
    }
    catalogue = Catalogue(study_of(models=models))
    for name in ("stages", "joint"):
        assert signals_of(catalogue, name) == [
            f"results/try/signals/base/panx.joint/seed-{seed}/_task-all-32" for seed in (1, 2)
        ]
    assert count_jobs(catalogue)["signals"] == 2
    of_labels = wildcards(model="labels", task="panx.joint", seed="1")
    assert catalogue.compress.teacher(of_labels) == catalogue.compress.signals(of_labels) == []
    of_stages = wildcards(model="stages", task="panx.joint", seed="2")
    assert catalogue.compress.teacher(of_stages) == ["results/try/finetuned/base/panx.joint/seed-2/model"]
    assert catalogue.runs.teachers == ["base/panx.joint/seed-1", "base/panx.joint/seed-2"]
    assert catalogue.finetune.models() == ["base"]


def test_a_chosen_teacher_serves_every_seed():
    catalogue = Catalogue(study_of({"teacher_seed": 7}))
    assert set(signals_of(catalogue, "small")) == {"results/try/signals/base/panx.joint/seed-7/_task-all-32"}
    assert count_jobs(catalogue)["signals"] == 1
    assert "results/try/finetuned/base/panx.joint/seed-7/metrics.json" in catalogue.finetune.teacher_metrics()
    assert count_jobs(catalogue)["of fine-tuning"] == 5  # two of each model, and the teacher's


def test_the_weights_of_teachers_are_kept_and_no_others_settings_change():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE, "tasks": ["panx.joint"], "teacher_seed": 2}
    models = {"base": BASE, "other": BASE, "small": small}
    catalogue = Catalogue(study_of(models=models, tasks=["panx.joint", "conll2003"]))
    keep = {
        (name, task, seed): json.loads(
            catalogue.finetune.settings(
                name, task, kept=catalogue.finetune.keeps(name, task, f"{name}/{task}/seed-{seed}")
            )
        )
        for name in ("base", "other")
        for task in ("panx.joint", "conll2003")
        for seed in ("1", "2")
    }
    plain = keep["other", "panx.joint", "1"]
    assert keep.pop(("base", "panx.joint", "2")) == plain | {"keep": True}
    assert all(settings == plain for settings in keep.values())


def test_models_that_share_signals_agree_on_them():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE}
    models = {"base": BASE, "one": small, "two": small | {"settings": {"held_out": 0.2}}}
    with pytest.raises(SmeltError, match=r"models\.two: learns from the same signals as 'one'"):
        Catalogue(study_of(models=models))


def test_the_largest_limit_of_those_who_share_signals_counts():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE}
    models = {"base": BASE, "one": small, "two": small | {"layer": 2, "transfer": {"max_gigabytes": 300}}}
    of_base = wildcards(model="base", task="panx.joint", seed="1", transfer="_task-all-32")
    for order in (models, dict(reversed(models.items()))):
        catalogue = Catalogue(study_of(models=order))
        kept = json.loads(catalogue.compress.signals_storage(of_base, input=None))
        assert kept == {"mode": "auto", "max_gigabytes": 300}


def test_signals_hold_the_layers_of_all_who_share_them_and_none_for_those_of_logits():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE}
    models = {
        "base": BASE,
        "logits": small | {"strategy": "D1"},
        "nine": small | {"layer": 9},
        "middle": small,
        "two": small | {"layer": 2},
        "longer": small | {"strategy": "D1", "settings": {"length": 64}},
    }

    def layers(text, models):
        of_base = wildcards(model="base", task="panx.joint", seed="1", transfer=text)
        return json.loads(Catalogue(study_of(models=models)).compress.signals_settings(of_base))["layers"]

    assert layers("_task-all-32", models) == [2, 9, "middle"]
    assert layers("_task-all-64", models) == []
    assert layers("_task-all-32", dict(reversed(models.items()))) == [2, 9, "middle"]


def test_a_corpus_called_task_is_not_the_tasks_own_text():
    small = {"maker": "compress", "teacher": "base", "student": SHAPE, "tasks": ["panx.joint"]}
    models = {"base": BASE, "own": small, "other": small | {"transfer": {"corpus": "task"}}}
    catalogue = Catalogue(study_of(models=models, corpora={"task": {"text": {"eu": "eu.txt"}}}))
    folders = [f"results/try/signals/base/panx.joint/seed-1/{text}-all-32" for text in ("_task", "task")]
    assert [
        catalogue.compress.models[name].transfer_text(catalogue.paths, "panx.joint", 1) for name in ("own", "other")
    ] == folders
    texts = [wildcards(model="base", task="panx.joint", seed="1", transfer=Path(folder).name) for folder in folders]
    documents = ["results/try/corpora/task/eu/documents.parquet"]
    assert [catalogue.compress.signals_documents(of_text) for of_text in texts] == [[], documents]


def test_the_seed_of_the_teacher_draws_its_transfer_text():
    def seeds(compressed):
        catalogue = Catalogue(study_of(compressed))
        asked = set(signals_of(catalogue, "small"))
        folders = [wildcards(model="base", task="panx.joint", seed=seed, transfer="_task-all-32") for seed in (1, 2, 7)]
        known = [folder for folder in folders if catalogue.compress.signals_at(folder) in asked]
        assert len(known) == len(asked) == count_jobs(catalogue)["signals"]
        return [json.loads(catalogue.compress.signals_settings(folder))["seed"] for folder in known]

    assert seeds({}) == [1, 2]
    assert seeds({"teacher_seed": 7}) == [7]


def test_what_is_done_about_signals_decides_no_student_and_their_version_none_of_labels_alone():
    def settings(**compressed):
        of_small = wildcards(model="small", task="panx.joint", seed="1")
        return json.loads(Catalogue(study_of(compressed)).compress.settings(of_small))

    def of_signals(**transfer):
        catalogue = Catalogue(study_of({"transfer": transfer}))
        folder = wildcards(model="base", task="panx.joint", seed="1", transfer="_task-all-32")
        return catalogue.compress.signals_settings(folder), json.loads(catalogue.compress.signals_storage(folder, None))

    for kept in ({"signals": "live"}, {"max_gigabytes": 9}):
        assert settings(transfer=kept) == settings()
        assert of_signals(**kept)[0] == of_signals()[0]
        assert of_signals(**kept)[1] == {"mode": "auto", "max_gigabytes": 50} | {
            {"signals": "mode"}.get(key, key): value for key, value in kept.items()
        }
    assert settings()["signals_version"] > settings(strategy="D0-S")["signals_version"] == 0


def test_transfer_text_is_of_the_tasks_languages():
    corpora = {"wiki": {"text": {"eu": "eu.txt", "hy": "hy.txt"}}}
    catalogue = Catalogue(study_of({"transfer": {"corpus": "wiki", "sentences": 500}}, corpora=corpora))
    of_base = wildcards(model="base", task="panx.joint", seed="1", transfer="wiki-500-32")
    assert catalogue.compress.signals_documents(of_base) == ["results/try/corpora/wiki/eu/documents.parquet"]
    assert json.loads(catalogue.compress.signals_settings(of_base))["sentences"] == 500
    with pytest.raises(SmeltError, match="'wiki' has none of the languages of"):
        Catalogue(study_of({"transfer": {"corpus": "wiki"}}, corpora={"wiki": {"text": {"hy": "hy.txt"}}}))


def test_a_task_may_stand_in_a_study_whole_and_with_a_limit():
    tasks = {"panx.joint": {}, "few": {"task": "panx.joint", "limit": 100, "per": "language"}}
    catalogue = Catalogue(study_of(tasks=tasks))
    assert [catalogue.tasks.file(wildcards(task=name)) for name in tasks] == ["panx.joint", "panx.joint"]
    assert catalogue.tasks.files["few"].languages == catalogue.tasks.files["panx.joint"].languages
    assert catalogue.tasks.per(wildcards(task="few")) == "language"
    with pytest.raises(SmeltError, match=r"tasks\.few\.per: label is for tasks whose texts"):
        Catalogue(study_of(tasks={"panx.joint": {}, "few": {"task": "panx.joint", "limit": 1, "per": "label"}}))
    with pytest.raises(SmeltError, match="divides a limit, which is missing"):
        study_of(tasks={"panx.joint": {"per": "language"}})


def test_a_tasks_length_is_that_of_its_fine_tunings_alone():
    catalogue = Catalogue(study_of(tasks={"panx.joint": {}, "long": {"task": "panx.joint", "length": 256}}))
    lengths = [json.loads(catalogue.finetune.settings("base", task))["length"] for task in ("panx.joint", "long")]
    assert lengths == [512, 256]


def test_word_vectors_of_each_language_are_named_by_the_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embeddings = {"start": "file", "file": "vectors/wiki.{language}.vec"}
    catalogue = Catalogue(study_of({"embeddings": embeddings}))
    of_small = wildcards(model="small", task="panx.joint", seed="1")
    languages = catalogue.tasks.files["panx.joint"].languages
    assert catalogue.compress.vectors(of_small) == []  # Snakemake plans nothing where an input is missing
    Path("vectors").mkdir()
    for language in languages:
        Path(f"vectors/wiki.{language}.vec").touch()
    assert catalogue.compress.vectors(of_small) == [f"vectors/wiki.{language}.vec" for language in languages]
    settings = json.loads(catalogue.compress.settings(of_small))
    assert settings["embeddings"]["file"] == catalogue.compress.vectors(of_small)


def test_fine_tunings_of_earlier_versions_that_are_right_are_not_made_again():
    """What decides a run is what it was, whatever the tokenizer; the report refuses those that are wrong."""
    corpora = {"wiki": {"text": {"eu": "eu.txt"}}}
    tokenizers = {"pieces": {"algorithm": "unigram", "vocabulary": 8000, "corpus": "wiki"}}
    own = {"maker": "pretrain", "architecture": "albert-tiny", "tokenizer": "pieces", "corpus": "wiki"}
    own |= {"recipe": "small"}
    models = {"base": BASE, "fewer": {"maker": "reduce", "source": "base", "corpus": "wiki"}}
    models |= {"own": own, "own-fewer": {"maker": "reduce", "source": "own", "corpus": "wiki"}}
    others = {"corpora": corpora, "tokenizers": tokenizers, "tasks": ["panx.joint", "sst2"]}
    catalogue = Catalogue(study_of(models=models, **others))
    for model in models:
        for task in others["tasks"]:
            assert json.loads(catalogue.finetune.settings(model, task))["version"] == 1
