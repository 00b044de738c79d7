"""Energy is measured quietly, offline and for this process; where it cannot be, the job goes on."""

import json
import math
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from codecarbon.external.hardware import CPU

from smelt.energy import (
    Energy,
    Meter,
    _correct_estimate,
    _cpu_seconds_by_process,
    _known_by,
    _without_cpu,
    sum_energies,
)

PARTS = {
    "cpu": "estimated from the CPU time of this process and its children, at 8 W for 2 CPUs",
    "gpu": "none used",
    "ram": "guessed",
}
ONE = Energy(0.3, 0.1, 0.15, 0.05, 60.0, 0.02, "FRA", PARTS, "3.3.2")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codecarbon reads its configuration in the working folder and at home, and writes unless it is switched off."""
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
    assert reading.known_by["cpu"].startswith(("estimated from the CPU time of this process", "measured (RAPL)"))
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


JOB = """JobId=7 JobName=train
   NumNodes=1 NumCPUs={cpus} NumTasks=1 CPUs/Task={cpus} ReqB:S:C:T=0:0:*:*
   AllocTRES=cpu={cpus},mem=4G,node=1
"""
WORK = """
import json, math, subprocess, sys, time
from smelt.energy import Meter

def work(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        math.sqrt(2)

if __name__ == "__main__":
    with Meter() as meter:
        {what}
    reading = meter.reading()
    print(json.dumps(reading and reading.to_json()))
"""
OWN_WORK = "work(0.5)"
BUSY = "import time; end = time.process_time() + 0.1; all(time.process_time() < end for _ in iter(int, 1))"
WORK_OF_CHILDREN = f"[subprocess.run([sys.executable, '-S', '-c', {BUSY!r}], check=True) for _ in range(5)]"


def energy_of(what: str, folder: Path, environment: dict[str, str]) -> Energy | None:
    """Return what a process of its own measures, which knows its processor's power: 1000 W at full load."""
    (folder / ".codecarbon.config").write_text("[codecarbon]\nforce_cpu_power=1000\n")
    (folder / "work.py").write_text(WORK.format(what=what))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | environment
    command = [sys.executable, "work.py"]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return found and Energy(**found)


@pytest.mark.slow
@pytest.mark.parametrize("cpus", [1, 4 * psutil.cpu_count()], ids=["part-of-a-node", "several-nodes"])
def test_the_same_work_takes_the_same_energy_inside_and_outside_a_slurm_job(cpus: int, tmp_path: Path) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f"#!/bin/sh\ncat <<END\n{JOB.format(cpus=cpus)}END\n")
    scontrol.chmod(0o755)
    job = {"SLURM_JOB_ID": "7", "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    outside, inside = energy_of(OWN_WORK, tmp_path, {}), energy_of(OWN_WORK, tmp_path, job)
    assert outside is not None
    assert inside is not None
    expected = 0.5 * 1000 / psutil.cpu_count() / 3.6e6
    assert inside.cpu_kwh == pytest.approx(expected, rel=0.3)
    assert outside.cpu_kwh == pytest.approx(expected, rel=0.3)
    assert inside.known_by == outside.known_by


@pytest.mark.slow
def test_energy_is_known_in_a_job_that_finds_no_scontrol(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    assert energy_of(OWN_WORK, tmp_path, {"SLURM_JOB_ID": "7", "PATH": str(empty)}) is not None


@pytest.mark.slow
def test_children_that_end_between_two_looks_count(tmp_path: Path) -> None:
    reading = energy_of(WORK_OF_CHILDREN, tmp_path, {})
    assert reading is not None
    assert reading.cpu_kwh > 0.9 * 0.5 * 1000 / psutil.cpu_count() / 3.6e6


def test_what_a_child_used_counts_once_while_it_runs_and_after_its_end() -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass\nprint(flush=True)\ninput()"
    before = cpu_seconds()
    child = subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    running = cpu_seconds()
    child.communicate(b"\n")
    ended = cpu_seconds()
    assert running - before == pytest.approx(0.4, abs=0.15)
    assert ended - running == pytest.approx(0.0, abs=0.15)


def cpu_seconds() -> float:
    (seconds,) = _cpu_seconds_by_process(psutil.Process()).values()
    return seconds


def test_the_power_of_an_unknown_processor_is_guessed_once_whatever_the_number_of_sockets() -> None:
    cpus = psutil.cpu_count()
    processor = CPU(".", "cpu_load", "A processor that nobody knows", 2 * 4 * cpus, tracking_mode="process")
    tracker = SimpleNamespace(_hardware=[processor], _force_cpu_power=None)
    _correct_estimate(processor, tracker)
    words = f"at {4 * cpus} W for {cpus} CPUs (guessed: codecarbon does not know the processor 'A processor that nobody"
    assert words in _known_by(tracker)["cpu"]


def test_a_power_that_is_given_or_in_the_table_is_left_alone() -> None:
    for name, given in (("A processor that nobody knows", 70), ("AMD EPYC 7763", None)):
        processor = CPU(".", "cpu_load", name, 70, tracking_mode="process")
        _correct_estimate(processor, SimpleNamespace(_hardware=[processor], _force_cpu_power=given))
        assert processor._tdp == 70


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


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    assert sum_energies([ONE, ONE]) == ONE + ONE
    assert sum_energies([ONE, None]) is None
    assert sum_energies([]) is None


def test_a_record_survives_json() -> None:
    assert Energy(**json.loads(json.dumps(ONE.to_json()))) == ONE
    assert replace(ONE, kwh=0.123456).round_figures()["kwh"] == 0.1235
