"""Energy is measured quietly, offline and for this process; where it cannot be, the job goes on."""

import json
import math
import socket
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from codecarbon.external.hardware import CPU

from smelt.energy import Energy, Meter, _known_by, _without_cpu, together

PARTS = {"cpu": "estimated from this process's CPU time and a rated power of 8 W", "gpu": "none used", "ram": "guessed"}
ONE = Energy(0.3, 0.1, 0.15, 0.05, 60.0, 0.02, "FRA", PARTS, "3.3.2")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codecarbon reads its configuration in the present folder and at home, and writes where it is not told not to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        math.sqrt(2)


def measured(country: str | None = None, seconds: float = 0.3) -> Energy:
    with Meter(country) as meter:
        work(seconds)
    reading = meter.reading()
    assert reading is not None
    return reading


def test_a_meter_can_be_read_while_it_runs_and_afterwards() -> None:
    with Meter() as meter:
        work(0.2)
        early = meter.reading()
        work(0.2)
        late = meter.reading()
    last = meter.reading()
    assert early is not None
    assert late is not None
    assert last is not None
    assert 0 < early.cpu_kwh < late.cpu_kwh <= last.cpu_kwh
    assert 0 < early.seconds < late.seconds <= last.seconds
    assert meter.reading() == last


def test_the_parts_add_up_and_say_how_they_were_known() -> None:
    reading = measured()
    assert reading.kwh == pytest.approx(reading.cpu_kwh + reading.gpu_kwh + reading.ram_kwh)
    assert reading.known_by["cpu"].startswith(("estimated from this process's CPU time", "measured (RAPL)"))
    assert reading.known_by["gpu"] == "none used"


def test_a_process_that_works_takes_more_than_one_that_waits() -> None:
    with Meter() as idle:
        time.sleep(0.4)
    waiting, working = idle.reading(), measured(seconds=0.4)
    if "whole machine" in working.known_by["cpu"]:
        pytest.skip("counters of the whole machine: its other work counts, too")
    assert waiting is not None
    assert waiting.cpu_kwh < working.cpu_kwh / 2


def test_emissions_follow_the_country_and_are_not_stated_without_one() -> None:
    france, poland, nowhere = measured("FRA"), measured("POL"), measured()
    assert france.kg_co2e is not None
    assert poland.kg_co2e is not None
    # Grams a kWh of codecarbon's data, to the nearest that can have changed with its version.
    assert france.kg_co2e / france.kwh == pytest.approx(0.056, rel=0.5)
    assert poland.kg_co2e / poland.kwh > 5 * france.kg_co2e / france.kwh
    assert (nowhere.kg_co2e, nowhere.country) == (None, None)


def test_a_meter_prints_nothing_writes_nothing_and_asks_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    measured("FRA")
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.rglob("*")) == []
    assert asked == []


def test_two_meters_run_side_by_side() -> None:
    with Meter() as one, Meter() as other:
        work(0.2)
    assert one.reading() is not None
    assert other.reading() is not None


def test_counters_of_a_processor_are_known_to_be_of_the_whole_machine(tmp_path: Path) -> None:
    for name, text in (("name", "package-0"), ("energy_uj", "1000000"), ("max_energy_range_uj", "262143328850")):
        (tmp_path / "intel-rapl/intel-rapl:0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "intel-rapl/intel-rapl:0" / name).write_text(text)
    processor = CPU(".", "intel_rapl", "Some CPU", 85, rapl_dir=str(tmp_path / "intel-rapl"), tracking_mode="process")
    found = _known_by(SimpleNamespace(_hardware=[processor]))
    assert found["cpu"] == "measured (RAPL) over the whole machine"


def test_without_its_processor_a_record_keeps_the_rest_and_its_share_of_the_emissions() -> None:
    rest = _without_cpu(ONE)
    assert (rest.cpu_kwh, rest.gpu_kwh, rest.ram_kwh) == (0.0, 0.15, 0.05)
    assert rest.kwh == pytest.approx(0.2)
    assert rest.kg_co2e == pytest.approx(0.02 * 2 / 3)
    assert _without_cpu(replace(ONE, kg_co2e=None)).kg_co2e is None


def test_a_codecarbon_that_fails_costs_a_warning_and_no_job(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".codecarbon.config").write_text("this is no configuration\n")
    with Meter("FRA") as meter:
        work(0.1)
    assert meter.reading() is None
    assert capfd.readouterr().err.startswith("smelt: warning: the energy of this job will not be known (")


def test_parts_of_a_resumed_job_add_up() -> None:
    both = ONE + ONE
    assert (both.kwh, both.cpu_kwh, both.gpu_kwh, both.ram_kwh, both.seconds, both.kg_co2e) == (
        *(2 * value for value in (0.3, 0.1, 0.15, 0.05, 60.0, 0.02)),
    )
    assert (both.country, both.known_by, both.codecarbon) == ("FRA", PARTS, "3.3.2")


def test_a_sum_names_all_countries_and_states_no_emissions_where_a_part_has_none() -> None:
    moved = ONE + replace(ONE, country="DEU")
    assert (moved.country, (moved + ONE).country) == ("FRA; DEU", "FRA; DEU")
    assert (ONE + replace(ONE, country=None, kg_co2e=None)).kg_co2e is None


def test_a_sum_of_which_a_part_is_unknown_is_unknown() -> None:
    assert together([ONE, ONE]) == ONE + ONE
    assert together([ONE, None]) is None
    assert together([]) is None


def test_a_record_outlives_json() -> None:
    assert Energy(**json.loads(json.dumps(ONE.to_json()))) == ONE
    assert replace(ONE, kwh=0.123456).rounded()["kwh"] == 0.1235
