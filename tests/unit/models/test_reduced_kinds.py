"""Every kind of model that people reduce today is reduced, proven exact, and loads where they load it."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench.published_kinds import KINDS
from bench.tokenizer_layouts import sentences
from published_kinds import EMBEDDERS, write_embedder, write_kind
from reducible import write_texts
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from smelt.__main__ import main
from smelt.models.vocabulary.texts import held_out_lines


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    return held_out_lines(write_texts(tmp_path / "texts", lines=180)["qaa"], 60)


def reduce(source: Path, lines: list[str], output: Path) -> dict[str, object]:
    corpus = output.with_name("qaa.txt")
    corpus.write_text("\n".join(lines * 5) + "\n")
    command = ["reduce", "--model", str(source), "--corpus", str(corpus), "--held-out-share", "0.19"]
    assert main([*command, "--threshold", "0.001", "--threads", "1", "--output", str(output)]) == 0
    return json.loads((output / "reduction.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_any_kind_is_reduced_and_proven(kind: str, texts: list[str], tmp_path: Path) -> None:
    source = write_kind(kind, tmp_path / "source")
    record = reduce(source, texts, tmp_path / "out")
    proof = record["proof"]["languages"]["qaa"]  # type: ignore[index]
    assert record["pieces"] < record["pieces_before"]  # type: ignore[operator]
    assert proof["lines_whose_pieces_are_all_kept"] > 0
    assert proof["states"]["hidden_states_equal_bit_for_bit"] > 0
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (source, tmp_path / "out"))
    assert [before.tokenize(line) for line in texts] == [after.tokenize(line) for line in texts]
    model = AutoModel.from_pretrained(tmp_path / "out")
    assert len(model.get_input_embeddings().weight) == record["pieces"]


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_an_embedder_of_any_kind_embeds_as_before(kind: str, texts: list[str], tmp_path: Path) -> None:
    source = write_embedder(kind, tmp_path / "source")
    lines = sentences()[:40] if EMBEDDERS[kind][0] == "e5" else texts
    record = reduce(source, lines, tmp_path / "out")
    assert record["pieces"] <= record["pieces_before"]  # type: ignore[operator]
    before, after = SentenceTransformer(str(source)), SentenceTransformer(str(tmp_path / "out"))
    for prompt in (None, *EMBEDDERS[kind][3]):
        assert np.array_equal(before.encode(lines, prompt_name=prompt), after.encode(lines, prompt_name=prompt))
    assert after.prompts == before.prompts
