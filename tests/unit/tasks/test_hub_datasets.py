"""Data sets of the hub, by the `datasets` library: from a cache in the hub's layout, with the hub out of reach."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha1
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hub_cache import OTHER, REVISION, SENTIMENT, prepare, snapshot
from tests.hub_answers import HubAnswers

from smelt.tasks.splits import SPLITS

TASK = f"""
title: Invented entities
kind: token-classification
languages: [fr, "no"]
source:
  hub: unimelb-nlp/wikiann
  revision: {REVISION}
  config: "{{{{language}}}}"
  train: {{{{split: train}}}}
  validation: {{{{split: validation}}}}
  test: {{{{split: test}}}}
format:
  columns: {{{{words: tokens, labels: ner_tags, scheme: iob2}}}}
metric: seqeval-f1
licence: none
cite: nobody
"""
NAMES = ["O", "B-PER", "I-PER"]
ROWS = [(["Ana", "Lee", "a"], [1, 2, 0]), (["Le", "Jo"], [0, 1])]


def card(configs: Iterable[str] = ("fr", "no"), rows: int | None = 2) -> str:
    """Return the card of a data set, as the hub writes it: files, features and sizes of each configuration."""
    files = [
        {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}-*"} for split in SPLITS]}
        for name in configs
    ]
    tags = {"name": "ner_tags", "list": {"class_label": {"names": dict(enumerate(NAMES))}}}
    features = [{"name": "tokens", "list": "string"}, tags]
    sizes = [{"name": split, "num_bytes": 1, "num_examples": rows} for split in SPLITS]
    infos = [
        {"config_name": name, "features": features} | ({"splits": sizes} if rows is not None else {})
        for name in configs
    ]
    return f"---\n{json.dumps({'configs': files, 'dataset_info': infos})}\n---\n# WikiANN\n"


def write_rows(path: Path, rows: list[tuple[list[str], list[int]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"tokens": [words for words, _ in rows], "ner_tags": [tags for _, tags in rows]}
    parquet.write_table(arrow.table(columns), path)


def cache_wikiann(folder: Path, **of_card: Any) -> None:
    (folder / "README.md").write_text(card(**of_card))
    for language in ("fr", "no"):
        for split in SPLITS:
            rows = [([*words, language, split], [*tags, 0, 0]) for words, tags in ROWS]
            for number, row in enumerate(rows):
                write_rows(folder / language / f"{split}-0000{number}-of-00002.parquet", [row])


def test_a_cached_data_set_is_read_by_configuration_and_split_with_the_names_of_its_labels(write_task, home, tmp_path):
    cache_wikiann(snapshot(home))
    assert prepare(write_task, tmp_path / "out", TASK) == 0
    rows = parquet.read_table(tmp_path / "out" / "validation.parquet").to_pylist()
    assert [(row["language"], row["words"], row["labels"]) for row in rows] == [
        (language, [*words, language, "validation"], [*(NAMES[tag] for tag in tags), "O", "O"])
        for language in ("fr", "no")
        for words, tags in ROWS
    ]
    description = json.loads((tmp_path / "out" / "task.json").read_text())
    assert description["labels"] == sorted(NAMES)
    sources = [source["file"] for source in description["splits"]["train"]["sources"]]
    assert sources == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"] * 2


def test_a_share_of_a_split_can_be_held_out(write_task, home, tmp_path):
    cache_wikiann(snapshot(home))
    changes = {
        "train: {{split: train}}": "train: {{split: train, take: [0, 0.5]}}",
        "validation: {{split: validation}}": "validation: {{split: train, take: [0.5, 1]}}",
    }
    text = TASK
    for old, new in changes.items():
        text = text.replace(old, new)
    assert prepare(write_task, tmp_path / "out", text) == 0
    splits = json.loads((tmp_path / "out" / "task.json").read_text())["splits"]
    assert [splits[split]["examples"] for split in SPLITS] == [2, 2, 4]


class Hub(HubAnswers):
    """A server that answers as the hub does: one data set, unimelb-nlp/wikiann, at one commit."""

    folder: Path
    fetched: list[str]

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        listed = parts[0] == "api"
        if parts[2 if listed else 1 :][:2] != ["unimelb-nlp", "wikiann"]:
            return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        if REVISION not in parts:
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        files = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        if listed and "tree" in parts:
            return self._json([self._entry(name, path.read_bytes()) for name, path in files.items()])
        if listed:
            return self._json({"id": "x/y", "sha": REVISION, "siblings": [{"rfilename": name} for name in files]})
        name = "/".join(parts[parts.index(REVISION) + 1 :])
        if name not in files:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION})
        data = files[name].read_bytes()
        self.fetched.append(name)
        return self._answer(200, data, {"ETag": f'"{sha1(data).hexdigest()}"', "X-Repo-Commit": REVISION})

    do_HEAD = do_GET

    def _entry(self, name: str, data: bytes) -> dict[str, object]:
        return {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    Hub.folder, Hub.fetched = tmp_path / "published", []
    Hub.folder.mkdir()
    cache_wikiann(Hub.folder, configs=("fr", "no", "sw"))
    for split in SPLITS:
        write_rows(Hub.folder / "sw" / f"{split}-00000-of-00001.parquet", ROWS)
    (Hub.folder / "wikiann.py").write_text("raise SystemExit('run')\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.slow
def test_only_the_files_of_the_configurations_are_fetched_and_once(write_task, tmp_path, address):
    tasks = write_task(TASK)
    command = [sys.executable, "-m", "smelt", "task", "--name", "sample", "--folder", tasks, "--output"]
    hub = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
    for name, offline in (("first", "0"), ("second", "1")):
        run = subprocess.run([*command, tmp_path / name], env=hub | {"HF_HUB_OFFLINE": offline}, capture_output=True)
        assert run.returncode == 0, run.stderr
    assert {name.partition("/")[0] for name in Hub.fetched} == {"README.md", "fr", "no"}
    written = [parquet.read_table(tmp_path / name / "train.parquet").to_pylist() for name in ("first", "second")]
    assert written[0] == written[1]
    assert len(written[0]) == 4
    (tasks / "sample.yaml").write_text(TASK.format().replace(REVISION, OTHER))
    online = hub | {"HF_HUB_OFFLINE": "0"}
    run = subprocess.run([*command, tmp_path / "third"], env=online, capture_output=True, text=True)
    found = f"source.hub: unimelb-nlp/wikiann at {OTHER}: the hub has the data set but no such revision"
    assert (run.returncode, run.stderr) == (
        1,
        f"smelt: {tasks}/sample.yaml: {found}: expected a commit of its history\n",
    )


@pytest.mark.slow
def test_the_cache_of_hf_home_is_the_one_that_is_read(write_task, tmp_path):
    cache_wikiann(snapshot(tmp_path / "home"))
    tasks = write_task(TASK)
    command = [sys.executable, "-m", "smelt", "task", "--name", "sample", "--folder", tasks, "--output"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    for home, code in (("home", 0), ("empty", 1)):
        run = subprocess.run(
            [*command, tmp_path / home / "out"],
            env=environment | {"HF_HOME": str(tmp_path / home)},
            capture_output=True,
            text=True,
        )
        assert run.returncode == code, run.stderr
    (line,) = run.stderr.splitlines()
    address = f"smelt: {tasks}/sample.yaml: source.hub: unimelb-nlp/wikiann at {REVISION}"
    assert line.startswith(f"{address}: is not whole in the hub's cache, and HF_HUB_OFFLINE forbids")


def without(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def without_sizes(folder: Path) -> None:
    (folder / "README.md").write_text(card(rows=None))
    (folder / "fr" / "test-00001-of-00002.parquet").unlink()


def broken(folder: Path) -> None:
    (folder / "fr" / "train-00000-of-00002.parquet").write_text("a page that says: try again later")


@pytest.mark.parametrize(
    ("spoil", "changes", "expected"),
    [
        (
            without(),
            {REVISION: OTHER},
            f"unimelb-nlp/wikiann at {OTHER}: is not whole in the hub's cache",
        ),
        (without(), {'"{language}"': "fi-{language}"}, "wikiann has no configuration 'fi-fr': expected one of fr, no"),
        (without(), {"  config: ": "  # "}, "source.train: expected {language} in the name, or a language column"),
        (without(), {"split: test": "split: tests"}, "configuration fr, has no split 'tests': expected one of train,"),
        (
            without(*(f"no/test-0000{number}-of-00002.parquet" for number in range(2))),
            {},
            "configuration no, split test: its files are not in the cache, and the hub is out of reach",
        ),
        (without("fr/test-00001-of-00002.parquet"), {}, "1 of 2 files, test-00001-of-00002.parquet the first, are not"),
        (without_sizes, {}, "configuration fr, split test: 1 of 2 files, test-00001"),
        (broken, {}, "unimelb-nlp/wikiann/fr/train: cannot be read: "),
        (
            lambda folder: cache_wikiann(folder, rows=3),
            {},
            "unimelb-nlp/wikiann/fr/train: has 2 rows; its card counts 3",
        ),
        (without(), {"ner_tags": "tags"}, "unimelb-nlp/wikiann/fr/train, row 1: lacks column 'tags': it has tokens"),
    ],
)
def test_a_data_set_that_is_not_as_expected_is_refused_in_one_line(
    write_task, home, tmp_path, capsys, spoil, changes, expected
):
    folder = snapshot(home)
    cache_wikiann(folder)
    spoil(folder)
    assert prepare(write_task, tmp_path / "out", TASK, **changes) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_another_commit_in_the_cache_is_not_taken_for_the_one_that_is_asked_for(write_task, home, tmp_path, capsys):
    cache_wikiann(snapshot(home))
    assert prepare(write_task, tmp_path / "first", TASK) == 0
    assert prepare(write_task, tmp_path / "second", TASK, **{REVISION: OTHER}) == 1
    assert f"at {OTHER}: is not whole in the hub's cache" in capsys.readouterr().err


def test_a_script_of_the_repository_is_neither_run_nor_in_the_way(write_task, home, tmp_path):
    folder = snapshot(home)
    cache_wikiann(folder)
    (folder / "wikiann.py").write_text("raise SystemExit('run')\n")
    assert prepare(write_task, tmp_path / "out", TASK) == 0


def test_json_lines_are_found_by_the_names_of_their_files_where_the_card_names_none(write_task, home, tmp_path):
    folder = snapshot(home, repository="SetFit/sst5")
    (folder / "README.md").write_text("# Stanford Sentiment Treebank\n")
    for name in ("train", "dev", "test"):
        rows = [{"text": f"{name} {word}", "label": 4, "label_text": f"very {word}"} for word in ("good", "bad")]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert prepare(write_task, tmp_path / "out", SENTIMENT) == 0
    rows = parquet.read_table(tmp_path / "out" / "validation.parquet").to_pylist()
    assert [(row["text"], row["label"]) for row in rows] == [("dev good", "very good"), ("dev bad", "very bad")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split: test}": "split: test, file: a}"}, "source.test: expected a file, or a split of the hub's data set"),
        ({"{split: test}": "{take: [0, 1]}"}, "source.test: expected a file, or a split of the hub's data set"),
        (
            {"split: test}": "split: test, folder: x}"},
            "folder: has no effect beside a split of the hub's data set; leave it out",
        ),
        (
            {"  hub: SetFit/sst5\n": "  folder: x\n", f"  revision: {REVISION}\n": ""},
            "train.split: expected with hub only",
        ),
        (
            {
                "{split: train}": "a",
                "{split: validation}": "a",
                "{split: test}": "a",
                "revision": "config: x\n  revision",
            },
            "config: has no effect where no split of the hub's data set is named; leave it out",
        ),
        (
            {"columns: {text: text, label: label_text}": "label-text: {separator: ','}"},
            "source.train.split: a data set on the hub has rows: expected the format",
        ),
    ],
)
def test_keys_of_a_hub_data_set_that_do_not_go_together_are_refused(write_task, tmp_path, capsys, changes, expected):
    assert prepare(write_task, tmp_path / "out", SENTIMENT, **changes) == 1
    assert expected in capsys.readouterr().err


# ---- Retrieval: judgements, corpus and queries are configurations, as in mteb's sets

SEARCH = f"""
title: Invented queries
kind: retrieval
languages: [sw]
source:
  hub: mteb/invented
  revision: {REVISION}
  config: "{{{{language}}}}-qrels"
  codes: {{{{sw: swahili}}}}
  test: {{{{split: test}}}}
format:
  beir: {{{{}}}}
metric: ndcg-at-10
licence: none
cite: nobody
"""


def cache_search(folder: Path, corpus: str = "swahili-corpus") -> None:
    """Write a set as mteb lays it out: the corpus has a split of another name, and the queries a further one."""
    held = {"swahili-qrels": ["test"], corpus: ["train"], "swahili-queries": ["dev", "test"]}
    files = [
        {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}.jsonl"} for split in splits]}
        for name, splits in held.items()
    ]
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': files})}\n---\n")
    rows = {
        "swahili-qrels/test": [{"query-id": 1, "corpus-id": "a#1", "score": 1}],
        f"{corpus}/train": [
            {"_id": "a#1", "title": "Mji", "text": "Dodoma"},
            {"_id": "a#2", "title": "", "text": "Ziwa"},
        ],
        "swahili-queries/dev": [{"_id": "7", "text": "Nani?"}],
        "swahili-queries/test": [{"_id": 1, "text": "Mji gani?"}],
    }
    for name, own in rows.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))


def test_a_set_of_mteb_is_found_by_its_configurations_and_has_a_test_split_alone(write_task, home, tmp_path, capsys):
    cache_search(snapshot(home, repository="mteb/invented"))
    assert prepare(write_task, tmp_path / "out", SEARCH) == 0
    (row,) = parquet.read_table(tmp_path / "out" / "test.parquet").to_pylist()
    assert (row["id"], row["text"], row["relevant"]) == ("1", "Mji gani?", [{"passage": "a#1", "grade": 1}])
    held = parquet.read_table(tmp_path / "out" / "passages.parquet").to_pylist()
    assert [(row["split"], row["id"], row["text"]) for row in held] == [
        ("test", "a#1", "Mji Dodoma"),
        ("test", "a#2", "Ziwa"),
    ]
    assert len(parquet.read_table(tmp_path / "out" / "train.parquet")) == 0
    description = json.loads((tmp_path / "out" / "task.json").read_text())
    assert [len(description["splits"][split]["sources"]) for split in SPLITS] == [0, 0, 3]
    said = capsys.readouterr().out
    assert "test: 1 example" in said
    assert "train" not in said.replace(str(tmp_path), "")
    assert "validation" not in said


def test_a_set_without_a_corpus_is_one_line(write_task, home, tmp_path, capsys):
    cache_search(snapshot(home, repository="mteb/invented"), corpus="swahili-docs")
    assert prepare(write_task, tmp_path / "out", SEARCH) == 1
    assert "has no configuration 'swahili-corpus'" in capsys.readouterr().err
