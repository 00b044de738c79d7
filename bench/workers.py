"""Processes that each hold one way of doing a thing and do it when asked.

What one way leaves behind (memory that its allocator keeps, libraries that it patches, threads) does not touch the
others, and while one works the others sleep.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Way = Callable[[], Any]


class Ended(Exception):
    """A way's process has ended before its time."""


class WayProcess:
    """A process of its own that makes a way once, and then does it at every call."""

    def __init__(self, make: Callable[..., Way], *arguments: Any, environment: Mapping[str, str] | None = None) -> None:
        """Start it; `make` is a function of a module, and `environment` is added to this process's."""
        self._name = make.__name__
        self._connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(other, make, arguments), daemon=False)
        with _environment(environment or {}):
            self._process.start()
        other.close()

    def __call__(self) -> Any:
        """Have it done once, and return what came out.

        Raises:
            Ended: the process has, most likely for want of memory.
        """
        try:
            self._connection.send(True)
            return self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise Ended(f"{self._name} ended with exit code {self._process.exitcode}") from None

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, make: Callable[..., Way], arguments: tuple[Any, ...]) -> None:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), suppress(EOFError):
        run = make(*arguments)
        while connection.recv():
            connection.send(run())


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def close(workers: Mapping[str, WayProcess]) -> None:
    """End the processes of all ways."""
    for worker in workers.values():
        worker.close()
