import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from training_toy import RECIPE, SHAPE, Toy

from smelt.__main__ import main

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


def test_the_curve_is_written_and_the_checkpoints_are_gone(made: Path) -> None:
    assert (made / "logs" / "mini.curve.csv").read_text().startswith("step,split,language,metric,value\n0,validation,")
    assert list((made / "checkpoints").iterdir()) == []


def test_the_same_command_makes_the_same_weights_again(toy: Toy, made: Path, tmp_path: Path) -> None:
    assert main(words(toy, tmp_path)) == 0
    weights = [folder / "models" / "mini" / "model.safetensors" for folder in (made, tmp_path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_checkpoints_of_a_changed_recipe_are_left_alone(toy: Toy, tmp_path: Path) -> None:
    stopped = words(toy, tmp_path)
    stopped[stopped.index("10")] = "0.0001"
    assert main(stopped) == 75
    before = list((tmp_path / "checkpoints").iterdir())
    assert main(words(toy, tmp_path, SETTINGS | {"seed": 2})) == 0
    assert list((tmp_path / "checkpoints").iterdir()) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("{", "--settings: is not JSON"),
        (SETTINGS | {"recipe": RECIPE.model_dump() | {"optimiser": "x"}}, "recipe.optimiser"),
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
