"""Checkpoints: all that a run needs to continue to the same result, written so that it can be killed at any moment.

A checkpoint is a folder, named after its step. Each process writes its own part into a draft of it; when all have, the
first writes the manifest with the checksums and gives the folder its name. The newest are kept, so that a damaged one
costs only the steps since the one before, and so is the best, whose weights may be wanted.
"""

import contextlib
import hashlib
import json
import math
import os
import pickle
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch

from smelt.errors import SmeltError, Unfinished, Unwritable, first_line
from smelt.files import checksum, json_text
from smelt.training.distributed import ALONE, Processes, Value
from smelt.training.lock import FINISHED, InUse, Lock
from smelt.training.recipes import upgrade_identity

NAME = "manifest.json"


class Damaged(Exception):
    """A file of a checkpoint is not what was written."""

    def __init__(self, path: Path, what: str) -> None:
        """Keep both parts; `str()` of the error is `path: what`."""
        self.path, self.what = path, what
        super().__init__(f"{path}: {what}")


@dataclass(frozen=True)
class Manifest:
    """The run and step of a checkpoint, and the checksum of each part."""

    step: int
    processes: int
    loss: float | None
    """On held-out documents; None where it was not measured at this step."""
    identity: Any
    """Settings and data that a run must share to continue from it (JSON values)."""
    sha256: dict[str, str]

    @property
    def digest(self) -> str:
        """Checksum of the manifest itself."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def write_part(folder: Path, name: str, state: Mapping[str, Any]) -> dict[str, str]:
    """Write one part so that it outlives a power cut; return its checksum by its name.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    path = folder / name
    try:
        with path.open("wb") as stream:
            torch.save(dict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
    except RuntimeError as error:  # torch then fails to close its archive, and hides the cause
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    return {name: checksum(path)}


def read_part(folder: Path, name: str, manifest: Manifest) -> dict[str, Any]:
    """Return the state that a part holds, its tensors on the CPU.

    Raises:
        Damaged: it is missing, its checksum is another, or torch cannot read it.
    """
    path = folder / name
    try:
        if checksum(path) != manifest.sha256[name]:
            raise Damaged(path, "its checksum is not the manifest's")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Damaged(path, "missing") from None
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise Damaged(path, f"torch cannot read it ({first_line(error)})") from None
    return state


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a checkpoint, so that it outlives a power cut."""
    with (folder / NAME).open("w", encoding="utf-8") as stream:
        stream.write(json_text(asdict(manifest) | {"digest": manifest.digest}, indent=2))
        stream.flush()
        os.fsync(stream.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint.

    Raises:
        Damaged: it is missing or not as it was written.
    """
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        digest = values.pop("digest")
        manifest = Manifest(**values)
    except FileNotFoundError:
        raise Damaged(path, "missing") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise Damaged(path, "not a manifest") from None
    if manifest.digest != digest:
        raise Damaged(path, "its checksum is not its own")
    return manifest


def sync(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def differences(found: Any, expected: Any, key: str = "") -> list[str]:
    """Return what differs between two nested mappings, by the dotted name of the key."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        names = sorted({*found, *expected})
        parts = [differences(found.get(name), expected.get(name), f"{key}.{name}".strip(".")) for name in names]
        return [difference for part in parts for difference in part]
    return [] if found == expected else [f"{key} was {found}, is {expected}"]


SHARED = "shared.pt"
DRAFT, REPLACED = ".draft", ".replaced"
PATIENCE = 60.0  # seconds between two lines about a lock that another job holds


@dataclass(frozen=True)
class State:
    """The contents of a checkpoint."""

    step: int
    shared: dict[str, Any]
    """The state that all processes share, as the first one had it."""
    own: dict[str, Any]
    """The state of this process only."""


class Checkpoints:
    """The checkpoints of one run, in a folder that only one run may use at a time.

    With several processes each calls every method, in the same order; the first one locks, removes and warns. A
    failure in one is raised in all, with the same message.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        processes: Processes = ALONE,
        kept: int = 2,
        wait_until: float = math.inf,
    ) -> None:
        """Take where they lie, whose they are, and how many are kept.

        Args:
            folder: one that all processes see.
            identity: the settings and data of the run (JSON values). A checkpoint with another identity is refused.
            processes: those of the run.
            kept: how many; the best one is kept in addition to the newest ones.
            wait_until: a moment of time.monotonic(); until then it waits for another run that uses the folder.
        """
        self.folder, self.processes, self.kept, self.wait_until = folder, processes, kept, wait_until
        self.identity = json.loads(json_text(identity))
        self._lock = Lock(folder / "lock")

    def __enter__(self) -> Self:
        """Lock the folder; wait for another run that uses it, such as a job whose Snakemake was killed.

        Raises:
            Unfinished: that run outlasts the time of this job.
            SmeltError: this process uses it already, or it cannot be made.
        """
        patience, failure = 0.0, "cannot keep checkpoints here"
        # In parts, since processes do not wait for one of them for ever.
        while not self.processes.gather(self._in_all(partial(self._try_lock, patience), failure))[0]:
            patience = PATIENCE
        self._in_first(lambda: (self.folder / FINISHED).unlink(missing_ok=True), failure)
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the folder; remove it if it is empty then."""
        if self.processes.first:
            with contextlib.suppress(OSError):  # harmless: the next process takes over a dead holder's lock
                self._lock.release()
                self.folder.rmdir()

    def save(self, step: int, shared: Mapping[str, Any], own: Mapping[str, Any], loss: float | None = None) -> None:
        """Save a state (tensors, numbers, texts, and lists and mappings of them), and remove old ones.

        `shared` is the first process's; `own` is each one's, and if all leave it empty, any number of processes may
        continue from it. `loss` is the one on held-out documents, None where it was not measured. A checkpoint of the
        same step is replaced.

        Raises:
            SmeltError: the disk is full, the folder cannot be written to, or the lock was lost.
        """
        draft = self.folder / (_name(step) + DRAFT)
        failure = f"cannot write the checkpoint of step {step}"
        self._in_first(self._clear, failure)
        try:
            parts = self._in_all(partial(self._write, draft, shared, own), failure)
            sha256 = {name: value for part in self.processes.gather(parts) for name, value in part.items()}
            loss = loss if loss is not None and math.isfinite(loss) else None
            manifest = Manifest(step, self.processes.size, loss, self.identity, sha256)
            self._in_first(partial(self._complete, draft, manifest), failure)
        finally:
            with contextlib.suppress(OSError):  # the next run removes what is left
                if self.processes.first and draft.exists() and self._lock.is_held():
                    shutil.rmtree(draft)

    def load(self) -> State | None:
        """Return the newest undamaged state, or None where there is none; warn about damaged ones and remove them.

        Raises:
            SmeltError: the checkpoint has other settings or other data, and the error names the differences, or another
                number of processes.
        """
        return self._first_whole(lambda: [folder.name for folder in reversed(self._folders())])

    def best(self) -> State | None:
        """Return the state with the lowest loss, the earliest of equals; None where no loss was measured.

        Raises:
            SmeltError: as load does.
        """
        return self._first_whole(lambda: [folder.name for _, folder in sorted(self._losses())])

    def is_best(self, loss: float | None) -> bool:
        """Return whether a loss is lower than that of every checkpoint; None (not measured) never is."""
        if loss is None:
            return False
        failure = "cannot read the checkpoints"
        mine = self._in_all(lambda: sorted(self._losses())[:1] if self.processes.first else [], failure)
        best = self.processes.gather(mine)[0]
        return not best or loss < best[0][0]

    def finish(self) -> None:
        """Keep the newest and the best for as long as the result may get lost: a run that resumes writes it again.

        Raises:
            SmeltError: the others cannot be removed, or the lock was lost.
        """
        self.kept = 1
        self._in_first(self._finish, "cannot remove checkpoints")

    def remove(self) -> None:
        """Remove all checkpoints once the run is done; unlocking removes the folder itself.

        Raises:
            SmeltError: they cannot be removed, or the lock was lost.
        """
        self._in_first(self._remove_all, "cannot remove the checkpoints")

    def _try_lock(self, patience: float) -> bool:
        """Lock the folder, if it becomes free within some seconds; return whether it is locked."""
        if not self.processes.first:
            return True
        try:
            self._lock.acquire(min(patience, max(0.0, self.wait_until - time.monotonic())))
        except InUse as error:
            if error.holder.is_me:
                raise SmeltError(error.where, error.message) from None
            if time.monotonic() >= self.wait_until:
                raise Unfinished(
                    error.where, f"in use by {error.holder} for all of this job's time. Run again"
                ) from None
            print(f"smelt: {self.folder}: waiting for {error.holder}, which uses it", file=sys.stderr, flush=True)
            return False
        return True

    def _finish(self) -> None:
        self._clear()
        self._prune()
        (self.folder / FINISHED).touch()
        sync(self.folder)

    def _write(self, draft: Path, shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
        """Write this process's parts; return their checksums by name."""
        draft.mkdir(exist_ok=True)
        parts = write_part(draft, SHARED, shared) if self.processes.first else {}
        return parts | (write_part(draft, self._own_name, own) if own else {})

    def _complete(self, draft: Path, manifest: Manifest) -> None:
        """Turn a draft with all its parts into a checkpoint."""
        missing = [name for name in sorted(manifest.sha256) if not (draft / name).is_file()]
        if missing:
            message = f"{missing[0]} of another process is not here: the folder must be one that all machines share"
            raise SmeltError(draft, message)
        write_manifest(draft, manifest)
        sync(draft)
        self._lock.confirm()
        final = draft.with_suffix("")
        if final.exists():
            final.rename(final.with_suffix(REPLACED))
        draft.rename(final)
        sync(self.folder)
        self._prune()

    def _prune(self) -> None:
        """Remove all but the newest and the best, and remains of replaced ones."""
        best = [folder for _, folder in sorted(self._losses())[:1]]
        for folder in self._folders()[: -self.kept]:
            if folder not in best:
                _discard(folder)
        for folder in self.folder.glob(f"step-*{REPLACED}"):
            shutil.rmtree(folder)

    def _clear(self) -> None:
        """Remove drafts of a killed process; restore what it was about to replace."""
        self._lock.confirm()
        for draft in self.folder.glob(f"step-*{DRAFT}"):
            shutil.rmtree(draft)
        for replaced in self.folder.glob(f"step-*{REPLACED}"):
            if replaced.with_suffix("").exists():
                shutil.rmtree(replaced)
            else:
                replaced.rename(replaced.with_suffix(""))

    def _remove_all(self) -> None:
        self._clear()
        for folder in self._folders():
            _discard(folder)

    def _first_whole(self, list_names: Callable[[], list[str]]) -> State | None:
        """Return the first checkpoint that every process finds undamaged; remove those before it."""
        failure = "cannot read the checkpoints"
        self._in_first(self._clear, failure)
        names = self.processes.gather(self._in_all(lambda: list_names() if self.processes.first else [], failure))[0]
        for number, name in enumerate(names, 1):
            folder = self.folder / name
            state, damage = self._in_all(partial(self._read, folder), failure)
            damages = [damage for damage in self.processes.gather(damage) if damage]
            if not damages:
                return state
            following = "going back to the one before" if number < len(names) else "and there is no other"
            self._in_first(
                partial(_warn_and_discard, folder, f"{damages[0]}: damaged checkpoint, {following}"), failure
            )
        return None

    def _read(self, folder: Path) -> tuple[State | None, str | None]:
        """Return this process's state, or a description of the damage."""
        if not folder.is_dir():  # the first process has listed it: it is not damaged, and must stay
            raise SmeltError(folder, "is not here: the folder of checkpoints must be one that all machines share")
        try:
            manifest = read_manifest(folder)
            self._compare(folder, manifest)
            shared = read_part(folder, SHARED, manifest)
            own = read_part(folder, self._own_name, manifest) if self._own_name in manifest.sha256 else {}
            return State(manifest.step, shared, own), None
        except Damaged as damage:
            return None, str(damage)

    def _compare(self, folder: Path, manifest: Manifest) -> None:
        found = differences(upgrade_identity(manifest.identity), self.identity)
        if found:
            message = f"checkpoint of another run: {'; '.join(found)}. Move it away to start again"
            raise SmeltError(folder, message)
        size = self.processes.size
        if manifest.processes != size and set(manifest.sha256) != {SHARED}:
            message = f"checkpoint of {manifest.processes} processes, but {size} were started"
            raise SmeltError(folder, f"{message}. Start {manifest.processes}, or move it away to start again")

    def _folders(self) -> list[Path]:
        """Return the checkpoints' folders, oldest first."""
        found = [path for path in self.folder.iterdir() if re.fullmatch(r"step-\d+", path.name)]
        return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))

    def _losses(self) -> Iterator[tuple[float, Path]]:
        """Yield loss and folder of each checkpoint that has a loss."""
        for folder in self._folders():
            with contextlib.suppress(Damaged):
                loss = read_manifest(folder).loss
                if loss is not None:
                    yield loss, folder

    @property
    def _own_name(self) -> str:
        return f"rank-{self.processes.rank}.pt"

    def _in_all(self, act: Callable[[], Value], failure: str) -> Value:
        """Do something in every process; if it fails in one, fail in all, in one line."""

        def attempt() -> Value:
            try:
                return act()
            except OSError as error:
                raise Unwritable(self.folder, f"{failure} ({error.strerror or error})") from None

        return self.processes.agree(attempt)

    def _in_first(self, act: Callable[[], None], failure: str) -> None:
        """Do something in the first process, while the others wait."""
        self._in_all(act if self.processes.first else lambda: None, failure)


def _name(step: int) -> str:
    return f"step-{step:09d}"


def _warn_and_discard(folder: Path, message: str) -> None:
    print(f"smelt: warning: {message}", file=sys.stderr)
    _discard(folder)


def _discard(folder: Path) -> None:
    """Remove a checkpoint; if killed halfway, leave a draft rather than a checkpoint."""
    shutil.rmtree(folder.rename(folder.with_suffix(DRAFT)))
