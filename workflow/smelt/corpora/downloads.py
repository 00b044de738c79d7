"""A limit of downloads from a host, for all jobs of a user on a machine, whichever workflow started them.

Each download holds one of the host's files, locked. The kernel lets go of a lock when its process ends, however that
happens, so that a killed job leaves nothing to repair.
"""

import argparse
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from smelt.cli import positive

DOWNLOADS = 2
"""Downloads from a host at once; the dumps server grants two connections to an address."""
LOOK_AGAIN = 1.0  # seconds


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Declare `--downloads-per-host`."""
    help_line = "downloads from a host that run at once on this machine; this one waits for its turn"
    parser.add_argument("--downloads-per-host", type=positive, default=DOWNLOADS, help=help_line)


@contextmanager
def turn_at(host: str, limit: int) -> Iterator[None]:
    """Wait until fewer than `limit` downloads from a host are under way, and count as one of them within the block."""
    folder = Path(tempfile.gettempdir()) / f"smelt-{os.getuid()}" / "downloads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]", "_", host)
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{name}-{number}").open("a")) for number in range(1, limit + 1)]
        waits = False
        while not any(map(_lock, files)):
            if not waits:
                print(f"{host}: waiting for one of {limit} downloads from there to end", flush=True)
                waits = True
            time.sleep(LOOK_AGAIN)
        if waits:
            print(f"{host}: it is this one's turn", flush=True)
        yield


def _lock(file: TextIO) -> bool:
    """Lock a file, unless another process has; closing it lets go."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
