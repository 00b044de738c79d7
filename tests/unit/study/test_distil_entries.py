"""Distilled models in study files: what they ask for, how they compose, and what is refused by name."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.sentences import SENTENCES_VERSION
from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from smelt.study.schema import check_study
from smelt.training.recipes import BLOCKS_VERSION

SHAPE = {"family": "bert", "layers": 4, "hidden": 32, "heads": 2, "feed_forward": 64}
TRAINED = {
    "corpus": "two",
    "recipe": "small",
    "settings": {"objective": {"sentences": "none"}, "schedule": {"steps": 10}},
}
STUDY: dict[str, Any] = {
    "study": "distilled",
    "corpora": {"two": {"text": {"sl": "sl.txt", "sw": "sw.txt"}, "sampling": {"alpha": 0.5}}},
    "tokenizers": {
        "pieces": {"algorithm": "wordpiece", "vocabulary": 300, "corpus": "two"},
        "others": {"algorithm": "wordpiece", "vocabulary": 400, "corpus": "two"},
    },
    "models": {
        "base": {"maker": "pretrain", "architecture": SHAPE, "tokenizer": "pieces"} | TRAINED,
        "other": {"maker": "pretrain", "architecture": SHAPE, "tokenizer": "others"} | TRAINED,
        "mbert": {"maker": "adopt", "folder": "somewhere"},
        "mbert-sw": {"maker": "reduce", "source": "mbert", "corpus": "two", "languages": ["sw"]},
        "small": {"maker": "distil", "teacher": "base", "student": {"layers": 2}} | TRAINED,
        "small-sw": {"maker": "distil", "teacher": "mbert-sw", "languages": ["sw"]} | TRAINED,
        "onnx": {"maker": "export", "source": "base", "format": "onnx"},
    },
}
BLOCKS = "results/distilled/blocks/two"


def changed(place: str, value: Any) -> dict[str, Any]:
    """Return the study with one key set."""
    study: dict[str, Any] = json.loads(json.dumps(STUDY))
    *way, last = place.split("/")
    part = study
    for key in way:
        part = part.setdefault(key, {})
    part[last] = value
    return study


def catalogue(study: dict[str, Any] = STUDY) -> Catalogue:
    return Catalogue(check_study(study, "study"))


def of(model: str, vocabulary: str = "") -> SimpleNamespace:
    return SimpleNamespace(model=model, vocabulary=vocabulary)


def test_blocks_are_of_the_tokenizer_that_the_first_teacher_has() -> None:
    made = catalogue()
    assert made.distil.blocks(of("small")) == [f"{BLOCKS}/pieces/stream-128/{code}" for code in ("sl", "sw")]
    assert made.distil.blocks(of("small-sw")) == [f"{BLOCKS}/mbert-sw/stream-128/sw"]
    assert made.tokenizers.blocked_vocabularies() == ["mbert-sw", "others", "pieces"]
    folders = {
        name: made.tokenizers.folder_of_vocabulary(of("", name)) for name in made.tokenizers.blocked_vocabularies()
    }
    assert folders["pieces"] == "results/distilled/tokenizers/pieces"
    assert folders["mbert-sw"] == "results/distilled/models/mbert-sw"


def test_blocks_of_one_vocabulary_and_packing_are_made_once() -> None:
    made = catalogue()
    assert len(made.tokenizers.blocks()) == len(set(made.tokenizers.blocks())) == count_jobs(made)["block sets"] == 5


def test_only_blocks_of_sentences_are_made_again_where_sentences_end_elsewhere() -> None:
    versions = {
        packing: catalogue().tokenizers.blocks_version(SimpleNamespace(packing=packing))
        for packing in ("stream", "lines", "sentences")
    }
    assert versions["stream"] == versions["lines"] == BLOCKS_VERSION
    assert versions["sentences"] == f"{BLOCKS_VERSION}, sentences {SENTENCES_VERSION}"


def test_the_settings_hold_all_that_decides_what_a_student_becomes() -> None:
    settings = json.loads(catalogue().distil.settings(of("small"), None))
    assert settings["student"]["layers"] == 2
    assert settings["losses"] == {
        "kl": 5.0,
        "mlm": 2.0,
        "cosine": 1.0,
        "hidden": 0.0,
        "attention": 0.0,
        "temperature": 2.0,
        "positions": "all",
        "layers": None,
    }
    assert (settings["recipe"]["schedule"]["steps"], settings["alpha"], settings["seed"]) == (10, 0.5, 1)


def test_several_teachers_are_asked_for_in_their_order() -> None:
    study = changed("models/second", STUDY["models"]["base"] | {"seed": 2})
    study["models"]["small"]["teacher"] = ["second", "base"]
    folders = catalogue(study).distil.teachers(of("small"))
    assert folders == ["results/distilled/models/second", "results/distilled/models/base"]


def test_students_have_curves_and_a_family_of_them_is_written_out() -> None:
    study = changed("models/each-{language}", STUDY["models"]["small"] | {"each": ["sl", "sw"]})
    study["models"]["each-{language}"]["languages"] = ["{language}"]
    made = catalogue(study)
    assert made.distil.blocks(of("each-sl")) == [f"{BLOCKS}/pieces/stream-128/sl"]
    assert "logs/distilled/models/each-sw.curve.csv" in made.report.learning_curves()


def test_the_vocabulary_is_reduced_before_or_after_in_four_lines() -> None:
    study = changed("models/before", {"maker": "distil", "teacher": "base-sw"} | TRAINED)
    study["models"]["base-sw"] = {"maker": "reduce", "source": "base", "corpus": "two", "languages": ["sw"]}
    study["models"]["whole"] = {"maker": "distil", "teacher": "base"} | TRAINED
    study["models"]["after"] = {"maker": "reduce", "source": "whole", "corpus": "two", "languages": ["sw"]}
    for name in ("before", "whole"):
        study["models"][name]["student"] = {"layers": 2}
    made = catalogue(study)
    assert made.distil.teachers(of("before")) == ["results/distilled/models/base-sw"]
    counts = [made.reduce.counts_of(made.reduce.models[name]) for name in ("base-sw", "after")]
    assert counts == [["results/distilled/counts/two/pieces/sw.parquet"]] * 2
    assert made.reduce.source(of("after")) == "results/distilled/models/whole"


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        ("models/small/teacher", "bass", r"models\.small\.teacher: 'bass' is not in the study: expected one of base"),
        ("models/small/teacher", "onnx", r"models\.small\.teacher: 'onnx' is an export, .* its own source, 'base'"),
        ("models/small/teacher", "small", r"models\.small\.teacher: goes in a circle: small <- small"),
        ("models/mbert-sw/source", "small-sw", r"goes in a circle: mbert-sw <- small-sw <- mbert-sw"),
        ("models/small/teacher", ["base", "other"], r"small\.teacher: 'base' has the pieces of pieces and 'other' .*"),
        ("models/small/teacher", [], r"models\.small\.teacher: expected at least 1 entry; found an empty list"),
        ("models/small/corpus", "three", r"models\.small\.corpus: 'three' is not in the study: expected one of two"),
        ("models/small/languages", ["fr"], r"models\.small\.languages: 'fr' is not in corpus two: .* sl, sw"),
        (
            "models/small/settings",
            {"objective": {"sentences": "order"}},
            r"settings\.objective\.sentences: expected none; found 'order'",
        ),
        ("models/small/student/start", [0, 1, 2], r"start: names 3 layers of the teacher for 2 of the student"),
        ("models/small/student/start", [0, 4], r"small\.student\.start: layer 4, counted from 0, is beyond the 4"),
        ("models/small/student/start", "some", r"models\.small\.student\.start: .* found 'some'"),
        ("models/small/student/start", "code", r"start: code copies 6 layers; expected as many, found 2"),
        ("models/small/student/layers", 5, r"models\.small\.student\.layers: 5 are more than the 4 of the teacher"),
        ("models/small/student/hidden", 16, r"hidden: 16 is not the teacher's 32, .* expected start: random"),
        ("models/small/student", {"start": "random", "frozen": ["pieces"]}, r"frozen: pieces would stay random"),
        ("models/small/losses", {"kl": 0, "mlm": 0, "cosine": 0}, r"models\.small\.losses: .* all weights are 0"),
        ("models/small/losses", {"hidden": 1, "layers": [1]}, r"losses\.layers: names 1 layers .* for 2 of"),
        ("models/small/losses", {"hidden": 1, "layers": [1, 5]}, r"losses\.layers: layer 5 is beyond the 4 .*\(base\)"),
        ("models/small/recipe", "smal", r"models\.small\.recipe: no recipe is called 'smal'"),
        ("tokenizers/mbert-sw", STUDY["tokenizers"]["pieces"], r"'mbert-sw' is a tokenizer's name too"),
    ],
)
def test_what_cannot_be_distilled_is_refused_by_name(place: str, value: Any, complaint: str) -> None:
    with pytest.raises(SmeltError, match=complaint):
        catalogue(changed(place, value))


def test_sinusoids_are_for_students_whose_class_has_them() -> None:
    study = changed("models/small/student", {"layers": 2, "positions": "sinusoidal"})
    shape = {"layers": 1, "positions": "sinusoidal"}
    study["models"]["smaller"] = study["models"]["small"] | {"teacher": "small", "student": shape}
    study["models"]["small-sw"]["student"] = {"positions": "sinusoidal"}  # of an adopted one, whose family is not known
    settings = json.loads(catalogue(study).distil.settings(of("small"), input=None))
    assert settings["student"]["positions"] == "sinusoidal"
    study["models"]["base"]["architecture"] = SHAPE | {"family": "albert", "embedding": 16}
    with pytest.raises(SmeltError, match=r"models\.small\.student\.positions: sinusoidal is for .* of family albert"):
        catalogue(study)


def test_students_of_earlier_studies_keep_their_settings() -> None:
    settings = json.loads(catalogue().distil.settings(of("small"), input=None))
    assert "positions" not in settings["student"]


def test_attention_is_compared_between_equal_numbers_of_heads() -> None:
    study = changed("models/small/student", {"layers": 2, "heads": 4, "start": "random"})
    study["models"]["small"]["losses"] = {"attention": 1}
    with pytest.raises(SmeltError, match=r"small\.losses\.attention: the student has 4 heads and 'base' 2"):
        catalogue(study)


@pytest.mark.parametrize("others", [{}, {"kl": 0}, {"hidden": 1, "attention": 1}])
def test_pieces_that_were_added_to_a_teacher_are_not_left_without_a_loss(others: dict[str, float]) -> None:
    study = changed("models/more", {"maker": "amplify", "source": "base", "corpus": "two", "pieces": 50})
    study["models"]["small"] |= {"teacher": "more", "losses": others}
    assert catalogue(study).distil.teachers(of("small")) == ["results/distilled/models/more"]
    study["models"]["small"]["losses"] = others | {"mlm": 0}
    with pytest.raises(SmeltError, match=r"models\.small\.losses\.mlm: is 0, and only masked .* added to 'more': kl"):
        catalogue(study)


def test_a_student_has_learnt_the_pieces_that_were_added_to_its_teacher() -> None:
    study = changed("models/more", {"maker": "amplify", "source": "base", "corpus": "two", "pieces": 50})
    study["models"]["small"]["teacher"] = "more"
    study["models"]["smaller"] = {"maker": "distil", "teacher": "small", "student": {"layers": 1}, "losses": {"mlm": 0}}
    study["models"]["smaller"] |= TRAINED
    assert catalogue(study).distil.teachers(of("smaller")) == ["results/distilled/models/small"]


def test_a_student_that_copies_nothing_may_have_more_layers_than_its_teacher() -> None:
    study = changed("models/small/student", {"layers": 9, "start": "random"})
    study["models"]["small"]["losses"] = {"hidden": 1, "attention": 1}
    assert json.loads(catalogue(study).distil.settings(of("small"), None))["student"]["layers"] == 9
    study["models"]["small"]["losses"]["layers"] = [1, 2, 3, 4]
    with pytest.raises(SmeltError, match=r"losses\.layers: names 4 layers of the teacher for 9 of the student"):
        catalogue(study)


def test_the_shape_of_a_teacher_is_known_through_students_and_reductions() -> None:
    study = changed("models/tiny", {"maker": "distil", "teacher": "small-reduced", "student": {"layers": 3}} | TRAINED)
    study["models"]["small-reduced"] = {"maker": "reduce", "source": "small", "corpus": "two"}
    with pytest.raises(SmeltError, match=r"models\.tiny\.student\.layers: 3 are more than the 2 of the teacher"):
        catalogue(study)


def test_scores_of_students_are_drawn_over_their_vocabulary() -> None:
    study = changed("tasks", ["masakhaner-sw"])
    study["finetuning"] = {"seeds": [1]}
    for name in ("other", "mbert", "mbert-sw"):
        study["models"][name]["tasks"] = []
    study["models"]["more"] = {"maker": "amplify", "source": "small", "corpus": "two", "pieces": 50}
    made = catalogue(study)
    assert "score-by-vocabulary" in made.report.figures()
    sources = made.report.figure_sources(SimpleNamespace(figure="score-by-vocabulary"))
    folders = [f"results/distilled/models/{name}" for name in ("base", "small", "small-sw", "more")]
    assert sources == ["results/distilled/statistics/summary.csv", *folders]


def test_distilling_asks_for_what_its_teachers_take(tmp_path: Path) -> None:
    def asked(model: str, size: int) -> tuple[int, int, int]:
        folder = tmp_path / f"{model}-{size}"
        folder.mkdir()
        with (folder / "model.safetensors").open("wb") as file:
            file.truncate(size)
        made, found = catalogue(), SimpleNamespace(teachers=[str(folder)])
        return (
            made.distil.gpus(of(model), found),
            made.distil.memory(of(model), found),
            made.distil.minutes(of(model), found),
        )

    gpus, small, minutes = asked("small", 2_000_000)
    assert (gpus, minutes) == (0, 240)
    assert 1_000 < small < 1_500
    gpus, base, minutes = asked("small-sw", 700_000_000)
    assert (gpus, minutes) == (1, 1200)
    assert 4_000 + 7 * 700 < base < 32_000
