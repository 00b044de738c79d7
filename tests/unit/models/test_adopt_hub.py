"""Adopting from the hub, against a server on this machine that answers as the hub does."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from tests.hub_answers import HubAnswers
from transformers import BertConfig, BertForMaskedLM

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
EMBEDDER = {"modules.json": json.dumps(_MODULES).encode(), "1_Pooling/config.json": b'{"pooling_mode_cls_token": true}'}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


class Hub(HubAnswers):
    """org/tiny, with one commit; org/embedder, with a pooling; org/pickled, with pickles alone; org/gated, locked."""

    files: dict[str, bytes]
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        self.asked.append(self.path)
        if name == "org/gated":
            return self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        files = self.files
        if name == "org/pickled":
            files = {file.replace("model.safetensors", "pytorch_model.bin"): data for file, data in files.items()}
        elif name == "org/embedder":
            files = files | EMBEDDER
        elif name != "org/tiny":
            return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        if COMMIT not in parts and "3f076fd" not in parts:
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if "tree" in parts:
            return self._json([self._entry(name, data) for name, data in files.items()])
        if parts[0] == "api":
            return self._json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})
        data = files["/".join(parts[4:])]
        etag = hashlib.sha1(data).hexdigest()
        return self._answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET

    def _entry(self, name: str, data: bytes) -> dict[str, object]:
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("published")
    BertForMaskedLM(BertConfig(vocab_size=7, **SHAPE)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n")
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage: no\n---\n")
    Hub.files = {file.name: file.read_bytes() for file in folder.iterdir()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def smelt(address: str, folder: Path, *words: str, offline: bool = False) -> subprocess.CompletedProcess[str]:
    # A process of its own, because the hub's client reads its address once, as it is imported.
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": str(int(offline))}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=os.environ | own, timeout=300)


def adopt(
    address: str, name: str, revision: str, folder: Path, offline: bool = False
) -> subprocess.CompletedProcess[str]:
    source = json.dumps({"hub": name, "revision": revision})
    words = ["-m", "smelt", "adopt", "--source", source, "--output", str(folder / "out")]
    return smelt(address, folder, *words, offline=offline)


@pytest.mark.slow
def test_the_modules_of_a_sentence_model_are_fetched_too(hub: str, tmp_path: Path) -> None:
    done = adopt(hub, "org/embedder", COMMIT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / "out" / name).read_bytes() for name in EMBEDDER} == EMBEDDER


def test_a_model_is_fetched_at_its_commit(hub: str, tmp_path: Path) -> None:
    done = adopt(hub, "org/tiny", "3f076fd", tmp_path)
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert provenance["settings"] == {"hub": "org/tiny", "revision": "3f076fd", "commit": COMMIT}
    card = (tmp_path / "out/README.md").read_text()
    assert "base_model: org/tiny" in card
    assert "license: mit" in card
    assert "- 'no'" in card


def test_a_tokenizer_is_inspected_without_its_weights(hub: str, tmp_path: Path) -> None:
    asked = len(Hub.asked)
    words = ["-m", "smelt", "inspect", "org/tiny", "--revision", "3f076fd", "--output", str(tmp_path / "out")]
    done = smelt(hub, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "org/tiny: 7 pieces, WordPiece" in done.stdout
    assert not any("safetensors" in path for path in Hub.asked[asked:])


def test_a_model_fetched_once_is_found_again_without_the_hub(hub: str, tmp_path: Path) -> None:
    fetch = f"from smelt.model_folder import fetch; print(fetch('org/tiny', '{COMMIT}'))"
    folders = [smelt(hub, tmp_path, "-c", fetch, offline=offline).stdout.strip() for offline in (False, True)]
    assert Path(folders[0], "model.safetensors").is_file()
    assert folders[0] == folders[1]


@pytest.mark.slow
def test_a_repository_with_pickles_alone_is_refused_and_they_are_not_fetched(hub: str, tmp_path: Path) -> None:
    Hub.asked.clear()
    done = adopt(hub, "org/pickled", COMMIT, tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        f"smelt: org/pickled at {COMMIT}: has no *.safetensors, but weights as pickles, which can run"
    )
    assert "`smelt pin <study file>` finds the hub's conversion to safetensors" in last
    assert (
        "write `revision: pinned` in a study, and `smelt pin <study file>` finds the hub's conversion to safetensors"
        in last
    )
    assert any("config.json" in path for path in Hub.asked)
    assert not any("pytorch_model.bin" in path for path in Hub.asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "revision", "complaint"),
    [
        ("org/none", COMMIT, "the hub has no such model"),
        ("org/tiny", "a" * 40, "no such revision"),
        ("org/gated", COMMIT, "is gated"),
        ("a/b/c", COMMIT, "is no name of a model"),
    ],
)
def test_what_the_hub_refuses_is_reported_in_one_line(
    hub: str, tmp_path: Path, name: str, revision: str, complaint: str
) -> None:
    done = adopt(hub, name, revision, tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"smelt: {name} at {revision}: ")
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_hub_that_may_not_be_asked_is_reported_in_one_line(hub: str, tmp_path: Path) -> None:
    done = adopt(hub, "org/tiny", COMMIT, tmp_path, offline=True)
    assert done.returncode == 1
    assert "is not whole in the hub's cache, and HF_HUB_OFFLINE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
