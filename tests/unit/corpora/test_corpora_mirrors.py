"""Which mirror a dump comes from: dates, archives, and several mirrors that stand in for each other."""

import json
import shutil
from pathlib import Path

import pytest
from dump_server import DATE, FIRST, WIKI, complaint, download, expected, parts

from smelt.corpora.mirror import PIECE
from smelt.logs import read_log


def another_file_of_the_same_size(folder: Path) -> None:
    content = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(content[:100] + bytes(len(content) - 100))


def test_an_old_file_with_another_sum_is_refused_and_not_kept(server, mirror, tmp_path, capsys):
    another_file_of_the_same_size(mirror / WIKI / DATE)
    assert download(server, tmp_path / "out") == 1
    assert f"{FIRST}: is not the file that the mirror lists: sha1 " in complaint(capsys)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "partial" / FIRST).exists()


def test_the_next_mirror_gives_what_the_first_has_wrong(server, archive, mirror, tmp_path, capsys):
    right = expected(mirror)
    another_file_of_the_same_size(mirror / WIKI / DATE)
    assert download([server, f"{archive}/{{wiki}}-{{date}}"], tmp_path / "out") == 0
    assert parts(tmp_path / "out") == right
    assert json.loads((tmp_path / "out/dump.json").read_text())["mirror"] == str(archive)
    assert f"not from {server}/{WIKI}/{DATE}/{FIRST}: is not the file that the mirror lists" in capsys.readouterr().out


def test_parts_that_one_mirror_gave_are_not_asked_for_on_the_next(server, behaviour, archive, mirror, tmp_path):
    second = sorted(expected(mirror))[1]
    right = expected(mirror)
    (archive / f"xxwiki-20230501/{second}").unlink()
    assert download([f"{archive}/{{wiki}}-{{date}}", server], tmp_path / "first") == 0
    behaviour.ranges.clear()
    damaged = bytearray((mirror / WIKI / DATE / second).read_bytes())
    damaged[-1] ^= 1
    shutil.copytree(mirror, tmp_path / "other")
    (tmp_path / "other" / WIKI / DATE / second).write_bytes(damaged)
    assert download([tmp_path / "other", server], tmp_path / "out") == 0
    assert parts(tmp_path / "out") == right
    assert len(behaviour.ranges) == 1


def more_dates(mirror: Path) -> None:
    for name in ("20230401", "20230520", "latest", "20230601.torrent"):
        (mirror / WIKI / name).mkdir()


DATES_THERE = f"no such dump; the mirror has {WIKI} of 20230401, 20230501, 20230520. Name one of these dates"


@pytest.mark.parametrize("served", [True, False])
def test_a_date_that_the_mirror_lacks_is_named_at_once_with_those_it_has(served, server, mirror, tmp_path, capsys):
    more_dates(mirror)
    where = server if served else mirror
    assert download(where, tmp_path / "out", date="20230601") == 1
    assert f"{where}/{WIKI}/20230601: {DATES_THERE}" in complaint(capsys)
    assert not (tmp_path / "out").exists()


def test_the_newest_of_many_dates_are_named(mirror, tmp_path, capsys):
    for day in range(10, 31):
        (mirror / WIKI / f"202304{day}").mkdir()
    assert download(mirror, tmp_path / "out", date="20230601") == 1
    message = complaint(capsys)
    assert f"the mirror has {WIKI} of …, 20230420, 20230421" in message
    assert "20230430, 20230501. Name" in message


def test_a_server_that_lists_nothing_is_no_reason_for_another_error(server, behaviour, tmp_path, capsys):
    behaviour.index = False
    assert download(server, tmp_path / "out", date="20230601") == 1
    assert f"{server}/{WIKI}/20230601: no such dump, and no list of the dates of {WIKI}" in complaint(capsys)


def test_a_wiki_that_the_folder_lacks_is_named(mirror, tmp_path, capsys):
    assert download(mirror, tmp_path / "out", wiki="yywiki") == 1
    assert "yywiki/20230501: no such dump, and no list of the dates of yywiki" in complaint(capsys)


@pytest.mark.parametrize("form", ["{}/{{wiki}}-{{date}}", "file://{}/{{wiki}}-{{date}}/"])
def test_a_local_archive_is_read_by_its_sums(form, archive, mirror, tmp_path):
    assert download(form.format(archive), tmp_path / "out") == 0
    assert parts(tmp_path / "out") == expected(mirror)


def test_the_first_mirror_that_has_the_date_is_taken(server, behaviour, archive, mirror, tmp_path, capsys):
    shutil.copytree(archive / "xxwiki-20230501", mirror / "items/xxwiki-20220101")
    for path in (mirror / "items/xxwiki-20220101").iterdir():
        path.write_text(path.read_text().replace(DATE, "20220101")) if path.suffix == ".txt" else None
        path.rename(path.with_name(path.name.replace(DATE, "20220101")))
    mirrors = [tmp_path / "nowhere", server, f"{server}/items/{{wiki}}-{{date}}"]
    behaviour.cut_after = [PIECE]  # a download from an archive goes on where it was cut, too
    assert download(mirrors, tmp_path / "out", date="20220101") == 0
    assert sorted(parts(tmp_path / "out").values()) == sorted(expected(mirror).values())
    assert f"bytes={PIECE}-" in behaviour.ranges
    record = json.loads((tmp_path / "out/dump.json").read_text())
    assert record["mirror"] == f"{server}/items"
    assert [part["size"] for part in record["parts"]] == [
        (tmp_path / "out" / part["name"]).stat().st_size for part in record["parts"]
    ]
    log = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not from ")]
    assert [line.split(": ")[0] for line in log] == [
        f"not from {tmp_path}/nowhere",
        f"not from {server}/xxwiki/20220101",
    ]
    assert log[1].endswith(
        "no such dump; the mirror has xxwiki of 20230501. Name one of these dates, or an archive of old dumps"
    )


def test_a_mirror_behind_the_first_is_not_asked_where_the_first_has_the_dump(mirror, tmp_path):
    assert download([mirror, "http://127.0.0.1:9"], tmp_path / "out") == 0


def test_a_dump_that_no_mirror_has_gives_the_reason_of_each_once_on_its_own_line(
    server, behaviour, mirror, tmp_path, capsys
):
    behaviour.fail_with = [503] * 3
    mirrors = [server, tmp_path / "nowhere", mirror, f"{mirror}/{{wiki}}-{{date}}"]
    assert download(mirrors, tmp_path / "out", date="20230601") == 1
    captured = capsys.readouterr()
    first, *reasons = captured.err.splitlines()
    assert first == f"smelt: {WIKI} 20230601: is on none of the 4 mirrors:"
    starts = [
        f"    {server}/{WIKI}/20230601/dumpstatus.json: gave up after 3 attempts: ",
        f"    {tmp_path}/nowhere: no such folder",
        f"    {mirror}/{WIKI}/20230601: no such dump; the mirror has {WIKI} of {DATE}. Name one",
        f"    {mirror}/{WIKI}-20230601: no such dump, and no list of the dates of {WIKI}",
    ]
    assert [reason[: len(start)] for reason, start in zip(reasons, starts, strict=True)] == starts
    assert ".." not in captured.err
    assert "no such dump" not in captured.out
    (tmp_path / "log").write_text(captured.out + captured.err)
    assert read_log(tmp_path / "log").complaint() == [first, *reasons]


def test_an_archive_without_the_parts_that_it_lists_gives_the_whole_file(archive, tmp_path):
    folder = archive / "xxwiki-20230501"
    second = sorted(folder.glob("*.bz2"))[1]
    whole = f"{WIKI}-{DATE}-pages-articles.xml.bz2"
    sums = folder / f"{WIKI}-{DATE}-sha1sums.txt"
    digest = next(line for line in sums.read_text().splitlines() if second.name in line).split()[0]
    second.rename(folder / whole)
    other = f"{'0' * 40}  {WIKI}-{DATE}-pages-articles-multistream.xml.bz2\n"
    sums.write_text(f"{sums.read_text()}{digest}  {whole}\n{other}")
    assert download(f"{archive}/{{wiki}}-{{date}}", tmp_path / "out") == 0
    assert list(parts(tmp_path / "out")) == [whole]


def test_an_archive_without_any_file_of_articles_names_the_first(archive, tmp_path, capsys):
    for path in (archive / "xxwiki-20230501").glob("*.bz2"):
        path.unlink()
    assert download(f"{archive}/{{wiki}}-{{date}}", tmp_path / "out") == 1
    assert f"xxwiki-20230501/{FIRST}: no such file" in complaint(capsys)


def test_an_archive_whose_sums_list_no_articles_is_refused(archive, tmp_path, capsys):
    (archive / f"xxwiki-20230501/{WIKI}-{DATE}-sha1sums.txt").write_text(f"{'0' * 40}  other.sql.gz\n")
    assert download(f"{archive}/{{wiki}}-{{date}}", tmp_path / "out") == 1
    assert f"lists no {WIKI}-{DATE}-pages-articles….bz2" in complaint(capsys)


def test_files_of_one_content_each_have_their_sum(mirror, tmp_path):
    sums = mirror / WIKI / DATE / f"{WIKI}-{DATE}-sha1sums.txt"
    first = next(line for line in sums.read_text().splitlines() if FIRST in line)
    sums.write_text(sums.read_text() + first.replace(FIRST, "another-file-of-the-same-content.bz2") + "\n")
    assert download(mirror, tmp_path / "out") == 0


def test_the_parts_are_preferred_to_the_recombined_file(mirror, tmp_path):
    def add_recombined(status: dict) -> None:
        name = f"{WIKI}-{DATE}-pages-articles.xml.bz2"
        recombined = {"status": "done", "files": {name: {"size": 1, "sha1": "0" * 40}}}
        status["jobs"] = {"articlesdumprecombine": recombined} | status["jobs"]

    path = mirror / WIKI / DATE / "dumpstatus.json"
    status = json.loads(path.read_text())
    add_recombined(status)
    path.write_text(json.dumps(status))
    assert download(mirror, tmp_path / "out") == 0
    assert parts(tmp_path / "out") == expected(mirror)
