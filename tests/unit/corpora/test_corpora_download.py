"""The download stage against real mirrors: a folder, and HTTP servers that behave and misbehave."""

import contextlib
import functools
import http.server
import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.corpora.mirror import PIECE
from smelt.logs import read_log

PATIENCE = ["--attempts", "3", "--pause", "0.01"]
WIKI, DATE = "xxwiki", "20230501"
FIRST = f"{WIKI}-{DATE}-pages-articles1.xml-p1p4.bz2"


class Behaviour:
    """What a test server does wrong, and what it was asked for."""

    def __init__(self) -> None:
        self.cut_after: list[int] = []  # bytes after which a part's answers are cut, one an answer
        self.fail_with: list[int] = []  # statuses of the first answers
        self.html_parts = False
        self.index = True
        self.ignore_ranges = False
        self.ranges: list[str | None] = []
        self.retry_after = ""
        self.asked_at: list[float] = []
        self.pause_after: list[int] = []  # bytes of a part after which its answers stop for a while, one an answer
        self.pause = 0.0
        self.announce: int | None = None  # length of parts that the server says


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with ranges, and misbehaves as the test asks."""

    def __init__(self, *arguments: object, behaviour: Behaviour, **options: object) -> None:
        self.behaviour = behaviour
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.behaviour.asked_at.append(time.monotonic())
        if self.behaviour.fail_with:
            self.send_response(self.behaviour.fail_with.pop(0))
            if self.behaviour.retry_after:
                self.send_header("Retry-After", self.behaviour.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = Path(self.translate_path(self.path))
        if path.is_dir() and self.behaviour.index:
            super().do_GET()
            return
        if not path.is_file():
            self.send_error(404)
            return
        is_part = path.suffix == ".bz2"
        content = (
            b"<html><body>Maintenance</body></html>" if is_part and self.behaviour.html_parts else path.read_bytes()
        )
        self._answer(content, is_part)

    def _answer(self, content: bytes, is_part: bool) -> None:
        wanted = None if self.behaviour.ignore_ranges else self.headers["Range"]
        if is_part:
            self.behaviour.ranges.append(self.headers["Range"])
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        announced = self.behaviour.announce if is_part else None
        self.send_header("Content-Length", str(len(content) - start if announced is None else announced))
        self.end_headers()
        cut = self.behaviour.cut_after.pop(0) if is_part and self.behaviour.cut_after else len(content)
        wait = self.behaviour.pause_after.pop(0) if is_part and self.behaviour.pause_after else cut
        self.wfile.write(content[start : start + wait])
        self.wfile.flush()
        if wait < cut:
            time.sleep(self.behaviour.pause)
            with contextlib.suppress(OSError):  # the client may have gone
                self.wfile.write(content[start + wait : start + cut])

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def server(mirror, behaviour):
    handler = functools.partial(Handler, directory=str(mirror), behaviour=behaviour)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def download(mirror: object, output: Path, wiki: str = WIKI, date: str = DATE, silence: float = 60) -> int:
    mirrors = map(str, mirror if isinstance(mirror, list) else [mirror])
    words = ["download", "--wiki", wiki, "--date", date, "--mirror", *mirrors, "--output", str(output)]
    return main([*words, *PATIENCE, "--silence", str(silence), "--partial", str(output.parent / "partial")])


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.bz2")}


def expected(mirror: Path) -> dict[str, bytes]:
    return parts(mirror / WIKI / DATE)


def complaint(capsys) -> str:
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert error.startswith("smelt: ")
    return error


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_mirror_is_copied_and_recorded(prefix, mirror, tmp_path):
    output = tmp_path / "out/xxwiki/20230501"
    assert download(f"{prefix}{mirror}", output) == 0
    assert parts(output) == expected(mirror)
    record = json.loads((output / "dump.json").read_text())
    assert [part["name"] for part in record["parts"]] == sorted(expected(mirror))
    assert (record["wiki"], record["date"], record["mirror"]) == (WIKI, DATE, str(mirror))


def test_a_server_is_downloaded_from(server, mirror, tmp_path):
    output = tmp_path / "out"
    assert download(server, output) == 0
    assert parts(output) == expected(mirror)


def test_a_cut_download_goes_on_where_it_stopped(server, behaviour, mirror, tmp_path):
    behaviour.cut_after = [2 * PIECE + 9, PIECE]
    output = tmp_path / "out"
    assert download(server, output) == 0
    assert parts(output) == expected(mirror)
    assert behaviour.ranges[:3] == [None, f"bytes={2 * PIECE}-", f"bytes={3 * PIECE}-"]


def test_a_later_run_goes_on_from_the_partial_files_of_a_failed_one(server, behaviour, mirror, tmp_path, capsys):
    behaviour.cut_after = [PIECE, 0, 0]
    output = tmp_path / "out"
    assert download(server, output) == 1
    assert "gave up after 3 attempts" in complaint(capsys)
    assert not output.exists()
    behaviour.ranges.clear()
    assert download(server, output) == 0
    assert behaviour.ranges[0] == f"bytes={PIECE}-"
    assert parts(output) == expected(mirror)


def test_a_slow_server_is_waited_for(server, behaviour, mirror, tmp_path):
    behaviour.pause_after, behaviour.pause = [PIECE, 5], 0.3
    assert download(server, tmp_path / "out", silence=2) == 0
    assert parts(tmp_path / "out") == expected(mirror)
    assert len(behaviour.ranges) == 2


def test_a_server_that_falls_silent_is_asked_again_for_the_rest(server, behaviour, mirror, tmp_path, capsys):
    behaviour.pause_after, behaviour.pause = [2 * PIECE], 1.5
    assert download(server, tmp_path / "out", silence=0.3) == 0
    assert parts(tmp_path / "out") == expected(mirror)
    assert behaviour.ranges[:2] == [None, f"bytes={2 * PIECE}-"]
    assert "Read timed out" in capsys.readouterr().out


@pytest.mark.parametrize("announced", [5, 10**9])
def test_a_part_of_another_length_than_listed_is_refused(announced, server, behaviour, mirror, tmp_path, capsys):
    behaviour.announce = announced
    assert download(server, tmp_path / "out") == 1
    size = len(expected(mirror)[FIRST])
    assert f"the server has {announced:,} bytes where {size:,} are listed; they start with" in complaint(capsys)
    assert not (tmp_path / "out").exists()


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


def test_a_server_without_ranges_sends_everything_again(server, behaviour, mirror, tmp_path):
    behaviour.cut_after = [PIECE]
    behaviour.ignore_ranges = True
    assert download(server, tmp_path / "out") == 0
    assert parts(tmp_path / "out") == expected(mirror)


def test_passing_server_errors_are_waited_out(server, behaviour, tmp_path):
    behaviour.fail_with = [503, 500]
    assert download(server, tmp_path / "out") == 0


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(server, behaviour, tmp_path):
    behaviour.fail_with, behaviour.retry_after = [429], "1"
    assert download(server, tmp_path / "out") == 0
    assert behaviour.asked_at[1] - behaviour.asked_at[0] >= 1


def test_lasting_server_errors_end_the_download(server, behaviour, tmp_path, capsys):
    behaviour.fail_with = [503] * 3
    assert download(server, tmp_path / "out") == 1
    assert "503" in complaint(capsys)
    assert not (tmp_path / "out").exists()


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


@pytest.fixture
def archive(mirror, tmp_path) -> Path:
    """An archive with a folder for each dump, which keeps the sums and not dumpstatus.json."""
    folder = tmp_path / "archive/xxwiki-20230501"
    shutil.copytree(mirror / WIKI / DATE, folder)
    (folder / "dumpstatus.json").unlink()
    return folder.parent


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


def test_an_address_with_one_of_the_two_names_is_refused(tmp_path, capsys):
    assert download("http://127.0.0.1:9/{wiki}", tmp_path / "out") == 1
    assert complaint(capsys).startswith("smelt: --mirror: http://127.0.0.1:9/{wiki} names one of {wiki} and {date}")


def test_an_html_page_instead_of_a_part_is_recognised(server, behaviour, tmp_path, capsys):
    behaviour.html_parts = True
    assert download(server, tmp_path / "out") == 1
    assert "an HTML page" in complaint(capsys)
    assert not (tmp_path / "out").exists()


def test_a_mirror_that_does_not_exist_is_named(tmp_path, capsys):
    assert download(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "no such folder" in complaint(capsys)
    assert download("ftp://example.org", tmp_path / "out") == 1
    assert "expected https://" in complaint(capsys)


@pytest.mark.parametrize("address", ["http://", "http://[x"])
def test_an_invalid_address_is_refused_without_a_retry(address, tmp_path, capsys):
    assert download(address, tmp_path / "out") == 1
    assert f"{address}: is no mirror" in complaint(capsys)


def test_files_of_one_content_each_have_their_sum(mirror, tmp_path):
    sums = mirror / WIKI / DATE / f"{WIKI}-{DATE}-sha1sums.txt"
    first = next(line for line in sums.read_text().splitlines() if FIRST in line)
    sums.write_text(sums.read_text() + first.replace(FIRST, "another-file-of-the-same-content.bz2") + "\n")
    assert download(mirror, tmp_path / "out") == 0


def _html_status(folder: Path) -> None:
    (folder / "dumpstatus.json").write_text("<html><body>503 Service Unavailable</body></html>")


def _unfinished(folder: Path) -> None:
    change_status(folder, lambda job: job.update(status="in-progress"))


def _wrong_size(folder: Path) -> None:
    change_status(folder, lambda job: job["files"][FIRST].update(size=5))


def _contradicting_lists(folder: Path) -> None:
    change_status(folder, lambda job: job["files"][FIRST].update(sha1="0" * 40))


def _unlisted_sum(folder: Path) -> None:
    (folder / f"{WIKI}-{DATE}-sha1sums.txt").write_text("")


def _html_part(folder: Path) -> None:
    (folder / FIRST).write_text("<html><body>503 Service Unavailable</body></html>")


def _path_as_name(folder: Path) -> None:
    change_status(folder, lambda job: job["files"].update({"../../x.bz2": job["files"][FIRST]}))


def _flipped_byte(folder: Path) -> None:
    content = bytearray((folder / FIRST).read_bytes())
    content[60] ^= 1
    (folder / FIRST).write_bytes(content)


def change_status(folder: Path, change) -> None:
    status = json.loads((folder / "dumpstatus.json").read_text())
    change(status["jobs"]["articlesdump"])
    (folder / "dumpstatus.json").write_text(json.dumps(status))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_html_status, "is no list of a dump's files: found an HTML page"),
        (_unfinished, "its status is 'in-progress'"),
        (_wrong_size, "and 5 bytes listed"),
        (_contradicting_lists, "contradicts itself"),
        (_unlisted_sum, f"lists no sha1 of {FIRST}"),
        (_html_part, "starts with an HTML page"),
        (_path_as_name, "names a file '../../x.bz2'"),
        (_flipped_byte, "is not the file that the mirror lists: sha1 "),
    ],
)
def test_a_wrong_mirror_gives_one_line_and_no_output(damage, message, mirror, tmp_path, capsys):
    damage(mirror / WIKI / DATE)
    assert download(mirror, tmp_path / "out") == 1
    assert message in complaint(capsys)
    assert not (tmp_path / "out").exists()


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


def test_nothing_partial_is_left_after_a_download(mirror, tmp_path):
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial/of-an-older-list.bz2").write_bytes(b"BZh")
    assert download(mirror, tmp_path / "out") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dumps", "out"]


def test_a_part_that_an_earlier_run_verified_is_not_asked_for_again(server, behaviour, mirror, tmp_path):
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / FIRST).write_bytes(expected(mirror)[FIRST])
    assert download(server, tmp_path / "out") == 0
    assert len(behaviour.ranges) == 1
