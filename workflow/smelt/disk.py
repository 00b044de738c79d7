"""A disk that is full or may not be written to, said in one way whatever library found out; and scratch folders."""

import errno
import fcntl
import glob
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smelt.errors import SmeltError

_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
# What libraries in Rust and C++ raise holds the number in its text, or none at all: numpy's and torch's do not.
_NUMBER = re.compile(r"\b(?:os error|errno) (\d+)", re.IGNORECASE)
_IN_PART = re.compile(r"\d+ requested and \d+ written|iostream error|PytorchStreamWriter failed")
_NO_SPACE = 1 << 16
"""Free bytes of a file system that is full: what failed is larger than a block."""
_LOCK = ".lock"


def disk_errno(error: BaseException, folder: Path) -> int | None:
    """Return the errno of an error that a disk caused, by whatever library raised it; None for another one."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for each in causes:
        number = each.errno if isinstance(each, OSError) else None
        if number is None and (found := _NUMBER.search(str(each))):
            number = int(found[1])
        if number in _OF_DISKS:
            return number
    if any(_IN_PART.search(str(each)) for each in causes):
        return errno.ENOSPC if _free(folder) < _NO_SPACE else errno.EIO
    return None


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Name the output, and what there is room for, where a disk ends the writing of it.

    Raises:
        OSError: the disk is full, or may not be written to; its file name is the output's.
    """
    try:
        yield
    except SmeltError:
        raise
    except Exception as error:
        number = disk_errno(error, path.parent)
        named = Path(str(getattr(error, "filename", None) or path))
        if number is None or not named.absolute().is_relative_to(path.parent.absolute()):
            raise  # another kind of error, or a file that is read
        drafts = path.parent.glob(f".{glob.escape(path.name)}.*.draft")
        had = sum(file.stat().st_size for draft in drafts for file in (draft, *draft.rglob("*")) if file.is_file())
        room = f"{had:,} bytes of it were written, {_free(path.parent):,} are free; nothing of it is kept"
        raise OSError(number, f"{os.strerror(number)} ({room})", str(path)) from None


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Yield a folder for what is needed on the way; those that killed processes left are removed.

    A lock ends with its process, so only folders of living ones have one.
    """
    begin = f"smelt-{name}-{os.getuid()}-{socket.gethostname()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{glob.escape(begin)}*"):
        with suppress(OSError), (left / _LOCK).open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=begin) as folder, Path(folder, f"{_LOCK}-new").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(lock.name).rename(Path(folder, _LOCK))
        yield Path(folder)


def _free(folder: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0
