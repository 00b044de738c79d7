"""The command `distil`: its folder, its card, going on after a stop, several teachers, and what it refuses."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from reducible import MODELS, PIECES, bert_like, write_model, write_texts
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM

from smelt.__main__ import main
from smelt.entry import merge
from smelt.training.pack import pack
from smelt.training.recipes import RECIPES

LENGTH = 24
RECIPE = merge(
    RECIPES["small"].model_dump(),
    {
        "data": {"batch": 8, "length": LENGTH},
        "model": {"dropout": 0.1},
        "objective": {"sentences": "none", "masking": "tokens"},
        "schedule": {"steps": 12},
        "validation": {"every": 6, "blocks": 8},
        "checkpoints": {"every": 4},
    },
)
STUDENT = {"layers": 1}
LOSSES = {"hidden": 0.5}  # added to the others; its projections are trained with the student, and are no part of it

KILLED_AT_STEP_8 = """
import os, signal, sys
from smelt.__main__ import main
from smelt.training.checkpoints import Checkpoints

save = Checkpoints.save

def save_and_die(self, step, *rest):
    save(self, step, *rest)
    if step == 8:
        os.kill(os.getpid(), signal.SIGKILL)

Checkpoints.save = save_and_die
"""


def settings(**changes: Any) -> dict[str, Any]:
    made = {"student": STUDENT, "losses": {}, "recipe": RECIPE, "alpha": 1.0, "seed": 1}
    versions = {"version": 1, "distillation_version": 1}
    recipe = {"recipe": merge(RECIPE, changes.pop("recipe", {}))}
    return made | versions | recipe | changes


class Kit:
    """Blocks of two invented languages in the pieces of a teacher."""

    def __init__(self, folder: Path, teacher: Path, length: int = LENGTH) -> None:
        self.folder, self.teacher = folder, teacher
        documents = write_texts(folder / "documents", lines=180)
        self.blocks = [folder / "blocks" / language for language in documents]
        for (_, path), output in zip(documents.items(), self.blocks, strict=True):
            pack(path, teacher, length, output)

    def words(self, output: Path, *teachers: Path, minutes: str = "10", **changes: Any) -> list[str]:
        """Return the words of a command that distils into `output`/models/student."""
        return [
            *["distil", "--blocks", *map(str, self.blocks), "--teachers", *map(str, teachers or [self.teacher])],
            *["--settings", json.dumps(settings(**changes)), "--checkpoints", str(output / "checkpoints")],
            *["--minutes", minutes, "--threads", "1", "--gpus", "0"],
            *["--output", str(output / "models/student"), "--curve", str(output / "student.curve.csv")],
        ]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("kit")
    return Kit(folder, write_model(folder / "teacher"))


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "models/student/model.safetensors")


def curve(output: Path) -> list[list[str]]:
    lines = (output / "student.curve.csv").read_text().splitlines()[1:]
    return [line.split(",") for line in lines if ",tokens_per_second," not in line]


@pytest.fixture(scope="module")
def made(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert main(kit.words(folder, losses=LOSSES)) == 0
    return folder


def test_the_folder_is_loaded_by_transformers_alone_with_its_teachers_tokenizer(kit: Kit, made: Path) -> None:
    model, report = AutoModelForMaskedLM.from_pretrained(made / "models/student", output_loading_info=True)
    assert type(model).__name__ == "DistilBertForMaskedLM"
    assert not any(report.values())
    assert model.config.vocab_size == len(PIECES)
    tokenizer, theirs = (AutoTokenizer.from_pretrained(path) for path in (made / "models/student", kit.teacher))
    assert tokenizer("pa ti kobu .").input_ids == theirs("pa ti kobu .").input_ids


def test_the_losses_fall_and_each_stands_in_the_curve(made: Path) -> None:
    found = {
        (int(step), metric): float(value)
        for step, split, language, metric, value in curve(made)
        if (split, language) == ("validation", "all")
    }
    for term in ("kl", "cosine", "hidden"):
        assert found[12, f"{term}_loss"] < found[0, f"{term}_loss"]
    assert (12, "mlm_loss") in found


def test_the_card_names_languages_by_iso_639_for_the_hub(kit: Kit, tmp_path: Path) -> None:
    words = kit.words(tmp_path)
    first = words.index(str(kit.blocks[0]))
    words[first : first + len(kit.blocks)] = [str(shutil.copytree(kit.blocks[0], tmp_path / "zh-min-nan"))]
    assert main(words) == 0
    assert "language:\n- nan\n" in (tmp_path / "models/student/README.md").read_text()


def test_card_and_provenance_say_what_it_was_distilled_from(kit: Kit, made: Path) -> None:
    card = (made / "models/student/README.md").read_text()
    assert "A student of one layer for 2 languages, distilled from `teacher` on raw text" in card
    assert "It began as every other layer of the teacher." in card
    assert "| kl | 5 | the teacher's predictions at temperature 2, of all tokens |" in card
    assert "| all |" in card
    provenance = json.loads((made / "models/student/provenance.json").read_text())
    assert provenance["command"] == "distil"
    assert [part["path"] for part in provenance["inputs"]["teachers"]] == [str(kit.teacher)]
    assert provenance["settings"]["losses"]["kl"] == 5.0


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights_and_curve(kit: Kit, made: Path, tmp_path: Path) -> None:
    words = kit.words(tmp_path, losses=LOSSES)
    killed = subprocess.run([sys.executable, "-c", f"{KILLED_AT_STEP_8}sys.exit(main({words!r}))"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "models").exists()
    assert main(words) == 0
    left, right = weights(made), weights(tmp_path)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert curve(made) == curve(tmp_path)


@pytest.mark.parametrize("kind", ["xlm-roberta", "albert", "distilbert"])
def test_teachers_of_other_families_have_students_of_their_own(tmp_path: Path, kit: Kit, kind: str) -> None:
    teacher = write_model(tmp_path / "teacher", MODELS[kind], rows=len(PIECES) + 7)
    assert main(kit.words(tmp_path, teacher, recipe={"schedule": {"steps": 2}})) == 0
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "models/student")
    assert model.config.model_type == kind
    assert model.config.vocab_size == len(PIECES)
    theirs, own = (AutoTokenizer.from_pretrained(path) for path in (teacher, tmp_path / "models/student"))
    assert own("pa ti kobu .").input_ids == theirs("pa ti kobu .").input_ids


@pytest.mark.parametrize("part", ["positions", "pieces"])
def test_what_is_frozen_does_not_change(kit: Kit, tmp_path: Path, part: str) -> None:
    recipe = {"optimizer": {"weight_decay": 0.1}, "schedule": {"steps": 3}}
    assert main(kit.words(tmp_path, student={"layers": 1, "frozen": [part]}, recipe=recipe)) == 0
    teacher = load_file(kit.teacher / "model.safetensors")
    changed = {
        name: not torch.equal(weights(tmp_path)[f"distilbert.{name}"], teacher[f"bert.{name}"])
        for name in ("embeddings.position_embeddings.weight", "embeddings.word_embeddings.weight")
    }
    assert [name for name, moved in changed.items() if moved] == [
        f"embeddings.{'word' if part == 'positions' else 'position'}_embeddings.weight"
    ]


@pytest.mark.slow
def test_sinusoids_do_not_change_in_a_killed_run_that_goes_on(kit: Kit, tmp_path: Path) -> None:
    student = {"layers": 1, "positions": "sinusoidal"}
    recipe = {"optimizer": {"weight_decay": 0.1}}
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert main(kit.words(straight, student=student, recipe=recipe)) == 0
    words = kit.words(broken, student=student, recipe=recipe)
    killed = subprocess.run([sys.executable, "-c", f"{KILLED_AT_STEP_8}sys.exit(main({words!r}))"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert main(words) == 0
    left, right = weights(straight), weights(broken)
    assert all(torch.equal(left[name], right[name]) for name in left)
    model = AutoModelForMaskedLM.from_pretrained(broken / "models/student")
    assert model.config.sinusoidal_pos_embds is True
    positions = model.distilbert.embeddings.position_embeddings.weight
    fresh = type(model)(model.config).distilbert.embeddings.position_embeddings.weight
    assert torch.equal(positions, fresh)
    card = (broken / "models/student/README.md").read_text()
    assert "Its positions are sines and cosines, which did not learn." in card


def test_the_card_keeps_the_licence_and_the_origin_of_the_teacher(kit: Kit, tmp_path: Path) -> None:
    teacher = write_model(tmp_path / "published")
    (teacher / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: some/bert\n---\n")
    assert main(kit.words(tmp_path, teacher, recipe={"schedule": {"steps": 1}})) == 0
    card = (tmp_path / "models/student/README.md").read_text()
    assert all(part in card for part in ("license: apache-2.0", "base_model: some/bert"))


def test_several_teachers_are_averaged_and_named(kit: Kit, tmp_path: Path) -> None:
    second = write_model(tmp_path / "second", bert_like(BertForMaskedLM, hidden_size=16, num_hidden_layers=3))
    assert main(kit.words(tmp_path, kit.teacher, second, recipe={"schedule": {"steps": 2}})) == 0
    card = (tmp_path / "models/student/README.md").read_text()
    assert "distilled from `teacher` and `second`" in card


def test_without_a_loss_that_needs_one_no_teacher_teaches(kit: Kit, tmp_path: Path) -> None:
    assert main(kit.words(tmp_path, losses={"kl": 0, "cosine": 0}, recipe={"schedule": {"steps": 2}})) == 0
    assert {row[3] for row in curve(tmp_path) if row[1] == "validation"} == {"mlm_loss", "mlm_accuracy"}


def test_another_teacher_is_another_run(kit: Kit, tmp_path: Path) -> None:
    assert main(kit.words(tmp_path, minutes="0.0001")) == 75
    kept = set((tmp_path / "checkpoints").iterdir())
    torch.manual_seed(9)
    other = write_model(tmp_path / "other", bert_like(BertForMaskedLM, initializer_range=0.4))
    assert main(kit.words(tmp_path, other, recipe={"schedule": {"steps": 12}})) == 0
    (own,) = set((tmp_path / "checkpoints").iterdir()) - kept
    assert all(folder.is_dir() for folder in kept)
    assert (own / "finished").exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"recipe": {"data": {"batch": 10_000}}}, "recipe: data.batch: 10,000 blocks are more than the "),
        ({"losses": {"kl": 0, "mlm": 0, "cosine": 0}}, "--settings: losses: kl, mlm, cosine, hidden, attention: all"),
        ({"losses": {"hidden": 1, "layers": [3]}}, "losses.layers: "),
        ({"losses": {"hidden": 1, "layers": [1, 2]}}, "losses.layers: names 2 layers of the teacher for 1 of the"),
        ({"student": {"layers": 3, "start": [0, 1, 1]}}, "student: layers: 3 are more than the 2 of the teacher"),
        (
            {"recipe": {"objective": {"sentences": "order"}}},
            "--settings: settings.objective.sentences: expected none; found 'order'",
        ),
    ],
)
def test_what_cannot_be_distilled_is_one_clear_line(
    kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], complaint: str
) -> None:
    assert main(kit.words(tmp_path, **changes)) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("smelt: ")]
    assert complaint in line
    assert not (tmp_path / "models").exists()


def test_a_teacher_without_a_head_or_with_other_pieces_is_one_clear_line(
    kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = write_model(tmp_path / "bare", MODELS["bert-encoder"])
    assert main(kit.words(tmp_path, bare)) == 1
    assert f"smelt: {bare}: has no head for masked tokens" in capsys.readouterr().err
    other = write_model(tmp_path / "other")
    lines = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*lines[:-1], "ψ"]) + "\n")
    assert main(kit.words(tmp_path, kit.teacher, other)) == 1
    assert f"smelt: {other}: expected the same pieces" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


@pytest.fixture(scope="module")
def amplified(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A kit whose teacher has pieces that it has not learnt."""
    folder = tmp_path_factory.mktemp("amplified")
    documents = [str(kit.folder / "documents" / language / "documents.parquet") for language in ("qaa", "qab")]
    words = ["--model", str(kit.teacher), "--documents", *documents, "--pieces", "12", "--threads", "1"]
    assert main(["amplify", *words, "--output", str(folder / "more")]) == 0
    return Kit(folder, folder / "more")


def test_pieces_that_were_added_to_a_teacher_are_learnt_from_masked_tokens(amplified: Kit, tmp_path: Path) -> None:
    recipe = {"optimizer": {"weight_decay": 0.0}, "schedule": {"steps": 3}}
    assert main(amplified.words(tmp_path, losses={"kl": 0, "cosine": 0}, recipe=recipe)) == 0
    bias = load_file(amplified.teacher / "model.safetensors")["cls.predictions.bias"]
    moved = weights(tmp_path)["vocab_projector.bias"] != bias
    assert bool(moved[len(PIECES) :].all())


@pytest.mark.parametrize("reduced", [False, True])
def test_pieces_that_nothing_would_teach_are_refused(
    amplified: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str], reduced: bool
) -> None:
    teacher, kit = amplified.teacher, amplified
    if reduced:  # where the study file does not show whether any of them is left
        (tmp_path / "qaa.txt").write_text("".join(f"{line}\n" for line in text_lines(amplified)))
        words = ["--corpus", str(tmp_path / "qaa.txt"), "--held-out-share", "0.2", "--threshold", "0.02"]
        teacher = tmp_path / "reduced"
        assert main(["reduce", "--model", str(amplified.teacher), *words, "--output", str(teacher)]) == 0
        kit = Kit(tmp_path / "kit", teacher)
    assert main(kit.words(tmp_path, losses={"mlm": 0, "hidden": 1})) == 1
    expected = (
        f"--settings: losses.mlm: is 0, and only masked tokens teach a student to predict the pieces that were added to"
        f" {teacher}: "
    )
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def text_lines(kit: Kit) -> list[str]:
    return pq.read_table(kit.folder / "documents/qaa/documents.parquet")["text"].to_pylist()


def test_help_of_the_command_needs_no_torch() -> None:
    code = "import sys, smelt.models.distil; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
