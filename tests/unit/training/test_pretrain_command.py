import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from training_toy import LENGTH, RECIPE, SHAPE, Toy, write_documents

from smelt.__main__ import main
from smelt.entry import merge
from smelt.training.curve import LearningCurve
from smelt.training.pack import pack
from smelt.training.pieces import load_tokenizer

SETTINGS = {"shape": SHAPE.model_dump(), "recipe": RECIPE.model_dump(), "alpha": 0.7, "seed": 1, "version": 1}


def words(toy: Toy, folder: Path, settings: object = SETTINGS, blocks: list[Path] | None = None) -> list[str]:
    return [
        *["pretrain", "--blocks", *map(str, blocks or toy.blocks), "--tokenizer", str(toy.tokenizer)],
        *["--settings", settings if isinstance(settings, str) else json.dumps(settings)],
        *["--checkpoints", str(folder / "checkpoints"), "--minutes", "10", "--threads", "1"],
        *["--output", str(folder / "models" / "mini"), "--curve", str(folder / "logs" / "mini.curve.csv")],
    ]


@pytest.fixture(scope="module")
def made(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    assert main(words(toy, folder)) == 0
    return folder


def test_the_model_folder_is_whole_and_loads_with_its_tokenizer_and_both_heads(toy: Toy, made: Path) -> None:
    from transformers import AutoModelForPreTraining, AutoTokenizer

    model, report = AutoModelForPreTraining.from_pretrained(made / "models" / "mini", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokenizer = AutoTokenizer.from_pretrained(made / "models" / "mini")
    assert len(tokenizer) == model.config.vocab_size == 90
    text = "Kal dapon lirieneti."
    assert tokenizer(text)["input_ids"] == AutoTokenizer.from_pretrained(toy.tokenizer)(text)["input_ids"]


def test_the_card_and_the_provenance_say_what_it_was_made_from(toy: Toy, made: Path) -> None:
    card = (made / "models" / "mini" / "README.md").read_text()
    assert "| aa |" in card
    assert "mlm_accuracy" in card
    provenance = json.loads((made / "models" / "mini" / "provenance.json").read_text())
    assert provenance["settings"] == SETTINGS
    assert [part["path"] for part in provenance["inputs"]["blocks"]] == [str(b / "blocks.json") for b in toy.blocks]


def test_the_card_names_languages_by_iso_639_for_the_hub(toy: Toy, tmp_path: Path) -> None:
    renamed = shutil.copytree(toy.blocks[0], tmp_path / "als")  # Alemannic's Wikipedia; ISO 639's als is Albanian
    assert main(words(toy, tmp_path, blocks=[renamed])) == 0
    card = (tmp_path / "models/mini/README.md").read_text()
    assert "language:\n- gsw\n" in card
    assert "| als |" in card


def test_the_card_says_how_many_tokens_were_trained_on_beside_those_there_are(toy: Toy, made: Path) -> None:
    card = (made / "models" / "mini" / "README.md").read_text()
    curve = LearningCurve((made / "logs" / "mini.curve.csv").read_text())
    available = sum(json.loads((folder / "blocks.json").read_text())["train"]["tokens"] for folder in toy.blocks)
    steps, batch, length = RECIPE.schedule.total_steps, RECIPE.data.batch, RECIPE.data.length
    assert f"| tokens available | {available:,} |" in card
    seen = int(curve.at(steps, "train")["all"]["tokens"])
    assert 0.8 * steps * batch * length < seen <= steps * batch * length
    assert f"| tokens trained on | {seen:,} |" in card
    learnt = sum(row[4] for row in curve.rows if row[3] == "sop_predictions")
    assert 0.9 * steps * batch < learnt <= steps * batch
    assert f"| examples of sentence order prediction | {learnt:,.0f} |" in card


@pytest.mark.parametrize(("packing", "sentences"), [("sentences", "order"), ("stream", "order"), ("stream", "next")])
def test_blocks_are_refused_where_none_can_be_split(
    packing: str, sentences: str, toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = next(piece for piece in load_tokenizer(toy.tokenizer).get_vocab() if piece[0] == "▁" and len(piece) > 1)
    one = {"sentences": "Kalmirt sovun dapon.", "stream": piece[1:]}[packing]  # of one piece
    texts = [one] * (24 if sentences == "order" else 4)  # the latter fill no block
    folder = tmp_path / "blocks/aa"
    about = pack(write_documents(tmp_path / "aa.parquet", texts), toy.tokenizer, LENGTH, folder, packing)
    assert about["train"]["splittable_blocks"] == 0
    recipe = merge(SETTINGS["recipe"], {"data": {"packing": packing}, "objective": {"sentences": sentences}})
    assert main(words(toy, tmp_path, SETTINGS | {"recipe": recipe}, blocks=[folder])) == 1
    error = capsys.readouterr().err
    assert f"smelt: recipe: objective.sentences: {sentences} has nothing to learn from. None of the" in error
    assert "Set objective.sentences: none" in error
    assert not (tmp_path / "models").exists()


def test_few_blocks_that_can_be_split_are_said_in_log_and_card(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["Kalmirt sovun dapon."] * 40 + ["Kal dap. Urm dap."] * 10
    folder = tmp_path / "blocks/aa"
    about = pack(write_documents(tmp_path / "aa.parquet", texts), toy.tokenizer, LENGTH, folder, "sentences")
    able, total = (about["train"][key] for key in ("splittable_blocks", "blocks"))
    assert 0 < able < total / 2
    recipe = merge(SETTINGS["recipe"], {"data": {"packing": "sentences"}})
    assert main(words(toy, tmp_path, SETTINGS | {"recipe": recipe}, blocks=[folder])) == 0
    said = f"warning: sentences: order is learnt on {able} of {total} blocks ({able / total:.1%})"
    assert said in capsys.readouterr().out
    card = (tmp_path / "models/mini/README.md").read_text()
    assert f"Sentence order prediction was learnt on {able} of {total} blocks only" in card
    assert "share of blocks with two segments" in card


def test_the_curve_is_written_and_the_last_checkpoint_waits_for_snakemake(made: Path) -> None:
    assert (made / "logs" / "mini.curve.csv").read_text().startswith("step,split,language,metric,value\n0,validation,")
    (kept,) = (made / "checkpoints").iterdir()
    assert sorted(path.name for path in kept.iterdir()) == ["finished", f"step-{RECIPE.schedule.total_steps:09d}"]


def test_the_same_command_makes_the_same_weights_again(toy: Toy, made: Path, tmp_path: Path) -> None:
    assert main(words(toy, tmp_path)) == 0
    weights = [folder / "models" / "mini" / "model.safetensors" for folder in (made, tmp_path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_checkpoints_of_a_changed_recipe_are_left_alone(toy: Toy, tmp_path: Path) -> None:
    stopped = words(toy, tmp_path)
    stopped[stopped.index("10")] = "0.0001"
    assert main(stopped) == 75
    before = set((tmp_path / "checkpoints").iterdir())
    assert main(words(toy, tmp_path, SETTINGS | {"seed": 2})) == 0
    (own,) = set((tmp_path / "checkpoints").iterdir()) - before
    assert all(folder.is_dir() for folder in before)
    assert (own / "finished").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("{", "--settings: is not JSON"),
        (SETTINGS | {"recipe": merge(RECIPE.model_dump(), {"optimiser": "x"})}, "recipe.optimiser"),
        (SETTINGS | {"alpha": "much"}, "alpha"),
    ],
)
def test_wrong_settings_are_one_clear_line(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object, complaint: str
) -> None:
    assert main(words(toy, tmp_path, change)) == 1
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_damaged_blocks_are_refused_before_anything_is_made(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(toy.blocks[0], tmp_path / "blocks" / "aa")
    (broken / "validation.tokens").write_bytes((broken / "validation.tokens").read_bytes()[:-2])
    assert main(words(toy, tmp_path, blocks=[broken, toy.blocks[1]])) == 1
    assert "validation.tokens: holds" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["blocks"]


def test_help_of_the_command_needs_no_torch() -> None:
    code = "import sys, smelt.models.pretrain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
