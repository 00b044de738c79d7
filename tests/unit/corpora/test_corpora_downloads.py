"""Downloads wait for their turn at a host: real processes against a server that counts its connections."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hub_server import COMMIT, Hub, serve

from smelt.__main__ import main

WIKIS = ["xxwiki", "xywiki", "xzwiki", "xvwiki", "xuwiki"]
DATE = "20230501"


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder slowly, and counts the requests of dumps that wait; each ends before its client goes on."""

    under_way = 0
    most = 0
    lock = threading.Lock()
    pause = 0.4

    def do_GET(self) -> None:
        if self.path.endswith(".bz2"):
            with Counting.lock:
                Counting.under_way += 1
                Counting.most = max(Counting.most, Counting.under_way)
            time.sleep(self.pause)
            with Counting.lock:
                Counting.under_way -= 1
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def port(mirror) -> Iterator[int]:
    """The port of a server with the same small dump under the names of five wikis."""
    for wiki in WIKIS[1:]:
        shutil.copytree(mirror / "xxwiki", mirror / wiki)
        folder = mirror / wiki / DATE
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("xxwiki", wiki))
        for path in [*folder.glob("*.json"), *folder.glob("*.txt")]:
            path.write_text(path.read_text().replace("xxwiki", wiki))
    Counting.under_way, Counting.most, Counting.pause = 0, 0, 0.4
    make = lambda *arguments: Counting(*arguments, directory=str(mirror))  # noqa: E731 - a handler of this folder
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def start(wiki: str, host: str, port: int, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a download in a folder of its own, as another workflow would."""
    words = [sys.executable, "-m", "smelt", "download", "--wiki", wiki, "--date", DATE, "--attempts", "3"]
    words += ["--pause", "0.1", "--mirror", f"http://{host}:{port}", "--output", str(folder / wiki / "out"), *more]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def logs_of(processes: list[subprocess.Popen[str]]) -> list[str]:
    logs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), logs
    return logs


@pytest.mark.slow
def test_two_of_five_downloads_from_a_host_run_at_once_and_the_others_say_that_they_wait(port, tmp_path):
    logs = logs_of([start(wiki, "127.0.0.1", port, tmp_path) for wiki in WIKIS])
    assert Counting.most == 2
    waited = [log for log in logs if "127.0.0.1: waiting for one of 2 downloads from there to end\n" in log]
    assert len(waited) == 3
    assert all("127.0.0.1: it is this one's turn\n" in log for log in waited)
    assert all((tmp_path / wiki / "out" / "dump.json").exists() for wiki in WIKIS)


@pytest.mark.slow
def test_another_host_has_turns_of_its_own(port, tmp_path):
    Counting.pause = 2
    first = [start(wiki, "127.0.0.1", port, tmp_path) for wiki in WIKIS[:2]]
    other = start(WIKIS[2], "localhost", port, tmp_path)
    assert "waiting" not in "".join(logs_of([*first, other]))
    assert Counting.most == 3


@pytest.mark.slow
def test_a_killed_download_gives_its_turn_to_the_next(port, tmp_path):
    Counting.pause = 30
    killed = start(WIKIS[0], "127.0.0.1", port, tmp_path, "--downloads-per-host", "1")
    until = time.monotonic() + 30
    while not Counting.under_way and time.monotonic() < until:
        time.sleep(0.05)
    assert Counting.under_way == 1
    Counting.pause = 0
    following = start(WIKIS[1], "127.0.0.1", port, tmp_path, "--downloads-per-host", "1")
    wanted = "127.0.0.1: waiting for one of 1 downloads from there to end\n"
    assert wanted in iter(following.stdout.readline, "")
    killed.kill()
    killed.communicate()
    assert "every part verified" in logs_of([following])[0]


@pytest.mark.slow
def test_data_sets_of_the_hub_wait_for_their_turn_too(tmp_path):
    for number in range(4):
        folder = tmp_path / "hub" / f"set{number}"
        folder.mkdir(parents=True)
        (folder / "train.jsonl").write_text('{"text": "Habari."}\n')
    asked: dict[str, list[float]] = {}
    answer = Hub.do_GET

    def slow(self: Hub) -> None:
        time.sleep(0.1)
        if found := re.search("org/(set[0-9])", self.path):
            asked.setdefault(found[1], []).append(time.monotonic())
        answer(self)

    with pytest.MonkeyPatch.context() as patch:
        for method in ("do_GET", "do_HEAD", "do_POST"):
            patch.setattr(Hub, method, slow)
        server = serve(tmp_path / "hub")
        address = f"http://127.0.0.1:{server.server_port}"
        processes = []
        for number in range(4):
            part = {"name": "web", "hub": f"org/set{number}", "revision": COMMIT}
            words = [sys.executable, "-m", "smelt", "dataset", "--settings", json.dumps(part)]
            environment = os.environ | {
                "HF_ENDPOINT": address,
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_OFFLINE": "0",
            }
            words += ["--output", str(tmp_path / f"here{number}")]
            options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            processes.append(subprocess.Popen(words, env=environment, **options))
        logs = logs_of(processes)
        server.shutdown()
        server.server_close()
    spans = [(min(times), max(times)) for times in asked.values()]
    assert len(spans) == 4
    assert max(sum(begin <= moment <= end for begin, end in spans) for moment, _ in spans) == 2
    assert sum("127.0.0.1: waiting for one of 2 downloads from there to end\n" in log for log in logs) == 2


def test_a_limit_below_one_is_refused(tmp_path, capsys):
    words = ["download", "--wiki", "xxwiki", "--date", DATE, "--mirror", "http://127.0.0.1:9", "--output"]
    assert main([*words, str(tmp_path / "out"), "--downloads-per-host", "0"]) == 1
    assert "argument --downloads-per-host: expected a whole number from 1, found '0'" in capsys.readouterr().err
