"""A lock that keeps a second copy of a job out of a folder, on file systems that several machines share.

The holder shows that it is alive by renewing the file's modification time, because flock does not work across the
machines of every cluster. A lock that nobody renews is taken over, so a crash needs no repair by hand.

A holder's file is `lock`; an heir's is `lock.after-<token of the holder>` until it is renamed to `lock`. A hard link
can be made only once under one name, so each holder has one heir, however many processes try at the same moment.
"""

import contextlib
import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import SmeltError

HEARTBEAT = 30.0  # seconds between two signs of life
STALE = 300.0  # a holder on another machine counts as dead after this many seconds without one
FINISHED = "finished"  # a file beside the lock: the run's result is written, and may still get lost
LOOK = 5.0  # seconds between two looks at a lock that others hold


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, read from its file."""

    text: str

    @property
    def token(self) -> str:
        """A unique name for this holder."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def fields(self) -> dict[str, object]:
        """The contents of the file; empty if it is not one of ours."""
        with contextlib.suppress(ValueError):
            value = json.loads(self.text)
            return value if isinstance(value, dict) else {}
        return {}

    @property
    def is_here(self) -> bool:
        """Whether it runs or ran under this boot of this kernel, where its process number shows whether it is alive."""
        return (self.fields.get("host"), self.fields.get("kernel")) == (socket.gethostname(), _kernel())

    @property
    def is_me(self) -> bool:
        """Whether it is this process, which would wait for itself for ever."""
        return self.is_here and self.fields.get("process") == os.getpid()

    @property
    def is_gone(self) -> bool:
        """Whether it is known to be dead: it ran here, and no process has its number now."""
        if not self.is_here:
            return False
        try:
            process = int(str(self.fields["process"]))
            os.kill(process, 0)
        except (ProcessLookupError, KeyError, ValueError):
            return True
        except PermissionError:
            pass  # another user's
        return _is_zombie(process)

    def __str__(self) -> str:
        """The holder, for messages."""
        if {"process", "host"} <= self.fields.keys():
            return f"process {self.fields['process']} on {self.fields['host']}"
        return "another process"


class InUse(SmeltError):
    """A process that lives holds a lock."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        """Take the lock's folder and its holder."""
        super().__init__(folder, f"in use by {holder}. Wait for it, or end it, and run again")
        self.holder = holder


class Lock:
    """One lock file, held by one process."""

    def __init__(
        self,
        path: Path,
        heartbeat: float = HEARTBEAT,
        stale: float = STALE,
        where: str = "",
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start without the lock.

        Args:
            path: the lock's file, whose folder exists.
            heartbeat: seconds between two signs of life.
            stale: seconds without one until it is taken over.
            where: what is locked, in messages; by default the file.
            lost: called with what became of the lock when two heartbeats find that it is no longer held.
        """
        self.path, self.heartbeat, self.stale = path, heartbeat, stale
        self.where, self.lost = where or str(path), lost
        self.predecessor: Holder | None = None
        """The holder that it was taken over from."""
        self._me: Holder | None = None
        self._stopped = threading.Event()

    def acquire(self, patience: float = 0.0) -> None:
        """Take the lock; if another process holds it, wait until that releases it or is gone.

        Args:
            patience: seconds to wait. More pass only if it takes time to see whether the holder is alive.

        Raises:
            InUse: another process holds it still, or this one does.
            OSError: the folder cannot be written to.
        """
        me = Holder(json.dumps(_this_process()))
        draft = self.path.with_name(f"{self.path.name}.draft-{me.token}")
        try:
            place = self._take(me, draft, time.monotonic() + patience)
        finally:
            draft.unlink(missing_ok=True)
        if place != self.path:
            place.replace(self.path)
        self._clear(me)
        self._me = me
        self._stopped.clear()
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Release the lock, if it is still held."""
        self._stopped.set()
        if self.is_held():
            self.path.unlink(missing_ok=True)
        self._me = None

    def is_held(self) -> bool:
        """Return whether this process took the lock and nobody has removed it or taken it over."""
        return self._me is not None and self._holder()[0] == self._me

    def living_holder(self) -> Holder | None:
        """Return the process that holds the lock; None if it is known to be gone or has not shown life for long."""
        holder, path = self._holder()
        with contextlib.suppress(FileNotFoundError):
            if holder and not holder.is_gone and time.time() - _time_of_change(path) / 1e9 < self.stale:
                return holder
        return None

    def confirm(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            SmeltError: it is gone or another process's.
        """
        holder, path = self._holder()
        if holder is None or holder != self._me:
            raise SmeltError(
                path, f"the lock of this process was {_fate(holder)}: it stops here rather than write beside that"
            )

    def _take(self, me: Holder, draft: Path, until: float) -> Path:
        """Become the holder's heir, or the holder if there is none; return the path of the new file."""
        while True:
            with contextlib.suppress(FileExistsError, FileNotFoundError):  # the holder has changed: look again
                draft.parent.mkdir(parents=True, exist_ok=True)  # the last holder may have removed it
                draft.write_text(me.text, encoding="utf-8")
                holder, place = self._holder()
                if holder == me:
                    return place  # a network file system reported an error, but made the link
                if holder is not None:
                    if self._lives(holder, place, _time_of_change(draft)):
                        if holder.is_me or time.monotonic() >= until:
                            raise InUse(self.path.parent, holder)
                        time.sleep(min(LOOK, self.heartbeat / 4, max(0.0, until - time.monotonic())))
                        continue
                    place = self._heir_of(holder)
                os.utime(draft)
                place.hardlink_to(draft)
                if self._holder()[0] == me:
                    self.predecessor = holder
                    if holder is not None:
                        print(f"smelt: warning: {self.where}: {holder} is gone; taking over", file=sys.stderr)
                    return place
                place.unlink()  # the holder already had an heir, whose file has been renamed

    def _lives(self, holder: Holder, path: Path, now: int) -> bool:
        """Return whether a holder is alive; wait for its heartbeat if nothing else shows it.

        Ages are by the file system's clock, because those of machines differ. After a machine has slept its heartbeats
        are old, so two more must fail to arrive before its processes count as dead.
        """
        if holder.is_gone:
            return False
        last = _time_of_change(path)
        age = max(0.0, (now - last) / 1e9)
        if holder.is_here and age < 2 * self.heartbeat:
            return True
        wait = max(self.stale - age, 2 * self.heartbeat)
        if age > 2 * self.heartbeat:  # later than expected
            print(
                f"smelt: {self.where}: held by {holder}; waiting up to {wait:.0f} s for a sign of life", file=sys.stderr
            )
        until = time.monotonic() + wait
        while time.monotonic() < until:
            time.sleep(min(1.0, self.heartbeat / 4))
            if holder.is_gone:
                return False
            if _time_of_change(path) != last:
                return True
        return False

    def _holder(self) -> tuple[Holder | None, Path]:
        """Return the last heir of the holder that the lock file names, and its file; None if there is no lock."""
        path = self.path
        holder = _read(path)
        while holder is not None and (heir := _read(self._heir_of(holder))) is not None:
            holder, path = heir, self._heir_of(holder)
        return holder, path

    def _heir_of(self, holder: Holder) -> Path:
        return self.path.with_name(f"{self.path.name}.after-{holder.token}")

    def _clear(self, me: Holder) -> None:
        """Remove the files of earlier heirs, and drafts; a process that still tries makes a new draft."""
        for left in (".after-*", ".draft-*"):
            for path in self.path.parent.glob(self.path.name + left):
                if path != self._heir_of(me):
                    path.unlink(missing_ok=True)

    def _beat(self) -> None:
        missing = 0
        while not self._stopped.wait(self.heartbeat):
            with contextlib.suppress(OSError):  # a file system that fails for a moment: the next heartbeat may arrive
                holder, _ = self._holder()
                if holder is not None and holder == self._me:
                    missing = 0
                    os.utime(self.path)
                elif not self._stopped.is_set():
                    missing += 1
                    if missing == 2:  # and not only hidden for a moment
                        self.lost(_fate(holder))


def _fate(holder: Holder | None) -> str:
    """Return what became of a lock that is held no longer, by its present holder."""
    return f"taken over by {holder}" if holder else "removed"


def _this_process() -> dict[str, object]:
    return {"host": socket.gethostname(), "process": os.getpid(), "started": time.time_ns(), "kernel": _kernel()}


def _kernel() -> str:
    """Return an id of this boot of this machine or container; others may share its host name."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _is_zombie(process: int) -> bool:
    """Return whether a process has ended and waits for its parent; false where /proc does not show it."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return False


def _read(path: Path) -> Holder | None:
    with contextlib.suppress(FileNotFoundError):
        return Holder(path.read_text(encoding="utf-8", errors="replace"))
    return None


def _time_of_change(path: Path) -> int:
    """Return when a file was last changed, in nanoseconds; opening it makes network file systems look again."""
    with path.open("rb") as stream:
        return os.fstat(stream.fileno()).st_mtime_ns
