"""Where dumps come from: a dumps server, or a local folder laid out as one."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from smelt.corpora.listing import Part, opening
from smelt.errors import SmeltError, absent

LONGEST_PAUSE = 900.0  # seconds to wait at the most, even where a server asks for more
PIECE = 1 << 16  # what a broken connection loses at the most
Progress = Callable[[int], None]
Answer = TypeVar("Answer")


class BusyError(requests.ConnectionError):
    """A server that will answer later; `wait` is for how many seconds it asks."""

    def __init__(self, message: str, wait: float) -> None:
        """Keep the seconds."""
        super().__init__(message)
        self.wait = wait


class Mirror(Protocol):
    """A place that holds dumps."""

    def read(self, path: str) -> bytes:
        """Return a small file, such as dumpstatus.json."""

    def fetch(self, path: str, part: Part, target: Path, progress: Progress) -> None:
        """Bring a part file to `target`, going on from what is there; `progress` is told the bytes that are there."""

    def where(self, path: str) -> str:
        """Return the full address of a file, for messages."""


@dataclass(frozen=True)
class Patience:
    """How often a server is asked again without having sent anything new, and how long the first pause is."""

    attempts: int = 6
    pause: float = 2.0


def open_mirror(address: str, patience: Patience) -> Mirror:
    """Return the mirror at an address: https://, http://, file:// or a local folder."""
    scheme, host = _scheme_and_host(address) if "://" in address else ("file", "")
    if scheme in ("http", "https") and host:
        return Server(address.rstrip("/"), patience)
    if scheme != "file":
        raise SmeltError(address, "is no mirror: expected https://, http://, file:// or a local folder")
    folder = Path(url2pathname(urlsplit(address).path)) if "://" in address else Path(address)
    if not folder.is_dir():
        raise absent(folder, "folder", "one laid out as the dumps server, <wiki>/<date>/…")
    return Folder(folder)


def _scheme_and_host(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SmeltError(address, f"is no mirror: {error}") from None
    return parts.scheme, parts.hostname or ""


@dataclass(frozen=True)
class Folder:
    """A local folder laid out as the dumps server."""

    root: Path

    def where(self, path: str) -> str:
        """Return the path of a file."""
        return str(self.root / path)

    def read(self, path: str) -> bytes:
        """Return a small file."""
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise SmeltError(self.where(path), f"{_reason(error)}: is the dump of this date on the mirror?") from None

    def fetch(self, path: str, part: Part, target: Path, progress: Progress) -> None:  # noqa: ARG002 - as a server
        """Copy a part file; a local copy is quick, so it always starts anew."""
        try:
            with (self.root / path).open("rb") as source, target.open("wb") as copy:
                while piece := source.read(PIECE):
                    copy.write(piece)
                    progress(copy.tell())
        except OSError as error:
            raise SmeltError(error.filename or self.where(path), _reason(error)) from None


@dataclass(frozen=True)
class Server:
    """A dumps server reached over HTTP: errors that pass are waited out, cut downloads go on where they stopped."""

    root: str
    patience: Patience

    def where(self, path: str) -> str:
        """Return the address of a file."""
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        """Return a small file."""

        def attempt() -> bytes:
            with self._get(path, 0) as response:
                return response.content

        return self._patiently(path, attempt, lambda: 0)

    def fetch(self, path: str, part: Part, target: Path, progress: Progress) -> None:
        """Download a part file, appending to what an earlier attempt left in `target`."""
        target.touch()

        def attempt() -> None:
            if target.stat().st_size > part.size:
                os.truncate(target, 0)
            if target.stat().st_size < part.size:
                self._continue(path, part, target, progress)
            if target.stat().st_size < part.size:
                raise requests.ConnectionError("the server closed the connection")

        self._patiently(path, attempt, lambda: target.stat().st_size)

    def _continue(self, path: str, part: Part, target: Path, progress: Progress) -> None:
        """Append to `target` what the server sends; a server that knows no ranges sends everything anew."""
        with self._get(path, target.stat().st_size) as response:
            partial = response.status_code == HTTPStatus.PARTIAL_CONTENT
            start = target.stat().st_size if partial else 0
            pieces = response.iter_content(PIECE)
            length = start + int(response.headers.get("Content-Length", part.size - start))
            if length != part.size:
                raise SmeltError(
                    self.where(path),
                    f"the server has {length:,} bytes where dumpstatus.json lists {part.size:,}; they start with"
                    f" {opening(next(pieces, b''))}. Run again later, or name another mirror.",
                )
            with target.open("r+b") as stream:
                stream.truncate(start)
                stream.seek(start)
                for piece in pieces:
                    stream.write(piece)
                    progress(stream.tell())

    def _get(self, path: str, start: int) -> requests.Response:
        """Ask for a file from byte `start` on; what waiting may mend is raised as an exception of requests."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "smelt (corpora of language models)"}
        if start:
            headers["Range"] = f"bytes={start}-"
        response = requests.get(self.where(path), headers=headers, stream=True, timeout=(15, 60))
        status = response.status_code
        if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return response
        response.close()
        if status == HTTPStatus.NOT_FOUND:
            raise SmeltError(self.where(path), "is not on the mirror (404): name another date or mirror")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            asked = response.headers.get("Retry-After", "")
            raise BusyError(f"the server answered {status} {response.reason}", float(asked) if asked.isdecimal() else 0)
        raise SmeltError(self.where(path), f"the server refused: {status} {response.reason}")

    def _patiently(self, path: str, attempt: Callable[[], Answer], size: Callable[[], int]) -> Answer:
        """Attempt until it works, with pauses that double; attempts that brought new bytes start the count anew."""
        failures, had = 0, size()
        while True:
            try:
                return attempt()
            except requests.RequestException as error:
                failures = failures + 1 if size() <= had else 1
                had = size()
                if failures >= self.patience.attempts:
                    raise SmeltError(
                        self.where(path),
                        f"gave up after {failures} attempts: {error}. Run again to go on, or name another mirror.",
                    ) from None
                pause = self.patience.pause * 2 ** (failures - 1)
                if isinstance(error, BusyError):
                    pause = min(max(pause, error.wait), LONGEST_PAUSE)
                print(f"{path}: {error}; attempt {failures + 1} in {pause:.0f} s", flush=True)
                time.sleep(pause)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
