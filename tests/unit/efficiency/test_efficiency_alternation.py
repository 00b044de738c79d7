"""Rounds: which models are neighbours in time, and the ratios of neighbours."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from smelt.efficiency.alternation import _passes_of_rounds, _rotate, folders_of, groups, memory_of, models_by_device
from smelt.efficiency.command import latency_figures, ratio, spread
from smelt.efficiency.worker import Worker
from smelt.errors import FINAL, SmeltError


def test_models_that_fit_are_measured_together() -> None:
    assert groups({"a": 4, "b": 4, "c": 2}, 10) == [["a", "b", "c"]]


def test_models_that_do_not_fit_are_measured_in_groups_with_the_reference_in_each() -> None:
    assert groups({"a": 4, "b": 4, "c": 4, "d": 1, "e": 50}, 9) == [["a", "b"], ["a", "c", "d"], ["a", "e"]]
    assert groups({"a": 4}, 1) == [["a"]]


def test_a_process_is_expected_to_take_what_its_loads_took_and_a_quarter() -> None:
    loads = [{"libraries": 300, "used": 100}, {"libraries": 310, "used": 90}]
    assert memory_of({"a": loads}) == {"a": 500}


def test_every_pass_is_timed_once_and_each_round_begins_with_another_model() -> None:
    assert list(_passes_of_rounds(25, 10)) == [10, 10, 5]
    assert list(_passes_of_rounds(3, 1)) == [1, 1, 1]
    assert [_rotate(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_ratios_of_neighbours_are_robust_to_noise() -> None:
    reference = [[1.0], [1.0], [9.0], [9.0]]
    ours = [[value[0] / 2] for value in reference]
    found = latency_figures(1, 32, ours, reference)
    assert found["ratio"]["median"] == 0.5
    assert found["ratio"]["quartiles"] == [0.5, 0.5]
    assert found["tokens_per_second"] == pytest.approx(32 / 2.5)


def test_spread_states_number_median_quartiles_tail_and_range() -> None:
    found = spread([float(value) for value in range(1, 102)])
    assert found == {"n": 101, "median": 51.0, "quartiles": [26.0, 76.0], "percentile_95": 96.0, "range": [1.0, 101.0]}
    assert ratio([2.0, 3.0], [4.0, 6.0])["median"] == 0.5


def test_the_reference_comes_first_and_has_to_be_measured(tmp_path: Path) -> None:
    models = [tmp_path / "a", tmp_path / "b"]
    assert list(folders_of(models, "b")) == ["b", "a"]
    assert list(folders_of(models, None)) == ["a", "b"]
    with pytest.raises(SmeltError, match="reference: 'c' is not measured: expected one of a, b"):
        folders_of(models, "c")
    with pytest.raises(SmeltError, match="two folders have one name"):
        folders_of([tmp_path / "a", tmp_path / "more/a"], None)


def test_a_gpu_is_used_where_one_is_given_and_a_model_can() -> None:
    both, one = {"devices": ["cpu", "cuda"]}, {"devices": ["cpu"]}
    assert models_by_device({"a": both, "b": one}, gpus=0) == {"cpu": ["a", "b"]}
    assert models_by_device({"a": both, "b": one}, gpus=1) == {"cpu": ["a", "b"], "cuda": ["a"]}
    assert models_by_device({"a": one, "b": one}, gpus=1) == {"cpu": ["a", "b"]}
    with pytest.raises(SmeltError, match="reference: 'b' cannot run on cuda: name another model"):
        models_by_device({"b": one, "a": both}, gpus=1)


def ends_by(number: int) -> Callable[[], None]:
    """Make an answerer whose process ends when asked."""
    return lambda: os.kill(os.getpid(), number)


def raises(text: str) -> Callable[[], None]:
    """Make an answerer that fails."""

    def answer() -> None:
        raise RuntimeError(text)

    return answer


@pytest.mark.parametrize(
    ("number", "complaint"),
    [
        (signal.SIGKILL, "was killed, most likely for want of memory; nothing is written"),
        (signal.SIGSEGV, "ended by SIGSEGV; nothing is written"),
    ],
)
def test_a_process_that_dies_is_one_clear_line(tmp_path: Path, number: int, complaint: str) -> None:
    with Worker(tmp_path, ends_by, number) as worker, pytest.raises(SmeltError) as error:
        worker()
    assert str(error.value) == f"{tmp_path}: the process that measured it {complaint}"
    assert error.value.exit_code not in FINAL


def test_what_a_library_raises_is_one_clear_line(tmp_path: Path) -> None:
    with Worker(tmp_path, raises, "no room\nat all") as worker, pytest.raises(SmeltError, match=r"\(no room\)$"):
        worker()
