"""Downloads from a folder, and from HTTP servers that cut, fail, fall silent or are slow."""

import json

import pytest
from dump_server import DATE, FIRST, WIKI, complaint, download, expected, parts

from smelt.corpora.mirror import PIECE


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


def test_a_token_of_the_environment_reaches_the_server_and_nothing_else(
    server, behaviour, mirror, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("SMELT_TOKEN", "word-of-mouth")
    address = server.replace("://", "://${SMELT_TOKEN}:${SMELT_TOKEN}@")
    behaviour.fail_with = [503]
    assert download(address, tmp_path / "out") == 0
    assert parts(tmp_path / "out") == expected(mirror)
    behaviour.fail_with = [403, 403]
    assert download([f"{server}/${{SMELT_TOKEN}}", "http://127.0.0.1:1/${SMELT_TOKEN}"], tmp_path / "none") == 1
    printed = capsys.readouterr()
    assert "${SMELT_TOKEN}" in printed.err
    assert "word-of-mouth" not in printed.out + printed.err + (tmp_path / "out/dump.json").read_text()


def test_an_address_with_a_variable_that_is_not_set_is_named(tmp_path, capsys):
    assert download("https://${SMELT_NOT_SET}@host/dumps", tmp_path / "out") == 1
    assert "the environment variable SMELT_NOT_SET is not set" in complaint(capsys)
