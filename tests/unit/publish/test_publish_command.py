"""`smelt publish` by the hub's own client, to a server on this machine that takes models as the hub does."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tests.hub_uploads import TOKEN, ModelHub, Repository, serve
from tests.unit.publish.published_study import STUDY


@pytest.fixture
def hub() -> Iterator[str]:
    server = serve()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def python(root: Path, address: str, *words: str, **own: str) -> subprocess.CompletedProcess[str]:
    # A process of its own, because the hub's client reads its address once, as it is imported. The stand-in has no Xet.
    hub = {"HF_ENDPOINT": address, "HF_HOME": str(root / "cache"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    places = os.environ | hub | {"PYTHONPATH": str(Path(__file__).parents[3] / "workflow"), "HF_TOKEN": TOKEN} | own
    return subprocess.run([sys.executable, *words], cwd=root, capture_output=True, text=True, env=places, timeout=300)


def publish(root: Path, address: str, *words: str, **own: str) -> subprocess.CompletedProcess[str]:
    return python(root, address, "-m", "smelt", "publish", "tiny.yaml", *words, **own)


@pytest.mark.slow
def test_a_model_is_sent_whole_and_used_as_its_card_says(made: Path, hub: str) -> None:
    before = {path: path.read_bytes() for path in made.glob("results/**/*") if path.is_file()}
    done = publish(made, hub, "small", "--to", "me/model", "--upload", "--message", "The first")
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    sent = ModelHub.repositories["me/model"]
    assert (sent.private, sent.messages) == (True, ["The first"])
    assert sorted(sent.files) == sorted(set(re.findall(r"^ +[\d,]+  (\S+\.\S+)$", done.stdout, re.MULTILINE)))
    assert sent.files["model.safetensors"] == (made / "results/tiny/models/small/model.safetensors").read_bytes()
    card = ModelCard(sent.files["README.md"].decode())
    assert (card.data.license, card.data.model_name) == ("cc-by-sa-4.0", "model")
    assert before == {path: path.read_bytes() for path in made.glob("results/**/*") if path.is_file()}
    # The lines of the card, pasted: the model comes from the hub.
    code = re.search(r"## Use\n\n```python\n(.*?)\n```", card.text, re.DOTALL)
    assert code is not None
    assert '"me/model"' in code[1]
    used = python(made, hub, "-c", code[1])
    assert used.returncode == 0, used.stderr
    assert len(used.stdout.splitlines()) == 5
    # And of the folder, with its path in the place of the name on the hub.
    done = publish(made, hub, "small", "--to", "me/model", "--folder", "out")
    assert done.returncode == 0, done.stderr
    again = python(made, hub, "-c", code[1].replace("me/model", "out"), HF_HUB_OFFLINE="1")
    assert again.stdout == used.stdout
    assert "written: out" in done.stdout


def test_without_upload_nothing_is_sent_and_what_is_missing_is_named(made: Path, hub: str) -> None:
    done = publish(made, hub, "student", "--to", "me/model", HF_TOKEN="", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert ModelHub.repositories == {}
    for line in (
        "left out: .snakemake_timestamp",
        "missing: licence: No licence is stated, because they differ",
        "missing: scores: it was tested on no task here",
        "Nothing was sent: `--upload` sends it.",
    ):
        assert line in done.stdout


def test_a_repository_with_files_is_replaced_only_if_asked(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(True, {"README.md": b"old", "notes.md": b"mine"})
    done = publish(made, hub, "small", "--to", "me/model", "--upload")
    assert done.returncode == 1
    assert done.stderr == (
        "smelt: me/model: holds files already (README.md, notes.md): `--update` replaces those of the same names\n"
    )
    assert ModelHub.repositories["me/model"].files == {"README.md": b"old", "notes.md": b"mine"}
    done = publish(made, hub, "small", "--to", "me/model", "--upload", "--update")
    assert done.returncode == 0, done.stderr
    assert "stays in the repository: notes.md" in done.stdout
    assert ModelHub.repositories["me/model"].files["README.md"].startswith(b"---\nlanguage:")


def test_what_is_public_needs_a_word(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(private=False)
    done = publish(made, hub, "small", "--to", "me/model", "--upload")
    assert done.stderr == "smelt: me/model: is public already: `--public` publishes there\n"
    assert ModelHub.repositories["me/model"].files == {}
    done = publish(made, hub, "small", "--to", "me/other", "--upload", "--public")
    assert done.returncode == 0, done.stderr
    assert ModelHub.repositories["me/other"].private is False
    assert "(public)" in done.stdout


def test_files_of_a_branch_are_replaced_only_if_asked(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(True, branches={"old": {"README.md": b"old"}})
    to_branch = ("small", "--to", "me/model", "--upload", "--revision", "old")
    done = publish(made, hub, *to_branch)
    assert done.stderr == (
        "smelt: me/model, branch old: holds files already (README.md): `--update` replaces those of the same names\n"
    )
    assert ModelHub.repositories["me/model"].branches == {"old": {"README.md": b"old"}}
    assert publish(made, hub, *to_branch, "--update").returncode == 0
    found = ModelHub.repositories["me/model"]
    assert (len(found.branches["old"]) > 1, found.files) == (True, {})


def test_a_new_branch_takes_nothing_from_the_main_one(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(True, {"README.md": b"old", "notes.md": b"mine"})
    done = publish(made, hub, "small", "--to", "me/model", "--upload", "--revision", "new")
    assert done.returncode == 0, done.stderr
    assert "stays in the repository: notes.md" in done.stdout
    found = ModelHub.repositories["me/model"]
    assert found.files == {"README.md": b"old", "notes.md": b"mine"}
    assert found.branches["new"]["README.md"].startswith(b"---\nlanguage:")


def test_what_came_in_between_is_not_replaced(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(True, changed_meanwhile=True)
    done = publish(made, hub, "small", "--to", "me/model", "--upload")
    said = "smelt: me/model: was changed by somebody else in the meantime: look at it, and run again"
    assert done.stderr.splitlines()[-1] == said  # below the progress of the upload
    assert ModelHub.repositories["me/model"].files == {"theirs.md": b"theirs"}


def test_a_gated_repository_is_refused(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(False, {"README.md": b"old"}, gated=True)
    done = publish(made, hub, "small", "--to", "me/model", "--upload")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("smelt: me/model: is gated, and the token of HF_TOKEN has no access")
    assert ModelHub.repositories["me/model"].files == {"README.md": b"old"}


def test_a_private_repository_is_not_taken_for_a_public_one(made: Path, hub: str) -> None:
    ModelHub.repositories["me/model"] = Repository(private=True)
    done = publish(made, hub, "small", "--to", "me/model", "--upload", "--public")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("smelt: me/model: is private, and `--public` does not change that")
    assert ModelHub.repositories["me/model"].files == {}


def test_no_licence_is_published_only_if_said_so(made: Path, hub: str) -> None:
    done = publish(made, hub, "student", "--to", "me/model", "--upload")
    assert done.returncode == 1
    assert "Nothing was sent: set `licence` of the model or of the study, or say --no-licence" in done.stderr
    assert ModelHub.repositories == {}
    done = publish(made, hub, "student", "--to", "me/model", "--upload", "--no-licence")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "own", "code", "said"),
    [
        (
            ["--to", "me/model"],
            {"HF_TOKEN": ""},
            1,
            "--upload: HF_TOKEN is not set: expected a token with write access",
        ),
        (["--to", "me/model"], {"HF_HUB_OFFLINE": "1"}, 1, "--upload: HF_HUB_OFFLINE forbids to ask the hub: unset it"),
        (["--to", "me/model"], {"HF_TOKEN": "hf_wrong"}, 1, "me/model: the hub does not accept the token of HF_TOKEN"),
        (["--to", "you/model"], {}, 1, "you/model: the token of HF_TOKEN may not write there"),
        (["--to", "model"], {}, 1, "--to: expected owner/name, a repository on the hub; found 'model'"),
        (["--to", "me/model"], {"HF_ENDPOINT": "http://127.0.0.1:9"}, 74, "me/model: the hub cannot be reached"),
    ],
)
def test_a_hub_that_refuses_is_one_line(
    made: Path, hub: str, words: list[str], own: dict[str, str], code: int, said: str
) -> None:
    done = publish(made, hub, "small", *words, "--upload", **own)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert done.stderr.startswith(f"smelt: {said}")
    assert ModelHub.repositories == {}


def test_a_hub_without_xet_is_named_with_the_way_around_it(made: Path, hub: str) -> None:
    done = publish(made, hub, "small", "--to", "me/model", "--upload", HF_HUB_DISABLE_XET="0")
    said = "smelt: me/model: Xet, the storage of the hub, cannot be reached (Network error: Request error: HTTP status "
    assert done.returncode == 74
    assert done.stderr.splitlines()[-1].startswith(said)
    assert done.stderr.splitlines()[-1].endswith("HF_HUB_DISABLE_XET=1 does without Xet, for a server that has none")
    assert ModelHub.repositories["me/model"].files == {}


def test_a_folder_that_is_not_empty_stays(made: Path, hub: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = publish(made, hub, "small", "--to", "me/model", "--folder", str(tmp_path))
    assert done.stderr == f"smelt: {tmp_path}: is not empty: expected a new folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (made / "tiny.yaml").read_text() == STUDY
