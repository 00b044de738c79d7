"""A server of dumps that misbehaves as a test asks, and the command that downloads from it."""

import contextlib
import http.server
import json
import time
from pathlib import Path

from smelt.__main__ import main

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


def change_status(folder: Path, change) -> None:
    status = json.loads((folder / "dumpstatus.json").read_text())
    change(status["jobs"]["articlesdump"])
    (folder / "dumpstatus.json").write_text(json.dumps(status))
