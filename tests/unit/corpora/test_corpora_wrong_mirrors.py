"""Mirrors whose lists, parts or addresses are wrong are refused in one line, with nothing written."""

from pathlib import Path

import pytest
from dump_server import DATE, FIRST, WIKI, change_status, complaint, download, expected


@pytest.mark.parametrize("announced", [5, 10**9])
def test_a_part_of_another_length_than_listed_is_refused(announced, server, behaviour, mirror, tmp_path, capsys):
    behaviour.announce = announced
    assert download(server, tmp_path / "out") == 1
    size = len(expected(mirror)[FIRST])
    assert f"the server has {announced:,} bytes where {size:,} are listed; they start with" in complaint(capsys)
    assert not (tmp_path / "out").exists()


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
