"""Processes that read articles, watched: what they say goes to the log, and one that hangs is stopped."""

import contextlib
import fcntl
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import smelt
from smelt.corpora.wikitext.settings import RawPage, ReadingSettings, ReadPage

PROGRAM = "from smelt.corpora.wikitext import worker; worker.main()"
BATCH_CHARACTERS = 200_000  # of wikitext that a process gets at once: some hundredths of a second
BATCH_PAGES = 50
PIPE_BYTES = 1 << 20  # of answers that wait until they are read, while their process reads on; Linux gives 65,536
KILLS = (signal.SIGKILL, signal.SIGTERM)  # come from outside, for memory or time; other signals come from faults
STALL = 1800.0  # seconds after which a process is stuck at its page
BATCHES_AHEAD = 8  # for each process, so that none waits while a row group is written


class Unread(Exception):
    """An article could not be read: the page, and why."""

    def __init__(self, page: RawPage, reason: str, killed: bool = False) -> None:
        """Take the page and the reason, and whether the process was killed: then it is not the page's fault."""
        super().__init__(reason)
        self.page = page
        self.reason = reason
        self.killed = killed


class Extractor:
    """A number of processes that read articles; none of them is left after the `with` block."""

    def __init__(self, workers: int, stall: float = STALL) -> None:
        """Start them: they load their libraries while the caller goes on.

        Args:
            workers: how many.
            stall: seconds that one may take for a page.
        """
        self._stall = stall
        self._workers = [_Worker() for _ in range(max(1, workers))]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(len(self._workers))
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        """Return the running processes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        self._over.set()
        for worker in self._workers:
            worker.stop("")
        self._threads.shutdown(cancel_futures=True)
        self._watcher.join()
        for worker in self._workers:
            worker.wait()

    def read(
        self, pages: Iterable[RawPage], settings: ReadingSettings, stores: Path
    ) -> Iterator[tuple[RawPage, ReadPage]]:
        """Yield the pages of one wiki with what became of them, in their order, whatever the number of processes.

        Args:
            pages: the articles.
            settings: how they are read.
            stores: folder with the wiki's templates.

        Raises:
            Unread: a page could not be read, or a process hung or ended at it.
        """
        for worker in self._workers:
            worker.begin(settings, stores)
        waiting: deque[Future[list[tuple[RawPage, ReadPage]]]] = deque()
        for batch in _batches(pages):
            waiting.append(self._threads.submit(self._read_batch, batch))
            if len(waiting) > BATCHES_AHEAD * len(self._workers):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _read_batch(self, batch: Sequence[RawPage]) -> list[tuple[RawPage, ReadPage]]:
        worker = self._idle.get()
        try:
            return worker.read(batch)
        finally:
            self._idle.put(worker)

    def _watch(self) -> None:
        """Stop a process that is stuck."""
        while not self._over.wait(0.2):
            now = time.monotonic()
            for worker in self._workers:
                if now - worker.since > self._stall:
                    worker.stop(f"was stuck for {self._stall:.0f} s")


class _Worker:
    """One process; `since` is the moment since which it reads its page, or infinity while it has none."""

    def __init__(self) -> None:
        # -P: the folder of the job, whose modules may have common names, is not put before the libraries.
        root = str(Path(smelt.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": paths},
        )
        _enlarge(_stream(self._process.stdout))
        self._messages: deque[str] = deque(maxlen=20)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._stopped = ""
        self.since = float("inf")
        self._first = b""

    def begin(self, settings: ReadingSettings, stores: Path) -> None:
        """Take what goes to the process before its first page."""
        self._first = pickle.dumps((settings, stores), pickle.HIGHEST_PROTOCOL)

    def read(self, batch: Sequence[RawPage]) -> list[tuple[RawPage, ReadPage]]:
        """Return pages with what became of them."""
        answers: list[tuple[RawPage, ReadPage]] = []
        self.since = time.monotonic()
        try:
            questions = _stream(self._process.stdin)
            questions.write(self._first + pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))
            questions.flush()
            self._first = b""
            for page in batch:
                answer: ReadPage = pickle.load(_stream(self._process.stdout))
                if answer.id != page.id:
                    raise Unread(page, f"gave page {answer.id} instead")
                if answer.error:
                    raise Unread(page, f"failed ({answer.error})")
                answers.append((page, answer))
                self.since = time.monotonic()
        except (EOFError, OSError):
            raise self._unread(batch[len(answers)]) from None
        except pickle.UnpicklingError:
            raise Unread(batch[len(answers)], "gave no answer that can be read") from None
        finally:
            self.since = float("inf")
        return answers

    def stop(self, reason: str) -> None:
        """End the process."""
        self._stopped = self._stopped or reason
        if self._process.poll() is None:
            self._process.kill()

    def wait(self) -> int:
        """Return the exit status of the process, once it has ended and everything that it said is in the log."""
        status = self._process.wait()
        self._listener.join()
        return status

    def _unread(self, page: RawPage) -> Unread:
        """Return why the process has ended at a page."""
        with contextlib.suppress(OSError):  # what was not read yet
            _stream(self._process.stdin).close()
        status = self.wait()
        if self._stopped:
            return Unread(page, self._stopped)
        if -status in KILLS:
            return Unread(page, f"was killed by {signal.Signals(-status).name}", killed=True)
        said = f"; it said: {self._messages[-1]}" if self._messages else ""
        return Unread(page, f"ended with exit status {status}{said}")

    def _listen(self) -> None:
        for line in _stream(self._process.stderr):
            text = line.decode(errors="replace").rstrip()
            self._messages.append(text.strip())
            print(f"wikiextractor: {text}", flush=True)


def _batches(pages: Iterable[RawPage]) -> Iterator[list[RawPage]]:
    batch: list[RawPage] = []
    characters = 0
    for page in pages:
        batch.append(page)
        characters += len(page.wikitext)
        if characters >= BATCH_CHARACTERS or len(batch) >= BATCH_PAGES:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _enlarge(pipe: IO[bytes]) -> None:
    # Threads that read the answers take turns: with a small pipe the processes wait for them at each page.
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # a user has a limited number of pages for all pipes
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "Popen was asked for a pipe"
    return stream
