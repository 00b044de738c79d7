"""Data sets of the hub, and folders of Parquet and JSON lines, as documents."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from tests.hub_server import COMMIT, Hub, serve

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.schema import load_study

TEXTS = ["Bahari ni kubwa.\n\nIna samaki.", "Mlima ni mrefu.\r\nUna theluji.", " \n", "Mto  \n\n\n unapita. "]
LINES = ["Bahari ni kubwa.\nIna samaki.", "Mlima ni mrefu.\nUna theluji.", "Mto\nunapita."]
CONFIGS = ("20231101.sw", "20231101.de")


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)


def rows_of(texts: list[str], first: int = 1) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "url": f"https://sw.wikipedia.org/wiki/{n}", "title": f"Makala {n}", "text": text}
        for n, text in enumerate(texts, first)
    ]


def write_wikipedia(folder: Path, card: bool = True) -> None:
    """Write a folder laid out as wikimedia/wikipedia."""
    for config in CONFIGS:
        for number, texts in enumerate((TEXTS[:2], TEXTS[2:])):
            write_parquet(folder / config / f"train-0000{number}-of-00002.parquet", rows_of(texts, 1 + 2 * number))
    if card:
        configs = [
            {"config_name": config, "data_files": [{"split": "train", "path": f"{config}/train-*"}]}
            for config in CONFIGS
        ]
        (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")


def make(output: Path, *data_sets: dict[str, Any], fetched: tuple[Path, ...] = (), held_out: float = 0.3) -> int:
    words = ["documents", "--language", "sw", "--held-out", str(held_out), "--data-set", *map(json.dumps, data_sets)]
    places = ["--output-documents", str(output / "documents.parquet"), "--statistics", str(output / "statistics.json")]
    return main([*words, "--fetched", *map(str, fetched), *places])


def documents(output: Path) -> list[tuple[str, str, str]]:
    rows = pyarrow.parquet.read_table(output / "documents.parquet").to_pylist()
    return [(row["id"], row["title"], row["text"]) for row in rows]


def statistics(output: Path) -> dict[str, Any]:
    return json.loads((output / "statistics.json").read_text())


EXPECTED = [(f"wiki:{n}", f"Makala {n}", text) for n, text in zip((1, 2, 4), LINES, strict=True)]


@pytest.mark.parametrize("card", [True, False])
def test_a_folder_laid_out_as_wikimedia_wikipedia_gives_the_documents_of_a_parquet_of_ours(card, tmp_path):
    write_wikipedia(tmp_path / "wikipedia", card)
    assert make(tmp_path / "hub", {"name": "wiki", "folder": str(tmp_path / "wikipedia"), "config": "20231101.sw"}) == 0
    assert documents(tmp_path / "hub") == EXPECTED
    ours = [{"id": name, "title": title, "text": text} for name, title, text in EXPECTED]
    write_parquet(tmp_path / "ours.parquet", ours)
    assert make(tmp_path / "own", {"name": "wiki", "folder": str(tmp_path), "files": ["ours.parquet"]}) == 0
    written = [(tmp_path / name / "documents.parquet").read_bytes() for name in ("hub", "own")]
    assert written[0] == written[1]


def test_statistics_name_the_data_set_its_files_and_rows_without_text(tmp_path):
    write_wikipedia(tmp_path / "wikipedia")
    make(tmp_path / "out", {"name": "wiki", "folder": str(tmp_path / "wikipedia"), "config": "20231101.sw"})
    (source,) = statistics(tmp_path / "out")["sources"]
    assert [Path(file.pop("file")).name for file in source["files"]] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert all(len(file["sha256"]) == 64 for file in source.pop("files"))
    assert source == {
        "dataset": "wiki",
        "folder": str(tmp_path / "wikipedia"),
        "config": "20231101.sw",
        "split": "train",
        "rows": 4,
        "empty_rows": 1,
    }


def test_the_first_rows_of_several_files_are_taken_in_their_order(tmp_path):
    write_wikipedia(tmp_path / "wikipedia")
    source = {"name": "wiki", "folder": str(tmp_path / "wikipedia"), "config": "20231101.sw", "limit": 2}
    assert make(tmp_path / "out", source) == 0
    assert documents(tmp_path / "out") == EXPECTED[:2]
    assert statistics(tmp_path / "out")["sources"][0]["rows"] == 2


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".json"])
def test_json_lines_with_columns_of_other_names_and_without_ids_are_read(ending, tmp_path):
    rows = [{"content": text, "head": f"M {n}"} for n, text in enumerate(TEXTS)] + [{"content": None, "head": "none"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    compression = {".gz": "gzip", ".zst": "zstd"}.get(Path(ending).suffix)
    with pyarrow.output_stream(str(tmp_path / f"a{ending}"), compression) as stream:
        stream.write((text if "jsonl" in ending else json.dumps(rows)).encode())
    source = {"name": "web", "folder": str(tmp_path), "files": ["a*"], "columns": {"text": "content", "title": "head"}}
    assert make(tmp_path / "out", source) == 0
    assert documents(tmp_path / "out") == [
        (f"web:{n}", f"M {n - 1}", text) for n, text in zip((1, 2, 4), LINES, strict=True)
    ]
    assert statistics(tmp_path / "out")["sources"][0]["empty_rows"] == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "good"}\n{"text": \n', "a.jsonl:2: is no JSON object: found '{\"text\":'"),
        ("a.jsonl", '{"text": "good"}\n3\n', "a.jsonl:2: is no JSON object: found 3"),
        ("a.jsonl", "", "wiki: holds no text in column 'text' of 0 rows"),
        ("a.jsonl", '{"text": 3}\n', "wiki, row 1: column 'text' holds 3: expected text"),
        ("a.jsonl", '{"words": "good"}\n', "a.jsonl: has no column 'text', which datasets.wiki.columns names: it has"),
        ("a.jsonl", '{"text": " "}\n', "wiki: holds no text in column 'text' of 1 rows"),
        ("a.parquet", "PAR1", "a.parquet: cannot be read: "),
        ("a.csv", "text\n", "a.csv: expected a file in .parquet, .arrow, .jsonl, .json"),
        ("b.jsonl", "", "a.*: no such file: expected Parquet or JSON lines"),
    ],
)
def test_a_file_that_is_not_as_expected_is_refused_in_one_line(name, content, message, tmp_path, capfd):
    (tmp_path / name).write_text(content)
    assert make(tmp_path / "out", {"name": "wiki", "folder": str(tmp_path), "files": ["a.*"]}) == 1
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out/documents.parquet").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"config": "20231101.es"}, "config: {folder} has no configuration '20231101.es': expected one of 20231101.sw"),
        ({"config": "20231101.sw", "split": "test"}, "20231101.sw, has no split 'test': expected one of train"),
        ({"config": "20231101.sw", "columns": {"id": "number"}}, "has no column 'number'"),
        ({"config": "20231101.de"}, "1 of 2 files, train-00001-of-00002.parquet the first, are not there"),
        ({"folder": "nowhere", "config": "20231101.sw"}, "no such folder: expected one of Parquet or JSON lines"),
    ],
)
def test_a_folder_that_lacks_what_is_asked_for_is_refused(source, message, tmp_path, capsys):
    folder = tmp_path / "wikipedia"
    write_wikipedia(folder)
    (folder / "20231101.de/train-00001-of-00002.parquet").unlink()
    assert make(tmp_path / "out", {"name": "wiki", "folder": str(folder)} | source) == 1
    error = capsys.readouterr().err
    assert message.replace("{folder}", str(folder)) in error
    assert error.count("\n") == 1


@pytest.fixture
def hub(tmp_path) -> Iterator[str]:
    write_wikipedia(tmp_path / "published/wikipedia")
    many = [{"id": f"<urn:{n}>", "text": f"Makala ya {n}. " * 200, "language_score": 0.9} for n in range(500)]
    for number in range(2):
        write_parquet(tmp_path / f"published/web/data/swh_Latn/train/00{number}_00000.parquet", many)
    card = {
        "configs": [{"config_name": "swh_Latn", "data_files": [{"split": "train", "path": "data/swh_Latn/train/*"}]}]
    }
    (tmp_path / "published/web/README.md").write_text(f"---\n{json.dumps(card)}\n---\n")
    server = serve(tmp_path / "published")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


WIKIPEDIA = {"name": "wiki", "hub": "org/wikipedia", "revision": COMMIT, "config": "20231101.sw"}
WEB = {"name": "web", "hub": "org/web", "revision": COMMIT, "config": "swh_Latn"}


def fetch(address: str, folder: Path, part: dict[str, Any], offline: bool = False) -> subprocess.CompletedProcess[str]:
    # A process of its own, because the hub's client reads its address once, as it is imported.
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": str(int(offline))}
    words = [sys.executable, "-m", "smelt", "dataset", "--settings", json.dumps(part), "--output", str(folder / "here")]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | own, timeout=120)


@pytest.mark.slow
def test_a_configuration_of_the_hub_is_brought_here_and_read_without_a_network(hub, tmp_path):
    done = fetch(hub, tmp_path, WIKIPEDIA)
    assert done.returncode == 0, done.stderr
    assert {name.partition("/")[0] for name, _ in Hub.fetched} == {"README.md", "20231101.sw"}
    assert make(tmp_path / "out", WIKIPEDIA, fetched=(tmp_path / "here",)) == 0
    assert documents(tmp_path / "out") == EXPECTED
    (source,) = statistics(tmp_path / "out")["sources"]
    assert (source["hub"], source["revision"], source["rows"]) == ("org/wikipedia", COMMIT, 4)
    again = fetch(hub, tmp_path, WIKIPEDIA, offline=True)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_of_a_large_data_set_the_first_rows_are_streamed_and_no_more(hub, tmp_path):
    done = fetch(hub, tmp_path, WEB | {"limit": 30})
    assert done.returncode == 0, done.stderr
    assert not any(name.startswith("data/swh_Latn/train/001") and size > 100_000 for name, size in Hub.fetched)
    kept = pyarrow.parquet.read_table(tmp_path / "here/rows.parquet")
    assert (kept.num_rows, kept.column_names) == (30, ["text", "id"])
    assert make(tmp_path / "out", WEB | {"limit": 30}, fetched=(tmp_path / "here",)) == 0
    assert [name for name, _, _ in documents(tmp_path / "out")] == [f"web:<urn:{n}>" for n in range(30)]


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_the_first_rows_of_parquet_leave_no_thread_that_reads_on(address, tmp_path):
    # One that does aborts Python at its end now and then, all work done: Snakemake would take the job for failed.
    write_parquet(tmp_path / "a.parquet", rows_of(TEXTS * 200))
    code = f"""if True:
        import pathlib, smelt.data_files
        rows = smelt.data_files.read_rows({address.format(tmp_path / "a.parquet")!r}, ["text"], lambda there: None)
        next(rows)
        print(*(name.read_text() for name in pathlib.Path("/proc/self/task").glob("*/comm")))"""
    words = [sys.executable, "-c", code]
    names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in names if name != "jemalloc_bg_thd"] == [Path(sys.executable).name]


@pytest.mark.slow
def test_a_cache_with_some_of_the_files_is_not_taken_for_the_whole(hub, tmp_path):
    assert fetch(hub, tmp_path, WEB).returncode == 0
    (cached,) = (tmp_path / "cache/hub").glob(f"*/snapshots/{COMMIT}/data/swh_Latn/train/001_00000.parquet")
    cached.unlink()
    (tmp_path / "here").rename(tmp_path / "before")
    done = fetch(hub, tmp_path, WEB, offline=True)
    assert done.returncode == 1
    found = f"smelt: datasets.web: hub: org/web at {COMMIT}: is not whole in the hub's cache"
    assert done.stderr.splitlines()[-1].startswith(found)
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"hub": "org/none"}, "smelt: datasets.wiki: hub: org/none at"),
        ({"revision": "f" * 40}, "the hub has the data set but no such revision"),
        ({"config": "20231101.es", "limit": 3}, "config: org/wikipedia has no configuration '20231101.es'"),
        ({"split": "dev", "limit": 3}, "has no split 'dev': expected one of train"),
        ({"columns": {"text": "words"}, "limit": 3}, "has no column 'words'"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line_and_leaves_nothing(part, message, hub, tmp_path):
    done = fetch(hub, tmp_path, WIKIPEDIA | part)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "here").exists()


def test_files_that_have_gone_from_the_cache_are_named(tmp_path, capsys):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/source.json").write_text(json.dumps({"files": [{"path": str(tmp_path / "gone.parquet")}]}))
    assert make(tmp_path / "out", WIKIPEDIA, fetched=(tmp_path / "here",)) == 1
    assert (
        f"gone.parquet: no such file: it was brought here before. Delete {tmp_path}/here and" in capsys.readouterr().err
    )


def study_of(folder: Path, **datasets: Any) -> Path:
    path = folder / "study.yaml"
    models = {"adopted": {"maker": "adopt", "folder": "resources/demo/model"}}
    study = {"study": "small", "corpora": {"mixed": {"datasets": datasets}}, "models": models}
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


HUB = {"hub": "wikimedia/wikipedia", "revision": COMMIT, "configs": {"sw": "20231101.sw"}}


def test_a_study_asks_once_for_what_two_languages_and_corpora_share(tmp_path):
    web = {"hub": "HuggingFaceFW/fineweb-2", "revision": COMMIT, "configs": {"sw": "swh_Latn"}, "limit": 100}
    catalogue = Catalogue.load(study_of(tmp_path, wiki=HUB, web=web))
    first, second = catalogue.corpora.fetched
    assert first == f"wikimedia+wikipedia/{COMMIT}/20231101.sw-train"
    assert second.startswith(f"HuggingFaceFW+fineweb-2/{COMMIT}/swh_Latn-train-first-100-")
    assert catalogue.study.corpora["mixed"].languages == ["sw"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configs": {"sw": "a"}}, "expected either hub (with revision) or folder"),
        (HUB | {"folder": "x"}, "expected either hub (with revision) or folder"),
        ({"hub": "a/b", "configs": {"sw": "a"}}, "expected a revision"),
        (HUB | {"revision": "main"}, "revision: expected the commit of the hub's repository"),
        (HUB | {"hub": "wikipedia"}, "hub: expected a repository of the hub, such as wikimedia/wikipedia"),
        (HUB | {"files": {"de": "a"}}, "files: has no effect on the hub; they belong to a folder; leave it out"),
        ({"folder": "x"}, "expected configs, or files, of each language"),
        ({"folder": "x", "files": {"sw": "a"}, "split": "dev"}, "split: has no effect on files"),
        ({"folder": "x", "files": {"sw": "a"}, "revision": COMMIT}, "revision: has no effect on a folder"),
        ({"folder": "x", "files": {"sw": "a"}, "configs": {"sw": "b"}}, "files.sw: configs has this language, too"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(source, message, tmp_path):
    with pytest.raises(SmeltError) as refused:
        load_study(study_of(tmp_path, wiki=source))
    assert message in str(refused.value)
    assert "corpora.mixed.datasets.wiki" in str(refused.value)


def test_what_needs_a_network_runs_where_snakemake_runs():
    rules = (Path(__file__).parents[3] / "workflow/rules/corpora.smk").read_text()
    bodies = dict(re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", rules, re.MULTILINE))
    local = {name for name, body in bodies.items() if "    localrule: True\n" in body}
    assert local == {"download", "dataset"} < bodies.keys()
