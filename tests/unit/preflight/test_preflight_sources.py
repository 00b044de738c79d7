"""Sources are looked for where jobs will look, and a licence is shown until it was read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hub_server import COMMIT, serve

from smelt.preflight import sources
from smelt.study.catalogue import Catalogue

TASK = """
title: Names
kind: token-classification
languages: [sw]
source: {folder: data, train: train.conll, validation: dev.conll, test: test.conll}
format: {conll: {word: 0, label: 1, scheme: iob2}}
metric: seqeval-f1
choose_on: validation
licence: LICENCE
cite: nobody
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def catalogue(study: str, licence: str = "MIT") -> Catalogue:
    Path("tasks").mkdir(exist_ok=True)
    Path("tasks/names.yaml").write_text(TASK.replace("LICENCE", licence))
    models = "models: {base: {maker: adopt, folder: base}}\nfinetuning: {seeds: [1]}"
    Path("study.yaml").write_text(f"study: small\n{models}\n{study}")
    return Catalogue.load("study.yaml")


def test_a_licence_is_shown_until_the_user_says_that_it_was_read() -> None:
    study = "tasks: [names]\n"
    (row,) = sources.licences(catalogue(study), read=False)
    assert row.state == "ok"
    (row,) = sources.licences(catalogue(study, "for research only"), read=False)
    assert (row.state, row.seen) == ("problem", "names: for research only")
    assert [row.state for row in sources.licences(catalogue(study, "for research only"), read=True)] == ["ok"]
    assert [row.state for row in sources.licences(catalogue(study, "for research only"), read=False)] == ["ok"]
    assert [row.state for row in sources.licences(catalogue(study, "for sale"), read=False)] == ["problem"]


@pytest.mark.parametrize(
    ("licence", "state"),
    [
        ("CC0 1.0", "ok"),
        ("CC BY-SA 4.0 (XQuAD), CC BY-SA 3.0 (MLQA, and more)", "ok"),
        ("Apache License 2.0", "ok"),
        ("free for any purpose; Google asks to be named as its source", "ok"),
        ("CC BY-NC 4.0", "problem"),
        ("CC BY 4.0 (labels); the articles are the BBC's", "problem"),
        ("no terms stated by the publisher", "problem"),
    ],
)
def test_licences_that_allow_any_use_need_not_be_acknowledged(licence: str, state: str) -> None:
    (row,) = sources.licences(catalogue("tasks: [names]\n", licence), read=False)
    assert row.state == state


def test_dumps_are_looked_for_on_their_mirrors() -> None:
    study = "corpora: {wiki: {wikipedia: {date: '20260101', languages: [sw], mirror: [mirror]}}}\n"
    (row,) = sources.dumps(catalogue(study))
    assert (row.check, row.state) == ("dumps", "problem")
    assert "mirror" in row.seen
    Path("resources/dumps/swwiki/20260101").mkdir(parents=True)
    assert [row.state for row in sources.dumps(catalogue(study))] == ["ok"]


@pytest.mark.parametrize(
    ("repository", "offline", "state", "seen"),
    [
        ("org/names", "0", "ok", "1 models and data sets can be had, 0 are in the cache"),
        ("org/bare", "0", "ok", "1 models and data sets can be had, 0 are in the cache"),
        ("org/absent", "0", "problem", "the hub has no such dataset"),
        ("org/names", "1", "problem", "is not in the cache, and HF_HUB_OFFLINE forbids to ask the hub"),
    ],
)
def test_the_hub_is_asked_for_what_is_not_in_the_cache(
    tmp_path: Path, repository: str, offline: str, state: str, seen: str
) -> None:
    (tmp_path / "hub/names").mkdir(parents=True)
    (tmp_path / "hub/bare").mkdir()  # a data set without a card
    (tmp_path / "hub/names/README.md").write_text("# Names\n")
    source = f"{{web: {{hub: {repository}, revision: {COMMIT}, configs: {{sw: sw}}}}}}"
    catalogue(f"corpora: {{web: {{datasets: {source}}}}}\n")
    server = serve(tmp_path / "hub")
    code = (
        "from smelt.preflight.sources import hub; from smelt.study.catalogue import Catalogue\n"
        "(row,) = hub(Catalogue.load('study.yaml')); print(row.state, row.seen, sep='|')"
    )
    own = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}", "HF_HUB_OFFLINE": offline}
    environment = os.environ | own | {"HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True)
    server.shutdown()
    server.server_close()
    found, _, line = done.stdout.strip().partition("|")
    assert found == state, done.stderr
    assert seen in line
