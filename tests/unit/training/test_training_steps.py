import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from torch import distributed

from smelt.training.distributed import Processes
from smelt.training.steps import StopRequests


def test_the_clock_asks_to_stop_before_the_jobs_time_is_over() -> None:
    stop = StopRequests(minutes=1 / 60)
    assert stop.reason() is None
    time.sleep(0.91)
    assert "minutes are nearly over" in stop.reason()


def test_the_clock_counts_what_the_job_did_before_it_trained() -> None:
    assert StopRequests(minutes=1, started=time.monotonic() - 50).reason() is None
    assert "the job's 1 minutes are nearly over" in StopRequests(minutes=1, started=time.monotonic() - 55).reason()


def test_without_a_limit_the_clock_never_asks() -> None:
    assert StopRequests().reason() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_is_noted_and_its_handler_given_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequests() as stop:
        os.kill(os.getpid(), number)
        assert stop.reason() == f"stopped by {number.name}"
    assert signal.getsignal(number) is before


def reasons(rank: int, folder: Path, signalled: tuple[int, ...], minutes: float | None) -> list[str | None]:
    """Ask three times in one of two processes; those signalled get SIGUSR1 before the second question."""
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    with StopRequests(minutes, Processes(rank, 2)) as stop:
        answers = [stop.reason()]
        if rank in signalled:
            os.kill(os.getpid(), signal.SIGUSR1 if rank else signal.SIGTERM)
        answers += [stop.reason(), stop.reason()]
    distributed.destroy_process_group()
    return answers


@pytest.mark.parametrize(
    ("signalled", "minutes", "expected"),
    [((1,), None, "stopped by SIGUSR1"), ((0, 1), None, "stopped by SIGTERM"), ((), 1e-9, "the job's 1e-09 minutes")],
)
def test_two_processes_get_the_same_reason_at_the_same_question(
    tmp_path: Path, forkserver: BaseContext, signalled: tuple[int, ...], minutes: float | None, expected: str
) -> None:
    with ProcessPoolExecutor(2, mp_context=forkserver) as pool:
        answers = [pool.submit(reasons, rank, tmp_path, signalled, minutes) for rank in (0, 1)]
        first, second = (answer.result(60) for answer in answers)
    assert first == second
    assert first[0] is None or minutes is not None
    assert first[1] == first[2]
    assert first[1].startswith(expected)
