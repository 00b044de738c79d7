"""Processes that each hold one model, and do with it what they are asked.

What one model leaves behind (memory that an allocator keeps, libraries, threads) does not touch the others, and while
one works the others sleep.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from smelt.errors import SmeltError


class Worker:
    """A process that makes an answerer once, and then has it answer; `with` ends it."""

    def __init__(self, model: Path, make: Callable[..., Callable[..., Any]], *arguments: Any) -> None:
        """Start it.

        Args:
            model: the folder of the model that it holds, or holds first: errors name the attribute of that name.
            make: a function of a module, called in the process; what it returns answers.
            arguments: of `make`.
        """
        self.model = model
        self._connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")  # a forked process would not be fresh
        self._process = context.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()

    def __enter__(self) -> Self:
        """Keep it to the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()

    def __call__(self, *question: Any) -> Any:
        """Return the answer to a question.

        Raises:
            SmeltError: what the process raised; or that it has ended, and how.
        """
        try:
            self._connection.send(question)
            well, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise SmeltError(self.model, self._ended()) from None
        if well:
            return answer
        raise answer if isinstance(answer, SmeltError) else SmeltError(self.model, f"cannot be measured ({answer})")

    def _ended(self) -> str:
        code = self._process.exitcode or 0
        if code == -signal.SIGKILL:
            return "the process that measured it was killed, most likely for want of memory; nothing is written"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the process that measured it ended {how}; nothing is written"


def _serve(connection: Connection, make: Callable[..., Callable[..., Any]], arguments: tuple[Any, ...]) -> None:
    """Answer until the other side has gone; the first error ends it."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), suppress(EOFError, ConnectionError):
        try:
            answer = make(*arguments)
            while True:
                connection.send((True, answer(*connection.recv())))
        except SmeltError as error:
            connection.send((False, error))
        except (RuntimeError, ValueError, OSError, ImportError, MemoryError) as error:
            if isinstance(error, ConnectionError):
                raise
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            connection.send((False, first[:300]))
