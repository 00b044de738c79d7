"""`smelt pin`, against a server on this machine that answers as the hub does."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from smelt.__main__ import main
from smelt.errors import NO_INPUT, SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.revisions import read_revisions
from smelt.study.workflow import catalogue_of

SAFE, PICKLED, CONVERTED, STRANGERS = (digit * 40 for digit in "abcd")
FILES: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("org/safe-fr", "main"): (SAFE, ["config.json", "model.safetensors"]),
    ("org/sharded", "main"): (SAFE, ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]),
    ("org/old", "main"): (PICKLED, ["pytorch_model.bin", "onnx/model.safetensors"]),
    ("org/old", "refs/pr/2"): (CONVERTED, ["pytorch_model.bin", "model.safetensors"]),
    ("org/old", "refs/pr/5"): (STRANGERS, ["pytorch_model.bin", "model.safetensors"]),
    ("org/pickles", "main"): (PICKLED, ["pytorch_model.bin"]),
}
"""Of a model and a branch: the commit and its files."""
PROPOSED = {"org/old": [(5, "somebody"), (2, "SFconvertbot"), (1, "SFconvertbot")]}
"""Pull requests of a model, with their authors; the first of the bot has no files here, as if it were gone."""
STUDY = {
    "study": "small",
    "models": {
        "safe-{language}": {"maker": "adopt", "hub": "org/safe-{language}", "revision": "pinned", "each": ["fr"]},
        "sharded": {"maker": "adopt", "hub": "org/sharded", "revision": "pinned"},
        "old": {"maker": "adopt", "hub": "org/old", "revision": "pinned"},
        "again": {"maker": "adopt", "hub": "org/old", "revision": "pinned", "tokenizer": "faithful"},
        "inline": {"maker": "adopt", "hub": "org/unknown", "revision": "3f076fd"},
    },
}


class Hub(BaseHTTPRequestHandler):
    """The models above."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        name, rest = re.fullmatch(r"/api/models/([^/]+/[^/]+)/?(.*)", address.path).groups()  # type: ignore[union-attr]
        if rest == "discussions":
            requests = [
                {
                    "title": "Adding `safetensors` variant of this model",
                    "num": number,
                    "author": {"name": author},
                    "createdAt": "2023-01-01T00:00:00.000Z",
                    "status": "open",
                    "repo": {"name": name, "type": "model"},
                    "isPullRequest": True,
                }
                for number, author in PROPOSED.get(name, [])
            ]
            return self._answer(200, {"discussions": requests, "count": len(requests), "start": 0})
        branch = unquote(rest.removeprefix("revision/")) or "main"
        if (name, branch) not in FILES:
            return self._answer(404, {}, "RepoNotFound" if branch == "main" else "RevisionNotFound")
        commit, files = FILES[name, branch]
        return self._answer(200, {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]})

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def _answer(self, status: int, value: object, code: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for key, text in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(key, text)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def written(folder: Path, **models: object) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"models": models or STUDY["models"]}, sort_keys=False))
    return path


def pin(address: str, study: Path) -> subprocess.CompletedProcess[str]:
    # A process of its own, because the hub's client reads its address once, as it is imported.
    own = {"HF_ENDPOINT": address, "HF_HOME": str(study.parent / "cache"), "HF_HUB_OFFLINE": "0"}
    words = [sys.executable, "-m", "smelt", "pin", str(study)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | own, timeout=120)


def revisions_of(study: Path) -> dict[str, str | None]:
    return {name: getattr(model, "revision", None) for name, model in Catalogue.load(study).study.models.items()}


def test_commits_are_looked_up_once_and_belong_to_the_study(hub: str, tmp_path: Path) -> None:
    study = written(tmp_path)
    assert set(revisions_of(study).values()) == {"pinned", "3f076fd"}
    done = pin(hub, study)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"org/safe-fr: {SAFE} (main)",
        f"org/sharded: {SAFE} (main)",
        f"org/old: {CONVERTED} (refs/pr/2)",
    ]
    expected = {"safe-fr": SAFE, "sharded": SAFE, "old": CONVERTED, "again": CONVERTED, "inline": "3f076fd"}
    assert revisions_of(study) == expected
    assert catalogue_of([study], {}).study.models["old"].describe(Catalogue.load(study).study.definitions) == (
        f"org/old at {CONVERTED}",
        "",
    )
    assert pin("http://127.0.0.1:9", study).stdout == f"{study}: every model of the hub has its commit\n"


def test_commits_that_are_pinned_stay_when_others_are_added(hub: str, tmp_path: Path) -> None:
    (tmp_path / "revisions.yaml").write_text(f"org/old: {STRANGERS}\norg/elsewhere: {SAFE}\n")
    assert pin(hub, written(tmp_path)).returncode == 0
    expected = {"org/old": STRANGERS, "org/elsewhere": SAFE, "org/safe-fr": SAFE, "org/sharded": SAFE}
    assert read_revisions([tmp_path]) == expected


def test_what_has_no_commit_is_named_and_the_others_are_pinned(hub: str, tmp_path: Path) -> None:
    entry = {"maker": "adopt", "revision": "pinned"}
    names = {"a": "org/none", "b": "org/pickles", "c": "org/sharded"}
    done = pin(hub, written(tmp_path, **{model: entry | {"hub": hub_name} for model, hub_name in names.items()}))
    assert done.returncode == 1
    assert "2 of 3 not pinned: org/none: the hub has no such model, or it is private" in done.stderr
    assert "org/pickles: has no conversion of SFconvertbot to safetensors and no safetensors of its own" in done.stderr
    assert done.stderr.count("\n") == 1
    assert read_revisions([tmp_path]) == {"org/sharded": SAFE}


def test_a_hub_out_of_reach_writes_nothing(tmp_path: Path) -> None:
    done = pin("http://127.0.0.1:9", written(tmp_path))
    assert done.returncode == 1
    assert "3 of 3 not pinned: org/safe-fr: cannot be fetched from the hub" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "revisions.yaml").exists()


def test_a_study_without_its_commits_is_planned_and_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = written(tmp_path)
    assert main(["check", str(study)]) == NO_INPUT
    printed = capsys.readouterr()
    assert "no commit pinned: org/safe-fr and 2 more; `smelt pin <study file>` looks 3 models up" in printed.out
    assert "the file is right, but 3 sources are missing" in printed.err
    source = Catalogue.load(study).adopt.models["old"].chosen()
    assert main(["adopt", "--source", json.dumps(source), "--output", str(tmp_path / "out")]) == 1
    assert "org/old: no commit of it is pinned yet: `smelt pin <study file>`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- org/old\n", "expected `organisation/model: commit` lines, found list"),
        ("org/old: main\n", "org/old: expected a whole commit, 40 digits and letters a to f; found 'main'"),
        ("org/old: 3f076fd\n", "org/old: expected a whole commit"),
        ("org/old: [\n", "is not YAML"),
    ],
)
def test_a_wrong_file_of_revisions_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "revisions.yaml").write_text(text)
    with pytest.raises(SmeltError, match=f"revisions.yaml.*: {re.escape(complaint)}"):
        Catalogue.load(written(tmp_path))


def test_what_is_no_name_of_a_model_is_refused_as_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "revisions.yaml").write_text(f"org/old: {SAFE}\n")
    with pytest.raises(SmeltError, match=r"models\.a\.hub: expected .*; found"):
        Catalogue.load(written(tmp_path, a={"maker": "adopt", "hub": ["org/old"], "revision": "pinned"}))


def test_an_empty_file_of_revisions_pins_nothing(tmp_path: Path) -> None:
    (tmp_path / "revisions.yaml").write_text("# nothing yet\n")
    assert read_revisions([tmp_path]) == {}
