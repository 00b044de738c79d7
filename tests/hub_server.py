"""A server on this machine that answers as the Hugging Face hub does: data sets at one commit, from a folder."""

import json
from hashlib import sha1
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_answers import HubAnswers

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(HubAnswers):
    """Data sets org/<name> are the folders of `folder`; `fetched` has the files asked for, and their bytes."""

    folder: ClassVar[Path]
    fetched: ClassVar[list[tuple[str, int]]] = []

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        listed = parts[0] == "api"
        organisation, name, *rest = [*parts[2 if listed else 1 :], "", ""]
        rest = rest[: max(len(parts) - (4 if listed else 3), 0)]
        root = self.folder / name
        if organisation != "org" or not name or not root.is_dir():
            return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        if COMMIT not in rest and rest:
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        below = "/".join(rest[rest.index(COMMIT) + 1 :]) if rest else ""
        if listed and rest and rest[0] == "tree":
            return self._tree(root, below)
        if listed and rest and rest[0] == "paths-info":
            return self._paths(root)
        if listed:
            names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
            return self._json({"id": f"org/{name}", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]})
        path = root / below
        if not path.is_file():
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        return self._file(path, below)

    do_HEAD = do_POST = do_GET

    def _tree(self, root: Path, below: str) -> None:
        folder = root / below
        if not folder.is_dir():
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        deep = parse_qs(urlsplit(self.path).query).get("recursive", [""])[0].lower() in ("true", "1")
        found = sorted(folder.rglob("*") if deep else folder.iterdir())
        return self._json([self._entry(root, path) for path in found])

    def _paths(self, root: Path) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        paths = json.loads(asked)["paths"] if asked.startswith("{") else parse_qs(asked)["paths"]
        return self._json([self._entry(root, root / path) for path in paths if (root / path).exists()])

    def _entry(self, root: Path, path: Path) -> dict[str, object]:
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": sha1(name.encode()).hexdigest()}
        return {"type": "file", "path": name, "size": path.stat().st_size, "oid": sha1(path.read_bytes()).hexdigest()}

    def _file(self, path: Path, name: str) -> None:
        data, status, extra = path.read_bytes(), 200, {}
        if wanted := self.headers["Range"]:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(data)), len(data) - 1)
            extra = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
            data, status = data[start : end + 1], 206
        if self.command == "GET":
            self.fetched.append((name, len(data)))
        etag = sha1(path.read_bytes()).hexdigest()
        return self._answer(status, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT} | extra)


def serve(folder: Path) -> ThreadingHTTPServer:
    """Return a running server of the data sets in a folder."""
    Hub.folder, Hub.fetched = folder, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
