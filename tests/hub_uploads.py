"""A server on this machine that takes models as the Hugging Face hub does, commits them, and gives them back."""

import base64
import json
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from tests.hub_answers import HubAnswers

TOKEN = "hf_" + "aB3" * 10
MAIN = "main"


@dataclass
class Repository:
    """A model's repository: what its branches hold, and the messages of its commits."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    """Of the main branch."""
    messages: list[str] = field(default_factory=list)
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files of the other ones."""
    gated: bool = False
    """Whether nobody with TOKEN has access."""
    changed_meanwhile: bool = False
    """Whether somebody else commits after each look at it."""

    def at(self, revision: str) -> dict[str, bytes] | None:
        """Return the files of a branch, or of the commit at the end of one."""
        ends = {MAIN: self.files, **self.branches}
        return next((held for name, held in ends.items() if revision in (name, commit_of(held))), None)


def commit_of(files: dict[str, bytes]) -> str:
    """Return the name of a commit, which is one of what it holds."""
    return sha1(repr(sorted(files.items())).encode()).hexdigest()


class ModelHub(HubAnswers):
    """With TOKEN all is read, and what is below `me/` written; without it public repositories are read."""

    repositories: ClassVar[dict[str, Repository]] = {}
    stored: ClassVar[dict[str, bytes]] = {}
    """Large files, by their sha256."""

    def do_GET(self) -> None:
        parts = self._parts()
        name, rest = self._named(parts)
        if rest[:1] == ["xet-write-token"]:  # Xet, another server of the hub's, is not here
            return self._answer(404, b"", {})
        found = self._readable(name)
        if found is None:
            return self._missing()
        if found.gated:
            return self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        files = found.at(rest[1] if len(rest) > 1 else MAIN)
        if files is None:
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        commit = commit_of(files)
        if parts[0] == "api" and rest[:1] == ["tree"]:
            return self._json([self._entry(path, data) for path, data in files.items()])
        if parts[0] == "api":
            siblings = [{"rfilename": path} for path in (".gitattributes", *files)]
            self._json({"id": name, "sha": commit, "private": found.private, "siblings": siblings})
            if found.changed_meanwhile:
                files["theirs.md"] = b"theirs"
            return None
        path = "/".join(rest[2:])
        if path not in files:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        data = files[path]
        return self._answer(200, data, {"ETag": f'"{sha1(data).hexdigest()}"', "X-Repo-Commit": commit})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        parts, body = self._parts(), self.rfile.read(int(self.headers["Content-Length"] or 0))
        if parts == ["api", "validate-yaml"]:
            return self._json({"errors": [], "warnings": []})
        if not self._known():
            return self._answer(401, b'{"error": "Invalid username or password."}', {})
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        name, rest = self._named(parts)
        if name not in self.repositories:
            return self._missing()
        if rest[0] == "branch":
            return self._branch(self.repositories[name], rest[1], json.loads(body)["startingPoint"])
        if rest[0] == "preupload":
            return self._json({"files": [self._mode(file) for file in json.loads(body)["files"]]})
        if rest == ["info", "lfs", "objects", "batch"]:
            return self._json({"objects": [self._place(each) for each in json.loads(body)["objects"]]})
        if rest[0] == "commit":
            return self._commit(self.repositories[name].at(rest[1]), self.repositories[name].messages, body)
        return self._answer(404, b"", {})

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.stored[sha256(data).hexdigest()] = data
        return self._answer(200, b"", {})

    def _parts(self) -> list[str]:
        return unquote(urlsplit(self.path).path).strip("/").split("/")

    def _named(self, parts: list[str]) -> tuple[str, list[str]]:
        start = 2 if parts[0] == "api" else 0
        return "/".join(parts[start : start + 2]).removesuffix(".git"), parts[start + 2 :]

    def _known(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def _readable(self, name: str) -> Repository | None:
        found = self.repositories.get(name)
        return None if found is None or (found.private and not self._known()) else found

    def _missing(self) -> None:
        known = self._known() or not self.headers["Authorization"]
        return self._answer(404 if known else 401, b"", {"X-Error-Code": "RepoNotFound"} if known else {})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            return self._answer(403, b'{"error": "You do not have the rights to create a model there"}', {})
        address = {"url": f"http://{self.headers['Host']}/{name}", "name": name}
        if name in self.repositories:
            return self._answer(409, json.dumps(address).encode(), {})
        self.repositories[name] = Repository(private=asked["visibility"] == "private")
        return self._json(address)

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith((".safetensors", ".onnx"))
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def _place(self, asked: dict[str, Any]) -> dict[str, Any]:
        href = f"http://{self.headers['Host']}/lfs/{asked['oid']}"
        return {"oid": asked["oid"], "size": asked["size"], "actions": {"upload": {"href": href}}}

    def _branch(self, repository: Repository, name: str, start: str) -> None:
        repository.branches[name] = dict(repository.at(start) or {})
        return self._answer(201, b"", {})

    def _commit(self, files: dict[str, bytes] | None, messages: list[str], body: bytes) -> None:
        if files is None:
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        lines = [json.loads(line) for line in body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit", commit_of(files)) != commit_of(files):
            return self._answer(412, b'{"error": "A commit has happened since"}', {})
        messages.append(header["summary"])
        for line in lines:
            kind, value = line["key"], line["value"]
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
        address = f"http://{self.headers['Host']}/me/model/commit/{commit_of(files)}"
        return self._json({"commitUrl": address, "commitOid": commit_of(files), "success": True, "hookOutput": ""})

    def _entry(self, path: str, data: bytes) -> dict[str, object]:
        return {"type": "file", "path": path, "size": len(data), "oid": sha1(data).hexdigest()}


def serve() -> ThreadingHTTPServer:
    """Return a running server without repositories."""
    ModelHub.repositories, ModelHub.stored = {}, {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelHub)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
