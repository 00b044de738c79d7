"""Processes that each hold one model and describe it, load it once, or read rows again and again.

What one model leaves behind (memory that an allocator keeps, libraries, threads) does not touch the others, and while
one works the others sleep.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import psutil

from smelt.efficiency.onnx_encoder import FILE, OnnxEncoder
from smelt.efficiency.subject import Subject, random_ids
from smelt.efficiency.torch_encoder import TorchEncoder
from smelt.errors import Killed, SmeltError, not_found


class Worker:
    """A process that builds a function once and then calls it for each question; `with` ends it."""

    def __init__(self, model: Path, make: Callable[..., Callable[..., Any]], *arguments: Any) -> None:
        """Start it.

        Args:
            model: the folder of the model that it holds first; errors name this attribute, which may change.
            make: a module's function that the process calls; it returns the function that answers.
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
            error = Killed if (self._process.exitcode or 0) < 0 else SmeltError
            raise error(self.model, self._describe_end()) from None
        if well:
            return answer
        raise answer if isinstance(answer, SmeltError) else SmeltError(self.model, f"cannot be measured ({answer})")

    def _describe_end(self) -> str:
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


def resident_memory() -> int:
    """Return the bytes of this process that lie in memory, mapped files included."""
    return int(psutil.Process().memory_info().rss)


def available_memory(share: float = 0.8) -> int:
    """Return most of this machine's free bytes: a laptop may have fewer than the job asked for."""
    return int(share * psutil.virtual_memory().available)


def peak_resident_memory() -> int | None:
    """Return the maximum of `resident_memory` so far; None where the system does not record it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="ignore").splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def subject_in(folder: Path, precision: str) -> Subject:
    """Return the subject of a model's folder.

    Args:
        folder: a model of the study, made by any maker.
        precision: of the weights that torch loads.

    Raises:
        SmeltError: the folder has no model that can be measured.
    """
    if not folder.is_dir():
        raise not_found(folder, "folder", "a model")
    return OnnxEncoder(folder) if (folder / FILE).is_file() else TorchEncoder(folder, precision)


def make_describer(precision: str) -> Callable[[Path, list[int], list[str], Path], dict[str, Any]]:
    """Return a function that counts a model's parameters, operations and bytes on disk; one model after the other."""

    def describe(folder: Path, lengths: list[int], sizes: list[str], scratch: Path) -> dict[str, Any]:
        subject = subject_in(folder, precision)
        _refuse_longer(subject, lengths)
        own = str(subject.settings()["precision"])  # an export has that and no other
        measured = {size: subject.bytes_on_disk(size, scratch) for size in dict.fromkeys([*sizes, own])}
        return {
            "kind": subject.kind,
            **subject.settings(),
            "parameters": vars(subject.parameters()),
            "bytes": {size: value for size, value in measured.items() if value is not None},
            "operations_per_token": {str(length): subject.operations(length) for length in lengths},
            "devices": [device for device in ("cpu", "cuda") if subject.runs_on(device)],
        }

    return describe


def make_loader(
    folder: Path, precision: str, threads: int, device: str
) -> Callable[[int], dict[str, float | int | None]]:
    """Return a function that loads a model once, in this process, and measures time and memory."""
    subject = subject_in(folder, precision)
    began = time.perf_counter()
    subject.prepare(device, threads)
    imported = time.perf_counter() - began

    def load(length: int) -> dict[str, float | int | None]:
        before = resident_memory()
        began = time.perf_counter()
        run = subject.load()
        mapped, loaded = time.perf_counter() - began, resident_memory()
        began = time.perf_counter()
        subject.touch()
        touched = time.perf_counter() - began
        whole, on_gpu = resident_memory(), subject.allocated()
        run(random_ids(subject, 1, length))
        return {
            "seconds": mapped + touched,
            "mapped_seconds": mapped,
            "import_seconds": imported,
            "libraries": before,
            "mapped": loaded - before,
            "loaded": whole - before,
            "used": resident_memory() - before,
            "highest": None if (highest := peak_resident_memory()) is None else highest - before,
            "on_gpu": on_gpu,
        }

    return load


def make_reader(folder: Path, precision: str, threads: int, device: str) -> Callable[[int, int, int, int], list[float]]:
    """Return a function that reads a batch several times and gives the seconds of each pass after the warm-up."""
    subject = subject_in(folder, precision)
    subject.prepare(device, threads)
    run = subject.load()

    def read(batch: int, length: int, warmup: int, passes: int) -> list[float]:
        ids = random_ids(subject, batch, length)
        for _ in range(warmup):
            run(ids)
        seconds = []
        for _ in range(passes):
            began = time.perf_counter()
            run(ids)
            seconds.append(time.perf_counter() - began)
        return seconds

    return read


def _refuse_longer(subject: Subject, lengths: list[int]) -> None:
    if subject.max_length is not None and max(lengths) > subject.max_length:
        raise SmeltError(subject.folder, f"reads {subject.max_length} tokens at once; lengths ask for {max(lengths)}")
