"""wikiextractor as a process that is watched: its messages go to the log, and it is stopped when it hangs."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TextIO

SCRIPT = Path(__file__).with_name("counting_extractor.py")


@dataclass(frozen=True)
class ExtractionLimits:
    """How long extraction may take.

    Attributes:
        minutes: for the whole job since `begin`; None for no limit.
        stall: seconds without any page, including the loading of templates.
        after_crash: the same after a worker has crashed, because the others wait for its page for ever.
        begin: a moment of time.monotonic().
    """

    minutes: float | None = None
    stall: float = 1800.0
    after_crash: float = 20.0
    begin: float = field(default_factory=time.monotonic)


class Extractor:
    """A running wikiextractor: write articles to `input`, read a JSON line an article from `output`.

    Its exit status says nothing (it is 0 after most losses), so the caller has to compare what comes back.
    """

    def __init__(self, templates: Path, workers: int, limits: ExtractionLimits) -> None:
        """Start it; `templates` holds the template pages; `workers` processes extract, and one more reads."""
        # -P: the folder of the script, whose modules have common names, is not put before the libraries.
        command = [sys.executable, "-P", str(SCRIPT), "/dev/stdin", "--output", "-"]
        # An empty --html-safe is its only way to say that the text should come without &lt; and &amp;.
        options = ["--json", "--html-safe", "", "--templates", str(templates), "--processes", str(max(1, workers))]
        self._process = subprocess.Popen(
            command + options,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its workers can be ended with it
            env=os.environ | {"PYTHONUTF8": "1"},
        )
        self.input: TextIO = io.TextIOWrapper(_stream(self._process.stdin), "utf-8", newline="\n")
        self.output = _stream(self._process.stdout)
        self.messages: deque[str] = deque(maxlen=20)
        self.stopped = ""
        self._limits = limits
        self._last_page = time.monotonic()
        self._crashed: float | None = None
        self._watchers = [threading.Thread(target=watch, daemon=True) for watch in (self._listen, self._watch)]
        for watcher in self._watchers:
            watcher.start()

    def __enter__(self) -> Self:
        """Return the running process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        self._end()
        for watcher in self._watchers:
            watcher.join()

    def page_came(self) -> None:
        """Note that a page has come back, so that the process does not seem to hang."""
        self._last_page = time.monotonic()

    def wait(self) -> int:
        """Return the exit status, once the output has ended."""
        return self._process.wait()

    def _listen(self) -> None:
        for line in io.TextIOWrapper(_stream(self._process.stderr), "utf-8", errors="replace"):
            self.messages.append(line.strip())
            print(f"wikiextractor: {line.rstrip()}", flush=True)
            if line.startswith("Traceback"):
                self._crashed = time.monotonic()

    def _watch(self) -> None:
        while self._process.poll() is None:
            self.stopped = self._reason_to_stop(time.monotonic())
            if self.stopped:
                self._end()
                return
            time.sleep(0.2)

    def _reason_to_stop(self, now: float) -> str:
        limits, last = self._limits, self._last_page
        if limits.minutes is not None and now - limits.begin > limits.minutes * 60:
            return f"was not done within {limits.minutes:g} minutes"
        if now - last > limits.stall:
            return f"was stuck for {limits.stall:.0f} s"
        if self._crashed is not None and now - max(last, self._crashed) > limits.after_crash:
            return f"crashed ({self.messages[-1]})"
        return ""

    def _end(self) -> None:
        """Ask the whole process group to end; insist where something of it is left after five seconds.

        Its resource tracker, if left running, frees the shared memory of the templates once the others have ended.
        """
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while self._signal(0):
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
                self._process.wait()
                return
            self._process.poll()
            time.sleep(0.02)

    def _signal(self, number: int) -> bool:
        """Signal the process group; return whether there is anything of it."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "Popen was asked for a pipe"
    return stream
