"""Tables of corpora and of students: Eliquare's Table 2, XtremeDistil's Tables 2 and 12."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from small_results import Results

from smelt.study.compression import STRATEGIES, BiLstmShape, Compression, CompressionSettings

ABOUT = {"Genus": {"fr": "Romance", "sw": "Bantu"}, "Script": {"fr": "Latin", "sw": "Latin"}}


def sizes_of(words: int) -> dict[str, int]:
    return {"words": words, "sentences": words // 20}


def corpus(results: Results, **pages: tuple[int, int]) -> list[Path]:
    """Write statistics of languages with these numbers of pages and words."""
    known = json.loads(next(iter(results.path("corpora").glob("*/*/statistics.json"))).read_text())
    return [
        results.write(
            results.path("corpora", "wiki6", code, "statistics.json"),
            known
            | {"language": code, "words": words, "sentences": words // 20, "pages": known["pages"] | {"pages": count}},
        )
        for code, (count, words) in pages.items()
    ]


def test_languages_stand_with_their_pages_and_what_the_study_says(results: Results) -> None:
    # Pages of Eliquare's Table 2 (Singh, De Clercq and Lefever 2023).
    paths = corpus(results, sw=(155_000, 1_000_000), fr=(12_318_000, 9_000_000))
    assert results.table("table_2", {"kind": "corpora", "corpus": "wiki6", "about": ABOUT}, paths) == 0
    text = results.read("tables", "table_2.md")
    head = (
        "| Language | Genus | Script | Pages (M) | Documents | Held out | Sentences (M) | Words (M) | Share of words |"
    )
    french = "| fr | Romance | Latin | 12.3 | 60 | 2 | 0.450 | 9.00 | 90.0% |"
    assert (
        text.index(head)
        < text.index(french)
        < text.index("| sw | Bantu | Latin | 0.155 | 60 | 2 | 0.0500 | 1.00 | 10.0% |")
    )
    frame = pd.read_csv(results.path("tables", "table_2.csv"))
    assert list(frame["pages"]) == [12_318_000, 155_000]


def test_text_files_have_no_pages_and_shares_are_of_the_corpus(results: Results) -> None:
    paths = corpus(results, sw=(0, 1_000_000), fr=(0, 3_000_000))
    for path in paths:  # an older version counted no sentences
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "sentences"}))
    assert results.table("table_2", {"kind": "corpora", "corpus": "wiki6", "languages": ["sw"]}, paths) == 0
    text = results.read("tables", "table_2.md")
    assert "| sw | – | 60 | 2 | – | 1.00 | 25.0% |" in text
    assert "Shares are of all 2 languages" in text
    assert "Pages:" not in text


def test_shares_drawn_stand_beside_natural_ones_where_languages_are_mixed(results: Results) -> None:
    paths = corpus(results, sw=(0, 1_000_000), fr=(0, 9_000_000))
    for path, characters in zip(paths, (10**6, 9 * 10**6), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"characters": characters}))
    mixture = {"alpha": 0.5, "max_share": 0.7}
    assert results.table("table_2", {"kind": "corpora", "corpus": "wiki6", "mixture": mixture}, paths) == 0
    text = results.read("tables", "table_2.md")
    assert "| fr | – | 60 | 2 | 0.450 | 9.00 | 90.0% | 70.0% |" in text
    assert "| sw | – | 60 | 2 | 0.0500 | 1.00 | 10.0% | 30.0% |" in text
    assert "in proportion to the power 0.5 of characters, none above 70%" in text
    assert list(pd.read_csv(results.path("tables", "table_2.csv"))["share_drawn"]) == pytest.approx([0.7, 0.3])


def student(results: Results, model: str, **settings: Any) -> Path:
    folder = results.path("models", model)
    source = results.path("models", "small_8k")
    for name in ("config.json", "model.safetensors"):
        results.path("models", model).mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((source / name).read_bytes())
    shape = BiLstmShape(kind="bilstm", embedding=300, hidden=600)
    used = Compression(**({"student": shape, "stages": STRATEGIES["D4.2"]} | settings)).model_dump()
    results.write(folder / "provenance.json", {"settings": used})
    return folder


def test_xtremedistils_table_12_is_the_default(results: Results) -> None:
    folder = student(results, "d42", layer=7)
    assert results.table("table_12", {"kind": "students", "models": ["d42"]}, [folder]) == 0
    text = results.read("tables", "table_12.md")
    cells = "BiLSTM, E=300, H=2×600 | 0.128 | states; logits; labels | yes | svd, finetuned | 7 | 512 | 0.2 |"
    assert f"| d42 | {cells} 1e-3 to 1e-8 | 32 |" in text
    frame = pd.read_csv(results.path("tables", "table_12.csv"))
    assert (frame["batch"][0], frame["dropout"][0], frame["learning_rate"][0]) == (512, 0.2, 0.001)


def test_strategies_show_what_they_learn(results: Results) -> None:
    folders = [student(results, name.lower(), stages=stages) for name, stages in STRATEGIES.items()]
    settings = {"kind": "students", "models": [folder.name for folder in folders]}
    assert results.table("table_2", settings, folders) == 0
    frame = pd.read_csv(results.path("tables", "table_2.csv")).set_index("model")
    assert dict(frame["stages"]) == {
        "d0": "labels",
        "d0-s": "labels",
        "d1": "logits + labels",
        "d2": "states + logits + labels",
        "d3.1": "states; logits + labels",
        "d3.2": "states; logits + labels",
        "d4.1": "states; logits; labels",
        "d4.2": "states; logits; labels",
    }
    assert list(frame.index[frame["gradual"]]) == ["d3.2", "d4.2"]
    assert dict(frame["layer"])["d1"] == "–"
    assert dict(frame["layer"])["d2"] == "middle"


def test_the_list_of_pieces_is_no_parameter(results: Results) -> None:
    folder = student(results, "d42")
    weights = {"weight": np.zeros((7, 3), np.float32), "rows": np.zeros(50, np.int64)}
    save_file(weights, folder / "model.safetensors")
    assert results.table("table", {"kind": "students", "models": ["d42"]}, [folder]) == 0
    assert pd.read_csv(results.path("tables", "table.csv"))["parameters"][0] == 21


def test_other_shapes_and_weights_are_shown(results: Results) -> None:
    shape = {"kind": "transformer", "embedding": 48, "layers": 2}
    stages = [{"losses": {"logits": 10, "labels": 1}}]
    used = {"student": shape, "stages": stages, "embeddings": {"start": "random"}}
    folder = student(results, "t", **used, settings=CompressionSettings(dropout=0.4))
    assert results.table("table", {"kind": "students", "models": ["t"]}, [folder]) == 0
    text = results.read("tables", "table.md")
    assert "| Transformer, E=48, 2 layers | 0.128 | 10 × logits + labels | no | random | – | 512 | 0.4 |" in text


def test_what_is_no_student_is_refused(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    folder = student(results, "d42")
    results.write(folder / "provenance.json", {"settings": {"maker": "adopt"}})
    assert results.table("table", {"kind": "students", "models": ["d42"]}, [folder]) == 1
    assert "lacks 'stages': expected the provenance of a compressed student" in capsys.readouterr().err
