"""Every file of a model's folder arrives: modules, prompts, chat templates, cards; adapters are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reducible import MODELS, write_model, write_texts
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.companions import find_companions
from smelt.errors import SmeltError
from smelt.models.vocabulary.texts import held_out_lines

PROMPTS = {"query": "bada: ", "passage": "gi: "}
CARD = """---
license: apache-2.0
base_model: [some/bert]
---
# A model

```bibtex
@article{someone2020, title={Words}}
```
"""


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with prompts, the state of the first token, a dense layer and unit length."""
    folder = tmp_path_factory.mktemp("sentence")
    write_model(folder / "bert", MODELS["bert-encoder"])
    modules = [Transformer(str(folder / "bert"), max_seq_length=40), Pooling(32, "cls"), Dense(32, 16), Normalize()]
    SentenceTransformer(modules=modules, prompts=PROMPTS).save(str(folder / "model"))
    (folder / "model/README.md").write_text(CARD)
    (folder / "model/onnx").mkdir()
    (folder / "model/onnx/model.onnx").write_bytes(b"of all pieces")
    (folder / "model/tf_model.h5").write_bytes(b"of all pieces")
    (folder / "model/LICENSE").write_text("Free for all.\n")
    return folder / "model"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Lines of one language, in a text file."""
    documents = write_texts(tmp_path / "texts", lines=180)["qaa"]
    path = tmp_path / "qaa.txt"
    path.write_text("\n".join(held_out_lines(documents, 60) * 5) + "\n")
    return path


def reduce(source: Path, texts: Path, output: Path, *words: str) -> int:
    command = ["reduce", "--model", str(source), "--corpus", str(texts), "--held-out-share", "0.2"]
    return main([*command, *words, "--threads", "1", "--output", str(output)])


def test_a_reduced_sentence_model_gives_the_same_embeddings(sentence_model: Path, texts: Path, tmp_path: Path) -> None:
    assert reduce(sentence_model, texts, tmp_path / "out") == 0
    before, after = SentenceTransformer(str(sentence_model)), SentenceTransformer(str(tmp_path / "out"))
    lines = texts.read_text().splitlines()[:40]
    assert len(after.tokenizer) < len(before.tokenizer)
    for prompt in (None, "query", "passage"):
        assert np.array_equal(before.encode(lines, prompt_name=prompt), after.encode(lines, prompt_name=prompt))
    assert (after.prompts, after.max_seq_length) == (before.prompts, before.max_seq_length)


def test_files_are_copied_or_named_as_left_behind(
    sentence_model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reduce(sentence_model, texts, tmp_path / "out") == 0
    record = json.loads((tmp_path / "out/reduction.json").read_text())
    dense = ["2_Dense/config.json", "2_Dense/model.safetensors"]
    assert {"LICENSE", "modules.json", "1_Pooling/config.json", *dense} < set(record["files_copied"])
    assert record["files_left_behind"] == ["onnx", "tf_model.h5"]
    assert "out: left behind of its source: onnx, tf_model.h5" in capsys.readouterr().out
    for name in record["files_copied"]:
        assert (tmp_path / "out" / name).read_bytes() == (sentence_model / name).read_bytes()
    assert not (tmp_path / "out/onnx").exists()


def test_pickles_beside_a_model_are_left_behind_by_name(sentence_model: Path, tmp_path: Path) -> None:
    source = shutil.copytree(sentence_model, tmp_path / "source")
    pickles = ["2_Dense/pytorch_model.bin", "LICENSE.pt", "colbert_linear.pt", "sparse_linear.pt"]
    for name in pickles:
        (source / name).write_bytes(b"a pickle")
    found = find_companions(source, "source")
    assert set(pickles) < set(found.left)
    assert not set(pickles) & set(found.files)
    words = ["adopt", "--source", json.dumps({"folder": str(source)}), "--output", str(tmp_path / "out")]
    assert main(words) == 0
    made = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")]
    assert "2_Dense/model.safetensors" in made
    assert not set(pickles) & set(made)


def test_the_card_says_how_to_load_and_to_cite_it(sentence_model: Path, texts: Path, tmp_path: Path) -> None:
    assert reduce(sentence_model, texts, tmp_path / "out") == 0
    card = (tmp_path / "out/README.md").read_text()
    parts = ["library_name: sentence-transformers", "pipeline_tag: sentence-similarity", "license: apache-2.0"]
    parts += ["base_model: some/bert", "language:\n- qaa", "SentenceTransformer(", "@article{someone2020"]
    assert [part for part in parts if part not in card] == []


def test_pieces_of_prompts_and_chat_templates_are_kept(sentence_model: Path, texts: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(sentence_model, source)
    template = (
        "{% for m in messages %}{{ 'zuzu' if m.role == 'user' }}dodo {% generation %}x{% endgeneration %}{% endfor %}"
    )
    (source / "chat_template.jinja").write_text(template)
    assert reduce(source, texts, tmp_path / "out") == 0
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (source, tmp_path / "out"))
    for text in ("bada:", "gi:", "zuzu", "dodo"):
        assert before.tokenize(text) == after.tokenize(text)
    assert after.chat_template == template
    reasons = json.loads((tmp_path / "out/reduction.json").read_text())["kept"]["always_kept_by_reason"]
    assert reasons["prompts"] > 0
    assert reasons["chat template"] > 0


def test_a_lost_pooling_is_named(sentence_model: Path, tmp_path: Path) -> None:
    companions = find_companions(sentence_model, "a model")
    companions.copy(tmp_path)
    companions.check(tmp_path, "a model")
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode": "mean"}')
    with pytest.raises(SmeltError, match=r"is not exact: its 1_Pooling/config\.json differs from the source's"):
        companions.check(tmp_path, "a model")
    (tmp_path / "1_Pooling/config.json").unlink()
    with pytest.raises(SmeltError, match=r"is not exact: it lacks 1_Pooling/config\.json of its source"):
        companions.check(tmp_path, "a model")


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (
            {"type": "sentence_transformers.models.StaticEmbedding", "path": ""},
            "has a module sentence_transformers.mod",
        ),
        ({"type": "custom_st.Transformer", "path": ""}, "has a module custom_st.Transformer: expected"),
        ({"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}, "lies in 0_Transformer"),
        ({"type": "sentence_transformers.models.Pooling", "path": "../elsewhere"}, "expected a folder of its own"),
        ("a pooling", "lists no modules"),
    ],
)
def test_modules_that_are_not_known_are_refused(
    module: object,
    complaint: str,
    sentence_model: Path,
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "source"
    shutil.copytree(sentence_model, source)
    (source / "modules.json").write_text(json.dumps([module]))
    assert reduce(source, texts, tmp_path / "out") == 1
    said = capsys.readouterr().err.strip()
    assert complaint in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_a_module_whose_folder_is_missing_is_named(sentence_model: Path, tmp_path: Path) -> None:
    source = shutil.copytree(sentence_model, tmp_path / "source")
    for folder in source.glob("*_Normalize"):  # as in a repository, which keeps no empty folder
        shutil.rmtree(folder)
    find_companions(source, "source")
    shutil.rmtree(source / "1_Pooling")
    with pytest.raises(SmeltError, match=r"source: modules\.json names the module \S+Pooling in 1_Pooling, which is"):
        find_companions(source, "source")


def test_an_adapter_is_refused_by_name(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").write_text('{"base_model_name_or_path": "some/bert"}')
    (tmp_path / "adapter/adapter_model.safetensors").write_bytes(b"")
    assert reduce(tmp_path / "adapter", texts, tmp_path / "out") == 1
    assert "is an adapter (LoRA) of some/bert, not a model: merge it first" in capsys.readouterr().err


def test_adopting_takes_the_modules_along(sentence_model: Path, tmp_path: Path) -> None:
    source = json.dumps({"folder": str(sentence_model)})
    assert main(["adopt", "--source", source, "--output", str(tmp_path / "out")]) == 0
    lines = ["pata kimo", "bada"]
    before, after = SentenceTransformer(str(sentence_model)), SentenceTransformer(str(tmp_path / "out"))
    assert np.array_equal(before.encode(lines), after.encode(lines))
    assert "library_name: sentence-transformers" in (tmp_path / "out/README.md").read_text()
