"""Where dumps come from: a dumps server, an archive with a folder for each dump, or a local folder like either."""

import hashlib
import html
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from smelt.corpora.listing import DumpPart, opening
from smelt.environment import VARIABLE, fill_in, hide_secrets
from smelt.errors import WITHOUT_IT, SmeltError, absent
from smelt.study.corpora import DUMPS_SERVER, root_and_layout

CONNECTING = 15.0  # seconds that a server may take to accept a connection
LONGEST_PAUSE = 900.0  # maximum seconds to wait, even where a server asks for more
PIECE = 1 << 16  # bytes that a broken connection loses at most
ReportBytes = Callable[[int], None]
Answer = TypeVar("Answer")


class AbsentError(SmeltError):
    """A mirror does not have a file; another mirror may."""


class BusyError(requests.ConnectionError):
    """A server that will answer later; `wait` is the number of seconds that it asks for."""

    def __init__(self, message: str, wait: float) -> None:
        """Keep the seconds."""
        super().__init__(message)
        self.wait = wait


class Mirror(Protocol):
    """A place that holds dumps."""

    @property
    def layout(self) -> str:
        """Path of a dump's folder, with {wiki} and {date} in it."""

    @property
    def host(self) -> str:
        """The host that it is reached at; "" for a local folder."""

    def read(self, path: str) -> bytes:
        """Return a small file, such as dumpstatus.json.

        Raises:
            AbsentError: the mirror does not have it.
        """

    def size(self, path: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            AbsentError: the mirror does not have it.
        """

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; none where the folder is missing or cannot be listed."""

    def fetch(self, path: str, part: DumpPart, target: "PartFile", progress: ReportBytes) -> None:
        """Bring a part file to `target`, continuing a partial file; `progress` receives the bytes so far."""

    def where(self, path: str) -> str:
        """Return the full address of a file, for messages."""


@dataclass(frozen=True)
class Patience:
    """Number of attempts that bring nothing new, the first pause between them, and how long a server may be silent."""

    attempts: int = 6
    pause: float = 2.0
    silence: float = 60.0


class PartFile:
    """A part on its way here. What an earlier attempt left is kept; the sum grows with the file."""

    def __init__(self, path: Path) -> None:
        """Take the path, and the sum of what is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.path = path
        with path.open("rb") as stream:
            self._sum = hashlib.file_digest(stream, "sha1")
        self.size = path.stat().st_size

    @property
    def sha1(self) -> str:
        """Return the sum of the bytes that are here."""
        return self._sum.hexdigest()

    def restart(self) -> None:
        """Throw away what is there."""
        self.path.write_bytes(b"")
        self.size, self._sum = 0, hashlib.sha1()

    def append(self, pieces: Iterable[bytes], progress: ReportBytes) -> None:
        """Write pieces as they come; those before an error stay."""
        with self.path.open("ab") as stream:
            for piece in pieces:
                stream.write(piece)
                self._sum.update(piece)
                self.size += len(piece)
                progress(self.size)


def open_mirror(address: str, patience: Patience) -> Mirror:
    """Return the mirror at an address: https://, http://, file:// or a local folder.

    The address is that of a folder laid out as the dumps server, <wiki>/<date>/…; or, with {wiki} and {date} in it,
    that of the folder of one dump, such as https://archive.org/download/{wiki}-{date}.

    Raises:
        AbsentError: a local folder that is not there.
        SmeltError: it is not such an address.
    """
    address = fill_in(address)
    if unset := VARIABLE.search(address):
        raise AbsentError(address, f"the environment variable {unset[1]} is not set. Set it, {WITHOUT_IT}")
    try:
        root, layout = root_and_layout(address)
    except ValueError as error:  # it begins with the address
        raise SmeltError("--mirror", str(error)) from None
    scheme, host = _scheme_and_host(root) if "://" in root else ("file", "")
    if scheme in ("http", "https") and host:
        return Server(root.rstrip("/"), patience, layout)
    if scheme != "file":
        raise SmeltError(address, "is no mirror: expected https://, http://, file:// or a local folder")
    folder = Path(url2pathname(urlsplit(root).path)) if "://" in root else Path(root)
    if not folder.is_dir():
        missing = absent(folder, "folder", "one laid out as the dumps server, <wiki>/<date>/…")
        raise AbsentError(missing.where, missing.message)
    return Folder(folder, layout)


def _scheme_and_host(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SmeltError(address, f"is no mirror: {error}") from None
    return parts.scheme, parts.hostname or ""


@dataclass(frozen=True)
class Folder:
    """A local folder of dumps."""

    root: Path
    layout: str = DUMPS_SERVER
    host: ClassVar = ""

    def where(self, path: str) -> str:
        """Return the path of a file."""
        return str(self.root / path)

    def read(self, path: str) -> bytes:
        """Return a small file."""
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise _refusal(error, self.where(path)) from None

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        try:
            return (self.root / path).stat().st_size
        except OSError as error:
            raise _refusal(error, self.where(path)) from None

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        folder = self.root / path
        return [inner.name for inner in folder.iterdir()] if folder.is_dir() else []

    def fetch(self, path: str, part: DumpPart, target: PartFile, progress: ReportBytes) -> None:  # noqa: ARG002 - as a server
        """Copy a part file; a local copy is quick, so it always starts from the beginning."""
        target.restart()
        try:
            with (self.root / path).open("rb") as source:
                target.append(iter(lambda: source.read(PIECE), b""), progress)
        except OSError as error:
            raise _refusal(error, error.filename or self.where(path)) from None


@dataclass(frozen=True)
class Server:
    """A dumps server reached over HTTP: it waits after temporary errors, and continues interrupted downloads."""

    root: str
    patience: Patience
    layout: str = DUMPS_SERVER

    @property
    def host(self) -> str:
        """Return the host, without the port."""
        return _scheme_and_host(self.root)[1]

    def where(self, path: str) -> str:
        """Return the address of a file."""
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        """Return a small file."""

        def attempt() -> bytes:
            with self._ask("GET", path) as response:
                return response.content

        return self._patiently(path, attempt, lambda: 0)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes, as the server announces it."""

        def attempt() -> str:
            with self._ask("HEAD", path) as response:
                return response.headers.get("Content-Length", "")

        length = self._patiently(path, attempt, lambda: 0)
        if not length.isdecimal():
            raise SmeltError(self.where(path), "the server does not say how long it is; name another mirror")
        return int(length)

    def names(self, path: str) -> list[str]:
        """Return the last parts of the links on the index page of a folder."""
        try:
            page = self.read(f"{path}/").decode("utf-8", "replace")
        except SmeltError:
            return []
        links = re.findall(r"""<a\s[^>]*?href\s*=\s*["']?([^"'\s>]+)""", page, re.IGNORECASE)
        return [urlsplit(html.unescape(link)).path.rstrip("/").rpartition("/")[2] for link in links]

    def fetch(self, path: str, part: DumpPart, target: PartFile, progress: ReportBytes) -> None:
        """Download a part file, appending to what an earlier attempt left in `target`."""

        def attempt() -> None:
            if target.size > part.size:
                target.restart()
            if target.size < part.size:
                self._continue(path, part, target, progress)
            if target.size < part.size:
                raise requests.ConnectionError("the server closed the connection")

        self._patiently(path, attempt, lambda: target.size)

    def _continue(self, path: str, part: DumpPart, target: PartFile, progress: ReportBytes) -> None:
        """Append to `target` what the server sends; a server without ranges sends the whole file again."""
        with self._ask("GET", path, target.size) as response:
            partial = response.status_code == HTTPStatus.PARTIAL_CONTENT
            start = target.size if partial else 0
            pieces = response.iter_content(PIECE)
            length = start + int(response.headers.get("Content-Length", part.size - start))
            if length != part.size:
                raise SmeltError(
                    self.where(path),
                    f"the server has {length:,} bytes where {part.size:,} are listed; they start with"
                    f" {opening(next(pieces, b''))}. Run again later, or name another mirror.",
                )
            if start < target.size:
                target.restart()
            target.append(pieces, progress)

    def _ask(self, method: str, path: str, start: int = 0) -> requests.Response:
        """Ask for a file from byte `start` on; temporary errors are raised as exceptions of requests."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "smelt (corpora of language models)"}
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout = (CONNECTING, self.patience.silence)
        response = requests.request(method, self.where(path), headers=headers, stream=True, timeout=timeout)
        status = response.status_code
        if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return response
        response.close()
        if status == HTTPStatus.NOT_FOUND:
            raise AbsentError(self.where(path), "is not on the mirror (404): name another date or mirror")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            asked = response.headers.get("Retry-After", "")
            raise BusyError(f"the server answered {status} {response.reason}", float(asked) if asked.isdecimal() else 0)
        raise SmeltError(self.where(path), f"the server refused: {status} {response.reason}")

    def _patiently(self, path: str, attempt: Callable[[], Answer], size: Callable[[], int]) -> Answer:
        """Attempt until it works, with pauses that double; an attempt that brought new bytes resets the count."""
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
                print(hide_secrets(f"{path}: {error}; attempt {failures + 1} in {pause:.0f} s"), flush=True)
                time.sleep(pause)


def _refusal(error: OSError, where: str) -> SmeltError:
    kind = AbsentError if isinstance(error, FileNotFoundError | NotADirectoryError) else SmeltError
    return kind(where, (error.strerror or str(error)).lower())
