"""Models of others are loaded without running code of theirs, and without a question on the terminal."""

import ast
import bz2
import gzip
import json
import lzma
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import torch
import yaml
from transformers import AutoModel, BertConfig, BertForMaskedLM

from smelt import data_files, files
from smelt.__main__ import main
from smelt.companions import find_companions
from smelt.errors import SmeltError
from smelt.finetuning.embedder import load_embedder
from smelt.hub import HubRequest, local_files
from smelt.models.vocabulary.texts import texts_by_language, write_languages
from smelt.pretrained import refuse_files_elsewhere
from smelt.study.finetuning import FinetuningSettings

ROOT = Path(__file__).parents[2]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "pata", "kama", "##er", "."]
TERMS = {"TERMS", "WEIGHTS"}
RUN = "open({!r}, 'w').close()\n"


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def model_with_code(folder: Path, kind: str) -> Path:
    """Write a tiny BERT that names classes of a file beside it, which leaves a mark where it is run."""
    torch.manual_seed(3)
    BertForMaskedLM(BertConfig(vocab_size=len(WORDS), **SHAPE)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    (folder / "own.py").write_text(RUN.format(str(folder.parent / "run")))
    names = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForMaskedLM"), "own.Own")
    change(folder / "config.json", model_type=kind, auto_map=names)
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", None]})
    return folder


def answer_yes(words: list[str]) -> tuple[int, str]:
    """Run smelt on a terminal that says yes to whatever is asked; return the exit code and all that it printed."""
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n" * 9)
    done = subprocess.run(
        [sys.executable, "-m", "smelt", *words],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    return done.returncode, done.stdout


@pytest.mark.parametrize("command", ["adopt", "reduce", "efficiency", "export"])
def test_code_of_a_model_is_never_run_whatever_the_terminal_answers(tmp_path: Path, command: str) -> None:
    model = model_with_code(tmp_path / "model", "own")
    (tmp_path / "text").write_text("pata kama .\n" * 40)
    words = {
        "adopt": ["--source", json.dumps({"folder": str(model)})],
        "reduce": ["--model", str(model), "--corpus", f"qaa={tmp_path / 'text'}"],
        "export": ["--source", str(model), "--settings", '{"format": "onnx"}'],
        "efficiency": ["--models", str(model)],
    }[command]
    code, printed = answer_yes([command, *words, "--output", str(tmp_path / "made")])
    assert code == 1
    assert "[y/N]" not in printed
    assert not (tmp_path / "run").exists()
    assert list((tmp_path / "made").rglob("*")) == []
    assert "loads only with code of its own (auto_map in config.json and tokenizer_config.json)" in printed


def test_an_embedding_model_asks_nothing_and_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_with_code(tmp_path / "model", "own")
    kind = "sentence_transformers.models.Transformer"
    (model / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]))
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "y")
    with pytest.raises(SmeltError, match="loads only with code of its own"):
        load_embedder(model, FinetuningSettings())
    assert asked == []
    assert not (tmp_path / "run").exists()


def test_a_model_that_transformers_has_itself_loads_without_its_code(tmp_path: Path) -> None:
    model = model_with_code(tmp_path / "model", "bert")
    code, printed = answer_yes(
        ["adopt", "--source", json.dumps({"folder": str(model)}), "--output", f"{tmp_path}/made"]
    )
    assert code == 0, printed
    assert "config.json and tokenizer_config.json name code of its own, which is not run" in printed
    assert not (tmp_path / "run").exists()
    held = [(tmp_path / "made" / name).read_text() for name in ("config.json", "tokenizer_config.json")]
    assert "auto_map" not in "".join(held)  # for the files that it names stay behind
    assert AutoModel.from_pretrained(tmp_path / "made").config.model_type == "bert"


def calls_of_loaders(tree: ast.Module) -> list[ast.Call]:
    """Return the calls that read a folder as a model; a sentence-transformers model put together here reads none."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    by_name = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "SentenceTransformer"]
    return [
        *(call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "from_pretrained"),
        *(call for call in by_name if not any(keyword.arg == "modules" for keyword in call.keywords)),
    ]


def test_every_loader_is_called_on_our_terms() -> None:
    found = [
        (path.name, call)
        for path in (ROOT / "workflow/smelt").rglob("*.py")
        for call in calls_of_loaders(ast.parse(path.read_text()))
    ]
    free = [
        f"{name}:{call.lineno}"
        for name, call in found
        if not any(each.arg is None and ast.unparse(each.value) in TERMS for each in call.keywords)
    ]
    assert len(found) > 8
    assert free == []


def bert(folder: Path) -> Path:
    """Write a tiny BERT that names no code."""
    model = model_with_code(folder, "bert")
    for name in ("config.json", "tokenizer_config.json"):
        change(model / name, auto_map={})
    return model


@pytest.mark.parametrize("name", ["LICENSE", "model.safetensors", "vocab.txt", "1_Pooling"])
def test_a_link_out_of_a_model_s_folder_is_refused_by_name(tmp_path: Path, capsys: Any, name: str) -> None:
    model, private = bert(tmp_path / "model"), tmp_path / "private"
    if (model / name).exists():
        (model / name).rename(private)
    else:
        private.write_text("my key")
    (model / name).symlink_to(private)
    assert main(["adopt", "--source", json.dumps({"folder": str(model)}), "--output", str(tmp_path / "made")]) == 1
    assert f"its {name} is a link to {private}, out of the folder" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_links_of_the_hub_s_cache_to_its_own_files_are_followed(tmp_path: Path) -> None:
    snapshot = bert(tmp_path / "models--org--tiny" / "snapshots" / "abc")
    blobs = tmp_path / "models--org--tiny" / "blobs"
    blobs.mkdir()
    for path in sorted(snapshot.glob("*.*")):
        path.rename(blobs / path.name)
        path.symlink_to(Path("../../blobs") / path.name)
    words = ["adopt", "--source", json.dumps({"folder": str(snapshot)}), "--output", str(tmp_path / "made")]
    assert main(words) == 0
    assert (tmp_path / "made/model.safetensors").is_file()
    assert [path for path in (tmp_path / "made").rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize("out", ["../private.jsonl", "{folder}/private.jsonl"])
def test_a_data_set_whose_card_names_files_elsewhere_is_refused(tmp_path: Path, out: str) -> None:
    (tmp_path / "private.jsonl").write_text('{"text": "mine"}\n')
    (tmp_path / "set").mkdir()
    split = {"split": "train", "path": out.format(folder=tmp_path)}
    card = yaml.safe_dump({"configs": [{"config_name": "one", "data_files": [split]}]})
    (tmp_path / "set/README.md").write_text(f"---\n{card}---\n")
    request = HubRequest(str(tmp_path / "set"), None, "one", "study.yaml")
    with pytest.raises(SmeltError, match=r"its README.md names .*private.jsonl, out of it"):
        local_files(request, "train")


def test_no_archive_is_unpacked_and_no_pickle_of_others_is_read() -> None:
    """smelt reads single files; its own pickles pass between its own processes and never lie on a disk afterwards."""
    named: dict[str, set[str]] = {}
    for path in (ROOT / "workflow/smelt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if call in ("torch.load", "pickle.load", "pickle.loads", "joblib.load") or "unpack_archive" in call:
                named.setdefault(call, set()).add(path.name)
            if call == "torch.load":
                assert any(each.arg == "weights_only" and ast.unparse(each.value) == "True" for each in node.keywords)
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not {"tarfile", "zipfile"}.intersection(names), path.name
    assert named.pop("pickle.load") == {"articles.py", "extractor.py", "worker.py"}
    assert named == {"torch.load": {"checkpoints.py"}}


def test_a_module_whose_weights_are_a_pickle_is_refused(tmp_path: Path) -> None:
    model, kind = bert(tmp_path / "model"), "sentence_transformers.models."
    modules = [{"path": "", "type": f"{kind}Transformer"}, {"path": "1_Dense", "type": f"{kind}Dense"}]
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "1_Dense").mkdir()
    torch.save({}, model / "1_Dense/pytorch_model.bin")
    with pytest.raises(
        SmeltError, match=r"1_Dense has no model.safetensors; pickles such as pytorch_model.bin can run"
    ):
        find_companions(model, "model")


def test_shards_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    index = {"weight_map": {"weight": "../private.safetensors"}}
    (bert(tmp_path / "model") / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SmeltError, match=r"names '../private.safetensors': expected a file of the folder itself"):
        refuse_files_elsewhere(tmp_path / "model", "model")


def test_no_parquet_is_kept_in_memory_as_it_is_read() -> None:
    """pyarrow's `pre_buffer` keeps all that was read, so that the memory grows with the file."""
    calls = [
        (path.name, {each.arg: ast.unparse(each.value) for each in node.keywords})
        for path in (ROOT / "workflow/smelt").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "ParquetFile"
    ]
    assert len(calls) > 5
    assert [name for name, options in calls if options.get("pre_buffer") != "False"] == []


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": partial(pyarrow.compress, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("name", [*(f"text{suffix}" for suffix in PACKED), "rows.jsonl.gz", "rows.jsonl.zst"])
def test_an_endless_line_is_refused_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in (files, data_files):
        monkeypatch.setattr(module, "LONGEST_LINE", 1000)
    row = '{"text": "%s"}\n' if name.startswith("rows") else "%s\n"
    lines = (row % "pata kama" + row % ("a" * 11_000_000)).encode()  # more than the library reads at once
    (tmp_path / name).write_bytes(PACKED[Path(name).suffix](lines))
    with pytest.raises(SmeltError, match=r":2: is a line of more than 1,000 bytes"):
        write_languages(texts_by_language([f"qaa={tmp_path / name}"], None), tmp_path / "made", 0.5, 1)
