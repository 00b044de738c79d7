"""Sums of what was measured, the rows of a curve, and TensorBoard's view of them: each row once, after a resume too."""

import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from smelt.training.curve import Events, LearningCurve, Tally


def tally(**sums: tuple[float, float, float]) -> Tally:
    made = Tally()
    for name, values in sums.items():
        made.add(name, *values)
    return made


def test_joined_tallies_are_that_of_all_batches() -> None:
    one, other = tally(mlm=(6.0, 3, 1)), tally(mlm=(4.0, 1, 1), sop=(0.7, 1, 0))
    one.join(other)
    assert one.sums == {"mlm": [10.0, 4, 2], "sop": [0.7, 1, 0]}
    assert other.sums == {"mlm": [4.0, 1, 1], "sop": [0.7, 1, 0]}


def test_the_loss_is_the_weighted_sum_of_means_over_what_was_predicted() -> None:
    measured = tally(mlm=(6.0, 3, 1), sop=(2.0, 4, 3), nsp=(0.0, 0, 0))
    assert measured.loss({"mlm": 1.0, "sop": 0.5, "nsp": 1.0}) == pytest.approx(2.0 + 0.25)


def test_a_curve_is_the_same_after_its_text_is_read_again() -> None:
    curve = LearningCurve()
    curve.add(0, "validation", "all", {"mlm_loss": 1 / 3})
    curve.add(10, "train", "all", {"mlm_loss": 0.1 + 0.2})
    assert LearningCurve(curve.text()).rows == curve.rows


def measure(curve: LearningCurve, step: int, loss: float) -> None:
    curve.add(step, "train", "all", {"mlm_loss": loss, "learning_rate": 0.1})
    for language in ("qaa", "all"):
        curve.add(step, "validation", language, {"mlm_loss": loss + len(language)})


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {
        name: [(event.step, event.value) for event in reader.Scalars(name)] for name in sorted(reader.Tags()["scalars"])
    }


def test_each_metric_split_and_language_has_its_chart(tmp_path: Path) -> None:
    curve = LearningCurve()
    with Events(tmp_path / "events", curve) as events:
        for step, loss in ((0, 8.0), (10, 4.0)):
            measure(curve, step, loss)
            events.write()
    assert shown(tmp_path / "events") == {
        "learning_rate/train": [(0, pytest.approx(0.1)), (10, pytest.approx(0.1))],
        "mlm_loss/train": [(0, 8.0), (10, 4.0)],
        "mlm_loss/validation": [(0, 11.0), (10, 7.0)],
        "mlm_loss/validation/qaa": [(0, 11.0), (10, 7.0)],
    }


def test_rows_can_be_seen_while_the_run_goes_on(tmp_path: Path) -> None:
    curve = LearningCurve()
    with Events(tmp_path / "events", curve) as events:
        measure(curve, 10, 4.0)
        events.write()
        assert shown(tmp_path / "events")["mlm_loss/train"] == [(10, 4.0)]


def test_a_resumed_run_shows_no_step_twice_and_forgets_what_was_after_the_checkpoint(tmp_path: Path) -> None:
    curve = LearningCurve()
    with Events(tmp_path / "events", curve) as events:
        measure(curve, 10, 4.0)
        kept = curve.text()
        measure(curve, 20, 99.0)
        measure(curve, 30, 99.0)
        events.write()
    curve = LearningCurve(kept)
    time.sleep(1)  # TensorBoard reads files in the order of their names, which hold the second
    with Events(tmp_path / "events", curve) as events:
        events.write()
        measure(curve, 20, 2.0)
        events.write()
    assert shown(tmp_path / "events")["mlm_loss/train"] == [(10, 4.0), (20, 2.0)]


def test_a_run_from_the_beginning_shows_nothing_of_the_one_before(tmp_path: Path) -> None:
    for loss in (9.0, 5.0):
        curve = LearningCurve()
        with Events(tmp_path / "events", curve) as events:
            measure(curve, 10, loss)
            events.write()
    assert shown(tmp_path / "events")["mlm_loss/train"] == [(10, 5.0)]


def test_a_resumed_run_whose_events_were_lost_writes_them_again(tmp_path: Path) -> None:
    curve = LearningCurve()
    measure(curve, 10, 4.0)
    with Events(tmp_path / "events", curve) as events:
        events.write()
    assert shown(tmp_path / "events")["mlm_loss/train"] == [(10, 4.0)]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where TensorBoard writes if it is given no folder
    curve = LearningCurve()
    with Events(None, curve) as events:
        measure(curve, 10, 4.0)
        events.write()
    assert list(tmp_path.iterdir()) == []
