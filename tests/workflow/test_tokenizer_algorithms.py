"""Every algorithm's tokenizer goes all the way: blocks, pretraining, fine-tuning, the study of tokenisation."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smelt.__main__ import main
from smelt.entry import merge
from smelt.training.masking import masking_of
from smelt.training.pieces import load_tokenizer, pieces_of
from smelt.training.recipes import RECIPES

pytestmark = pytest.mark.slow

ROOTS = {"qaa": ["kal", "mirté", "sovun", "dap", "lirien"], "qab": ["जलम", "कमला", "नगर", "βηδα", "τοπος"]}
ENDINGS = ["", "a", "on", "eti", "ssim"]
SETTINGS: dict[str, dict[str, object]] = {
    "unigram": {"character_coverage": 1.0, "vocabulary": 50},
    "wordpiece": {"character_coverage": 1.0, "lowercase": False, "vocabulary": 100},
    "bpe": {"vocabulary": 320},
}
SHAPE = {"layers": 1, "hidden": 32, "heads": 2, "feed_forward": 64, "family": "bert"}
RECIPE: dict[str, dict[str, object]] = {
    "data": {"batch": 8, "length": 48},
    "objective": {"masking": "words", "sentences": "order"},
    "optimizer": {"learning_rate": 3e-3},
    "schedule": {"steps": 30},
    "validation": {"blocks": 4, "every": 10},
    "checkpoints": {"every": 100},
}


def sentence(language: str, draw: random.Random) -> list[str]:
    words = [draw.choice(ROOTS[language]) + draw.choice(ENDINGS) for _ in range(draw.randint(3, 7))]
    return [*words, draw.choice([".", "!"])]


def documents(folder: Path, language: str) -> Path:
    draw = random.Random(language)
    texts = ["\n".join(" ".join(sentence(language, draw)) for _ in range(8)) for _ in range(80)]
    numbers = [str(number) for number in range(len(texts))]
    held_out = [number % 8 == 0 for number in range(len(texts))]
    folder.mkdir(parents=True)
    table = pa.table({"id": numbers, "title": numbers, "text": texts, "held_out": held_out})
    pq.write_table(table, folder / "documents.parquet")
    return folder / "documents.parquet"


def task(folder: Path) -> Path:
    """Write a task in which words with an ending are names."""
    folder.mkdir()
    for split, count in (("train", 60), ("validation", 20), ("test", 20)):
        draw = random.Random(split)
        rows = [{"example": number, "language": "qab", "words": sentence("qab", draw)} for number in range(count)]
        for row in rows:
            row["labels"] = ["O" if word in ROOTS["qab"] or word in ".!" else "B-N" for word in row["words"]]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    about = {"kind": "token-classification", "metric": "seqeval-f1", "scheme": "iob2", "labels": ["B-N", "O"]}
    (folder / "task.json").write_text(json.dumps({"name": folder.name, "languages": ["qab"]} | about))
    return folder


def smelt(*words: object) -> None:
    assert main([json.dumps(word) if isinstance(word, dict) else str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("corpus")
    return [documents(root / language, language) for language in ROOTS]


@pytest.fixture(scope="module", params=list(SETTINGS))
def tokenizer(request: pytest.FixtureRequest, corpus: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers") / request.param
    settings = {"algorithm": request.param, "sample": 10_000, "seed": 1, "alpha": 1.0} | SETTINGS[request.param]
    smelt("tokenizer", "--documents", *corpus, "--settings", settings, "--output", folder)
    return folder


def test_words_begin_where_blanks_and_punctuation_say(tokenizer: Path) -> None:
    loaded = load_tokenizer(tokenizer)
    pieces = pieces_of(loaded)
    draw = random.Random(3)
    for language in [*ROOTS] * 40:
        words = sentence(language, draw)[:-1]  # a full stop begins a word after its blank too
        apart = loaded(words, is_split_into_words=True, add_special_tokens=False)
        number = [-1, *apart.word_ids()]
        expected = [before != after for before, after in pairwise(number)]
        assert pieces.word_start[apart["input_ids"]].tolist() == expected


def test_masks_lie_over_whole_words(tokenizer: Path) -> None:
    loaded = load_tokenizer(tokenizer)
    pieces = pieces_of(loaded)
    draw = random.Random(4)
    words = [word for _ in range(40) for word in sentence("qaa", draw)[:-1]]
    encoded = loaded(words, is_split_into_words=True)
    ids = np.array([encoded["input_ids"]])
    masking = masking_of(RECIPES["small"].override(RECIPE).objective, pieces, lambda: ids[0])
    _, chosen = masking(ids, np.random.default_rng(0).random((1, masking.draws_per_token, ids.shape[1])))
    fates: dict[int | None, set[bool]] = {}
    for word, is_chosen in zip(encoded.word_ids(), chosen[0].tolist(), strict=True):
        fates.setdefault(word, set()).add(is_chosen)
    assert fates[None] == {False}
    assert sum(fate == {True} for fate in fates.values()) > 10
    assert sum(len(fate) == 2 for fate in fates.values()) <= 1  # the rate cuts the last one


def test_a_model_is_pretrained_fine_tuned_and_studied_with_it(
    tokenizer: Path, corpus: list[Path], tmp_path: Path
) -> None:
    for file in corpus:
        blocks = tmp_path / "blocks" / file.parent.name
        smelt("blocks", "--documents", file, "--tokenizer", tokenizer, "--length", 48, "--output", blocks)
        assert json.loads((blocks / "blocks.json").read_text())["train"]["unknown"] == 0
    recipe = merge(RECIPES["small"].model_dump(), RECIPE)
    settings = {"shape": SHAPE, "recipe": recipe, "alpha": 1.0, "seed": 1, "version": 1}
    folders = [tmp_path / "blocks" / language for language in ROOTS]
    model, curve = tmp_path / "model", tmp_path / "curve.csv"
    smelt(
        *["pretrain", "--blocks", *folders, "--tokenizer", tokenizer, "--settings", settings, "--threads", 1],
        *["--checkpoints", tmp_path / "checkpoints", "--output", model, "--curve", curve, "--gpus", 0],
    )
    assert {path.name for path in tokenizer.iterdir()} - {path.name for path in model.iterdir()} == {"statistics.json"}
    settings = {"epochs": 6, "batch": 8, "learning_rate": 0.003, "length": 48, "version": 1}
    tuned, names = tmp_path / "seed-1", task(tmp_path / "names")
    smelt("finetune", "--model", model, "--task", names, "--output", tuned, "--seed", 1, "--settings", settings)
    scores = json.loads((tuned / "metrics.json").read_text())["scores"]
    assert next(row["value"] for row in scores if (row["split"], row["metric"]) == ("test", "f1")) > 0.6
    smelt(
        *["tokenisation", "--model", "m", "--predictions", tuned / "predictions.parquet", "--task", names],
        *["--settings", {"resamples": 50}, "--output", tmp_path / "study.json"],
    )
    study = json.loads((tmp_path / "study.json").read_text())
    assert study["words_without_pieces"] == 0
    assert study["segmentation"][0]["fertility"] > 1


def test_pieces_over_bytes_stand_in_predictions_as_people_read_them(tokenizer: Path) -> None:
    from smelt.tasks.tokenizer import load_pieces

    pieces = load_pieces(tokenizer)
    mark = {"unigram": "▁", "wordpiece": "##", "bpe": "Ġ"}[tokenizer.name]
    shown = pieces.texts(pieces.tokenizer("mirtéa नगर", add_special_tokens=False)["input_ids"])
    assert "".join(shown).replace(mark, "").replace("mirtéa", "mirtéa ") == "mirtéa नगर"
    if tokenizer.name == "bpe":
        assert pieces.texts(pieces.tokenizer("ჟ", add_special_tokens=False)["input_ids"])[-1].startswith("<0x")
