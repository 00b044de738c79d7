"""What --corpus reads: text, Parquet, JSON lines, folders and data sets of the hub give the same lines."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reducible import sentence, write_model
from tests.hub_server import COMMIT, Hub, serve

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.models.vocabulary.sources import read_entry
from smelt.models.vocabulary.texts import texts_by_language, write_languages

WAYS = ("text", "parquet", "jsonl", "gz", "zst", "folder", "card", "saved", "shards")
CARD = {"configs": [{"config_name": "qaa", "data_files": [{"split": "train", "path": "data/*.parquet"}]}]}


def made_texts(documents: int = 30) -> list[str]:
    generator = random.Random(1)
    return ["\n".join(sentence("qaa", generator) for _ in range(1 + number % 5)) for number in range(documents)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
        return path
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    with pa.output_stream(str(path), compression) as stream:
        stream.write(text)
    return path


def write_corpus(folder: Path, way: str, texts: list[str]) -> str:
    """Write texts in one of the ways, and return the entry of --corpus; rows have blank lines that do not count."""
    rows = [{"id": number, "text": text.replace("\n", "\r\n\n ")} for number, text in enumerate(texts)]
    match way:
        case "text":
            (folder / "any").write_text("\n\n".join(texts))
            return f"qaa={folder}/any"
        case "parquet" | "jsonl" | "gz" | "zst":
            name = way if way in ("parquet", "jsonl") else f"jsonl.{way}"
            other = [{"title": "pa", "content": row["text"]} for row in [*rows, {"text": None}]]
            return f"qaa={write_rows(folder / f'news.{name}', other)}:content"
        case "folder":
            write_rows(folder / "published/train.parquet", rows)
            return f"qaa={folder}/published"
        case "card":
            write_rows(folder / "published/data/part.parquet", rows)
            (folder / "published/README.md").write_text(f"---\n{json.dumps(CARD)}\n---\n")
            return f"qaa={folder}/published@qaa/train:text"
        case "saved":
            datasets.Dataset.from_list(rows).save_to_disk(folder / "saved")
            return f"qaa={folder}/saved"
        case _:
            for number in range(0, len(rows), 10):
                write_rows(folder / f"part-{number:03}.parquet", rows[number : number + 10])
            return f"qaa={folder}/*.parquet"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "source")


def reduce(source: Path, output: Path, *words: str) -> int:
    rule = ["--threshold", "0.02", "--held-out-share", "0.1", "--threads", "1"]
    return main(["reduce", "--model", str(source), "--output", str(output), *rule, "--corpus", *words])


def test_the_same_texts_give_the_same_model_from_every_kind_of_file(tmp_path: Path, source: Path) -> None:
    made: dict[str, dict[str, bytes]] = {}
    for way in WAYS:
        folder = tmp_path / way
        folder.mkdir()
        assert reduce(source, folder / "out", write_corpus(folder, way, made_texts())) == 0
        files = sorted(path for path in (folder / "out").iterdir() if path.name != "provenance.json")
        made[way] = {path.name: path.read_bytes() for path in files}
    assert {"model.safetensors", "config.json", "vocab.txt", "reduction.json"} <= made["text"].keys()
    assert [way for way in WAYS if made[way] != made["text"]] == []


def test_rows_without_text_are_counted_on_the_screen_and_in_provenance(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": text} for text in [*made_texts(), "", " \n ", None]]
    file = write_rows(tmp_path / "news.qaa.jsonl", rows)
    assert reduce(source, tmp_path / "out", str(file)) == 0
    assert f"{file}: 3 of 33 rows have no text\n" in capsys.readouterr().out
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    (read,) = provenance["settings"]["corpus"]
    place = {"language": "qaa", "place": str(file), "column": "text"}
    assert read == place | {"rows": 33, "rows_without_text": 3}
    assert [each["path"] for each in provenance["inputs"]["corpus"]] == [str(file)]


def lines_of(documents: Path, held_out: bool) -> list[str]:
    rows = pq.read_table(documents).to_pylist()
    return [line for row in rows if row["held_out"] == held_out for line in row["text"].split("\n")]


def test_documents_of_smelts_own_keep_what_they_hold_out(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": "", "text": f"line {n}", "held_out": n % 10 == 3} for n in range(200)]
    file = write_rows(tmp_path / "qaa/documents.parquet", rows)
    texts = texts_by_language([str(file)], None)
    written = write_languages(texts, tmp_path / "out", 0.02, 1)
    held_out = lines_of(written["qaa"], True)
    assert {f"line {n}" for n in range(3, 200, 10)} <= set(held_out)
    assert sorted([*held_out, *lines_of(written["qaa"], False)]) == sorted(f"line {n}" for n in range(200))


def test_two_columns_of_a_file_are_two_languages(tmp_path: Path) -> None:
    rows = [{"sw": f"moja {n}", "en": f"one {n}"} for n in range(50)]
    file = write_rows(tmp_path / "pairs.parquet", rows)
    written = write_languages(texts_by_language([f"sw={file}:sw", f"en={file}:en"], None), tmp_path / "out", 0.1, 1)
    assert {line.split()[0] for line in lines_of(written["sw"], False)} == {"moja"}
    assert {line.split()[0] for line in lines_of(written["en"], False)} == {"one"}


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("sw.txt", (None, "sw.txt", None)),
        ("sw=news/*.parquet", ("sw", "news/*.parquet", None)),
        ("sw=news.jsonl:content", ("sw", "news.jsonl", "content")),
        ("sw=org/name@0123abc/20231101.sw/train:text", ("sw", "org/name@0123abc/20231101.sw/train", "text")),
        ("sw=hf://org/name", ("sw", "hf://org/name", None)),
        ("data/lang=sw/*.parquet", (None, "data/lang=sw/*.parquet", None)),
        ("sw-x-law=law.txt", ("sw-x-law", "law.txt", None)),
    ],
)
def test_an_entry_has_a_language_a_place_and_a_column(word: str, parts: tuple[str | None, ...]) -> None:
    assert read_entry(word)[1:] == parts


def test_what_is_there_is_a_path_whatever_its_name_looks_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    odd = Path(f"org/name@{COMMIT}")
    odd.parent.mkdir()
    for path in (odd, Path("a[1].txt"), Path("news.jsonl:content")):
        path.write_text("moja\n")
    texts = texts_by_language([f"sw={odd}", "sw=a[1].txt", "sw=news.jsonl:content"], None)["sw"]
    assert [text.files for text in texts] == [[odd], [Path("a[1].txt")], [Path("news.jsonl:content")]]
    assert {text.column for text in texts} == {None}


def wrong_files(folder: Path) -> None:
    rows = [{"id": n, "title": "a", "body": "b", "count": 3} for n in range(5)]
    write_rows(folder / "two.parquet", rows)
    write_rows(folder / "two.jsonl", rows)
    write_rows(folder / "numbers.parquet", [{"id": 1, "score": 2.5}])
    whole = write_rows(folder / "cut.parquet", [{"text": "moja"}] * 50)
    whole.write_bytes(whole.read_bytes()[:-20])
    (folder / "broken.jsonl").write_text('{"text": "moja"}\n["mbili"]\n')
    (folder / "mixed.jsonl").write_text('{"text": "moja"}\n{"text": 3}\n')
    (folder / "empty.jsonl").touch()
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "moja"}\n' * 50)[:-12])
    (folder / "cut.txt.gz").write_bytes(gzip.compress(b"moja\n" * 50)[:-12])
    (folder / "blank.jsonl").write_text('{"text": " "}\n' * 3)
    (folder / "sw.txt").write_text("moja\n" * 90)
    (folder / "published/sw").mkdir(parents=True)
    write_rows(folder / "published/sw/train.parquet", [{"text": "moja"}])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["sw=two.parquet"],
            "two.parquet: has no column 'text', and 2 of text: it has id, title, body, count. Name one",
        ),
        (["sw=two.jsonl"], "two.jsonl: has no column 'text', and 2 of text: it has id, title, body, count. Name one"),
        (["sw=numbers.parquet"], "numbers.parquet: has no column 'text', and none of text: it has id, score"),
        (["sw=two.parquet:txt"], "two.parquet: has no column 'txt': expected one of id, title, body, count"),
        (["sw=two.jsonl:txt"], "two.jsonl: has no column 'txt': expected one of id, title, body, count"),
        (["sw=two.parquet:count"], "two.parquet: column 'count' holds int64: expected text"),
        (["sw=two.jsonl:count"], "two.jsonl: column 'count' holds int: expected text"),
        (["sw=mixed.jsonl"], "mixed.jsonl, row 2: column 'text' holds 3: expected text"),
        (["sw=cut.parquet"], "cut.parquet: is no whole Parquet file"),
        (["sw=broken.jsonl"], "broken.jsonl:2: is no JSON object: found ['mbili']"),
        (["sw=cut.jsonl.gz"], "cut.jsonl.gz: cannot be read: Compressed file ended before the end-of-stream marker"),
        (["sw=cut.txt.gz"], "cut.txt.gz: cannot be read: compressed file ended before the end-of-stream marker"),
        (["sw=empty.jsonl"], "empty.jsonl: holds no text in column 'text' of 0 rows"),
        (["sw=blank.jsonl"], "blank.jsonl: holds no text in column 'text' of 3 rows"),
        (["sw=none/*.parquet"], "none/*.parquet: no file has such a name"),
        (["sw=none.parquet"], "none.parquet: no such file"),
        (["sw=sw.txt:text"], "sw.txt: is text, which has no column 'text': expected Parquet or JSON lines"),
        (["sw.txt", "en=sw.txt"], "sw.txt: is named twice, for sw and en: expected each text once"),
        (["sw.txt", "sw=./sw.txt"], "sw.txt: is named twice, for sw and sw: expected each text once"),
        (["sw=two.parquet:body", "en=two.*:body"], "two.parquet: is named twice, for sw and en"),
        (
            ["sw=wikimedia/wikipedia"],
            "wikimedia/wikipedia: no such file or folder; a data set of the hub needs its commit",
        ),
        (["sw=wikimedia/wikipedia@main/sw"], "and 'main' is no commit: expected the commit of the hub's repository"),
        ([f"wikimedia/wikipedia@{COMMIT}/sw"], "expected the language before it, such as sw=wikimedia/wikipedia@"),
        (["published"], "published: expected the language before it, such as sw=published"),
        (["sw=published@fr"], "config: published has no folder 'fr': expected one of sw"),
        (["sw=published@sw/test"], "published, configuration sw, has no split 'test': expected one of train"),
        (["sw="], "--corpus: expected [language=]place[:column], such as sw=news.jsonl:content, found 'sw='"),
        (["sw=sw.jsonl:"], "--corpus: expected [language=]place[:column]"),
        (["sw=" + "x" * 300], "--corpus: 'sw=xxx"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    words: list[str], complaint: str, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong_files(tmp_path)
    capfd.readouterr()
    assert reduce(source, tmp_path / "made/out", *words) == 1
    error = capfd.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("made/*"))


def test_a_language_that_is_not_wanted_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "sw.txt").touch()
    assert list(texts_by_language([str(tmp_path / "sw.txt"), f"en=org/name@{COMMIT}"], ["sw"])) == ["sw"]
    with pytest.raises(SmeltError, match=r"fr: has no text"):
        texts_by_language([str(tmp_path / "sw.txt")], ["fr"])


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    rows = [{"id": number, "text": text} for number, text in enumerate(made_texts())]
    for config in ("20231101.qaa", "20231101.qab"):
        write_rows(tmp_path / f"published/wikipedia/{config}/train-00000-of-00001.parquet", rows)
    names = ("20231101.qaa", "20231101.qab")
    configs = [{"config_name": name, "data_files": [{"split": "train", "path": f"{name}/train-*"}]} for name in names]
    (tmp_path / "published/wikipedia/README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    server = serve(tmp_path / "published")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def reduce_from(
    address: str, folder: Path, source: Path, word: str, output: str = "out", offline: bool = False
) -> subprocess.CompletedProcess[str]:
    # A process of its own, because the hub's client reads its address once, as it is imported.
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": str(int(offline))}
    words = ["reduce", "--model", str(source), "--output", str(folder / output), "--corpus", word]
    rule = ["--threshold", "0.02", "--held-out-share", "0.1", "--threads", "1"]
    command = [sys.executable, "-m", "smelt", *words, *rule]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | own, timeout=120)


@pytest.mark.slow
def test_a_data_set_of_the_hub_gives_the_same_model_with_and_without_a_network(
    hub: str, tmp_path: Path, source: Path
) -> None:
    assert reduce(source, tmp_path / "local", write_corpus(tmp_path, "text", made_texts())) == 0
    for output, offline in (("online", False), ("offline", True)):
        word = f"qaa=org/wikipedia@{COMMIT}/20231101.qaa/train:text"
        done = reduce_from(hub, tmp_path, source, word, output, offline)
        assert done.returncode == 0, done.stderr
        for name in ("model.safetensors", "vocab.txt", "reduction.json"):
            assert (tmp_path / output / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert {name for name, _ in Hub.fetched} == {"README.md", "20231101.qaa/train-00000-of-00001.parquet"}
    provenance = json.loads((tmp_path / "online/provenance.json").read_text())
    place = {"hub": "org/wikipedia", "revision": COMMIT, "config": "20231101.qaa", "split": "train", "column": "text"}
    assert provenance["settings"]["corpus"] == [{"language": "qaa", **place, "rows": 30, "rows_without_text": 0}]
    assert provenance["inputs"]["corpus"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        (f"qaa=org/nothing@{COMMIT}", "the hub has no such data set, or it is private"),
        ("qaa=org/wikipedia@abcdef0123", "the hub has the data set but no such revision"),
        (f"qaa=org/wikipedia@{COMMIT}", "has several configurations: expected one of 20231101.qaa, 20231101.qab"),
        (f"qaa=org/wikipedia@{COMMIT}/20231101.fr", "has no configuration '20231101.fr'"),
        (f"qaa=org/wikipedia@{COMMIT}/20231101.qaa/test", "has no split 'test': expected one of train"),
        (f"qaa=org/wikipedia@{COMMIT}/20231101.qaa:words", "has no column 'words': expected one of id, text"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(
    word: str, complaint: str, hub: str, tmp_path: Path, source: Path
) -> None:
    done = reduce_from(hub, tmp_path, source, word)
    *progress, message = done.stderr.splitlines()
    assert (done.returncode, [line for line in progress if "Fetching" not in line and line]) == (1, [])
    assert message.startswith("smelt: ")
    assert complaint in message
