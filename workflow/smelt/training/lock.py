"""A lock that keeps a second copy of a job out of a folder, on file systems that several machines share.

Whoever holds it shows that it lives by renewing the file's time of change; flock is not honoured across the machines
of every cluster. A lock that nobody renews is taken over, so no job has to be helped after a crash.

A holder's name in the folder is `lock`; an heir's is `lock.after-<what it follows>`, until it has taken the first name.
As a hard link of one name can be made only once, each holder has one heir, however many ask at the same moment.
"""

import contextlib
import hashlib
import json
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import SmeltError

HEARTBEAT = 30.0  # seconds between two signs of life
STALE = 300.0  # seconds without one, after which a holder on another machine counts as dead


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as its file says."""

    text: str

    @property
    def token(self) -> str:
        """A name for this holder that no other has."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def fields(self) -> dict[str, object]:
        """What the file says; nothing where it is not one of ours."""
        with contextlib.suppress(ValueError):
            value = json.loads(self.text)
            return value if isinstance(value, dict) else {}
        return {}

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, under this kernel since it started, where process numbers tell of its life."""
        return (self.fields.get("host"), self.fields.get("kernel")) == (socket.gethostname(), _kernel())

    @property
    def is_gone(self) -> bool:
        """Whether it is known to be dead: it ran here, and no process of its number does."""
        if not self.is_here:
            return False
        try:
            process = int(str(self.fields["process"]))
            os.kill(process, 0)
        except (ProcessLookupError, KeyError, ValueError):
            return True
        except PermissionError:
            return False
        return _is_zombie(process)

    def __str__(self) -> str:
        """The holder, for messages."""
        if {"process", "host"} <= self.fields.keys():
            return f"process {self.fields['process']} on {self.fields['host']}"
        return "another process"


class Lock:
    """One lock file, held by one process."""

    def __init__(self, path: Path, heartbeat: float = HEARTBEAT, stale: float = STALE) -> None:
        """Take the file's path, whose folder exists, and the seconds between heartbeats and until it is stale."""
        self.path, self.heartbeat, self.stale = path, heartbeat, stale
        self._me: Holder | None = None
        self._stopped = threading.Event()

    def acquire(self) -> None:
        """Take the lock; wait only where it takes time to see whether its holder still lives.

        Raises:
            SmeltError: another process holds it.
            OSError: the folder cannot be written to.
        """
        me = Holder(json.dumps(_this_process()))
        draft = self.path.with_name(f"{self.path.name}.draft-{me.token}")
        try:
            place = self._take(me, draft)
        finally:
            draft.unlink(missing_ok=True)
        if place != self.path:
            place.replace(self.path)
        self._clear(me)
        self._me = me
        self._stopped.clear()
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Let go of the lock, if it is still held."""
        self._stopped.set()
        if self.is_held():
            self.path.unlink(missing_ok=True)
        self._me = None

    def is_held(self) -> bool:
        """Say whether this process holds the lock: it took it, and nobody has removed it or taken it over."""
        return self._me is not None and self._holder()[0] == self._me

    def confirm(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            SmeltError: it is gone or another process's.
        """
        holder, path = self._holder()
        if holder is None or holder != self._me:
            what = f"taken over by {holder}" if holder else "removed"
            raise SmeltError(path, f"the lock of this process was {what}: it stops here rather than write beside that")

    def _take(self, me: Holder, draft: Path) -> Path:
        """Become the holder's heir, or the holder where there is none; return the name that was free for it."""
        while True:
            with contextlib.suppress(FileExistsError, FileNotFoundError):  # the holder has changed: look again
                draft.parent.mkdir(parents=True, exist_ok=True)  # the last holder may have removed it
                draft.write_text(me.text, encoding="utf-8")
                holder, place = self._holder()
                if holder == me:
                    return place  # the link was made, though a network file system said that it had been there
                if holder is not None:
                    if self._lives(holder, place, _changed(draft)):
                        raise SmeltError(self.path.parent, f"in use by {holder}. Wait for it, or end it, and run again")
                    place = self._heir_of(holder)
                os.utime(draft)
                place.hardlink_to(draft)
                if self._holder()[0] == me:
                    if holder is not None:
                        print(f"smelt: warning: {self.path}: {holder} is gone; taking over", file=sys.stderr)
                    return place
                place.unlink()  # the one to follow had been followed already, and its name cleared away

    def _lives(self, holder: Holder, path: Path, now: int) -> bool:
        """Say whether a holder lives; wait for its heartbeat where nothing else tells.

        Ages are by the file system's clock, since machines differ in theirs; and a machine that slept has old
        heartbeats, so two more must fail to come before its processes count as dead.
        """
        if holder.is_gone:
            return False
        last = _changed(path)
        age = max(0.0, (now - last) / 1e9)
        if holder.is_here and age < 2 * self.heartbeat:
            return True
        wait = max(self.stale - age, 2 * self.heartbeat)
        print(f"smelt: {path}: held by {holder}; waiting up to {wait:.0f} s for a sign of life", file=sys.stderr)
        until = time.monotonic() + wait
        while time.monotonic() < until:
            time.sleep(min(1.0, self.heartbeat / 4))
            if holder.is_gone:
                return False
            if _changed(path) != last:
                return True
        return False

    def _holder(self) -> tuple[Holder | None, Path]:
        """Return the last heir of the one that the lock file names, and its file; None where there is no lock."""
        path = self.path
        holder = _read(path)
        while holder is not None and (heir := _read(self._heir_of(holder))) is not None:
            holder, path = heir, self._heir_of(holder)
        return holder, path

    def _heir_of(self, holder: Holder) -> Path:
        return self.path.with_name(f"{self.path.name}.after-{holder.token}")

    def _clear(self, me: Holder) -> None:
        """Remove the names that led here, and drafts that killed processes left; who still tries makes a new one."""
        for left in (".after-*", ".draft-*"):
            for path in self.path.parent.glob(self.path.name + left):
                if path != self._heir_of(me):
                    path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stopped.wait(self.heartbeat):
            with contextlib.suppress(OSError):  # a file system that is away for a moment: the next one may arrive
                if self.is_held():
                    os.utime(self.path)


def _this_process() -> dict[str, object]:
    return {"host": socket.gethostname(), "process": os.getpid(), "started": time.time_ns(), "kernel": _kernel()}


def _kernel() -> str:
    """Return what tells this boot of this machine, or this container, from others that may share its name."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _is_zombie(process: int) -> bool:
    """Say whether a process is dead but for its parent's taking note; false where /proc does not tell."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return False


def _read(path: Path) -> Holder | None:
    with contextlib.suppress(FileNotFoundError):
        return Holder(path.read_text(encoding="utf-8", errors="replace"))
    return None


def _changed(path: Path) -> int:
    """Return when a file was last changed, in nanoseconds; opening it makes network file systems look again."""
    with path.open("rb") as stream:
        return os.fstat(stream.fileno()).st_mtime_ns
