"""Processes that share work: each part is done once, and what came out is yielded in the order of the parts.

A pool of the standard library waits for ever when a process is killed while it writes a large result, because other
processes hold the same pipe open. Here each process has a pipe of its own, which ends with it.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")
AHEAD = 2  # parts for each process that are done or given out at a time, so that memory stays flat and none waits


class WorkerKilled(Exception):
    """A process ended before its time, most likely for want of memory."""


def share_out(make: Callable[[], Callable[[Part], Result]], parts: Iterable[Part], processes: int) -> Iterator[Result]:
    """Yield what processes make of parts, in the order of the parts; no process outlives this one.

    Args:
        make: called once in each process; it returns the function that is called with the parts.
        parts: what is to be done; parts and results go to and fro as pickles.
        processes: how many work side by side.

    Raises:
        WorkerKilled: a process was killed.
    """
    workers = [_PipedProcess(make) for _ in range(processes)]
    idle: queue.SimpleQueue[_PipedProcess] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def do(part: Part) -> Result:
        worker = idle.get()
        try:
            done: Result = worker.do(part)
        finally:
            idle.put(worker)
        return done

    threads = ThreadPoolExecutor(processes)
    given: deque[Future[Result]] = deque()
    try:
        for part in parts:
            given.append(threads.submit(do, part))
            if len(given) >= AHEAD * processes:
                yield given.popleft().result()
        while given:
            yield given.popleft().result()
    finally:
        for worker in workers:
            worker.end()
        threads.shutdown(cancel_futures=True)


class _PipedProcess:
    """A process and the pipe to it."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        context = multiprocessing.get_context("spawn")  # threads of Arrow and tokenizers do not survive a fork
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()
        # Not among the arguments: a process that is killed as it starts would let its parent wait for ever.
        self._first: tuple[Any, ...] = (make,)

    def do(self, part: Any) -> Any:
        """Return what the process makes of a part, or raise what it raised."""
        try:
            for message in (*self._first, part):
                self._connection.send(message)
            self._first = ()
            done, error = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerKilled from None
        if error is not None:
            raise error
        return done

    def end(self) -> None:
        """End the process, whatever it does; a thread that waits for it gets an answer."""
        self._process.kill()
        self._process.join()


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    make: Callable[[], Callable[[Any], Any]] = connection.recv()
    do: Callable[[Any], Any] | None = None
    while True:
        part = connection.recv()
        answer: tuple[Any, Exception | None]
        try:
            do = do or make()
            answer = do(part), None
        except Exception as error:
            answer = None, error
        connection.send(answer)


def _end_with_parent() -> None:
    """End this process when its parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
