"""The progress that a run prints, in a log and on a terminal."""

import os
import pty
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from smelt.energy import Energy
from smelt.training.progress import Gauges, Progress, electricity, say

ENERGY = Energy(0.00123, 0.001, 0.0, 0.00023, 60.0, None, None, {"cpu": "", "gpu": "", "ram": ""}, "3.3.2")
KNOWN = Gauges(flops_per_token=2e6, peak=8e10, memory=lambda: 3 * 2**30, energy=lambda: ENERGY)


def train(progress: Progress, steps: int, last: int, tokens: int = 100, seconds: float = 0.01) -> None:
    """Let some time go by for each step, and report at the end."""
    for _ in range(steps):
        time.sleep(seconds)
        progress.add(tokens)
    progress.line(steps, last, 1e-3, {"mlm_loss": 4.56789, "sop_loss": 0.5})


def test_a_line_says_how_far_how_well_and_how_fast(capsys: pytest.CaptureFixture[str]) -> None:
    train(Progress(), 10, 2000)
    line = capsys.readouterr().out
    found = re.fullmatch(
        r"\d\d:\d\d:\d\d  step 10 of 2,000  mlm_loss 4\.5679  sop_loss 0\.5000  learning rate 1\.000e-03  "
        r"([\d,]+) tokens/s  0:00:(\d\d) left\n",
        line,
    )
    assert found, line
    speed, left = (int(text.replace(",", "")) for text in found.groups())
    assert 3000 < speed <= 10_000
    assert left == pytest.approx(1990 * 100 / speed, abs=1)


def test_a_line_says_what_else_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    train(Progress(KNOWN), 10, 2000)
    speed, share, rest = re.search(r"([\d,]+) tokens/s  (\d+)% of peak  (.*) 0:", capsys.readouterr().out).groups()
    assert int(share) == pytest.approx(100 * int(speed.replace(",", "")) * 2e6 / 8e10, abs=1)
    assert rest.strip() == "3.0 GiB of the GPU  1.23 Wh"


def test_a_share_of_the_peak_over_all_of_it_is_not_shown_then_or_later(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(replace(KNOWN, peak=1e9))  # 500 tokens a second
    train(progress, 1, 2000, tokens=1, seconds=0.05)
    train(progress, 1, 2000, tokens=1000, seconds=0.05)
    train(progress, 1, 2000, tokens=1, seconds=0.05)
    before, note, *after = capsys.readouterr().out.splitlines()
    assert "% of peak" in before
    assert "share of the machine's peak is no longer shown" in note
    assert len(after) == 2
    assert "peak" not in "".join(after)


def test_unknown_energy_is_not_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    train(Progress(Gauges(energy=lambda: None)), 1, 2)
    assert "Wh" not in capsys.readouterr().out


def test_each_line_is_of_the_steps_since_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    train(progress, 5, 100, tokens=100)
    train(progress, 5, 100, tokens=10_000)
    first, second = (int(text.replace(",", "")) for text in re.findall(r"([\d,]+) tokens/s", capsys.readouterr().out))
    assert second > 20 * first


def test_a_pause_counts_neither_for_the_speed_nor_for_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.pause():
        time.sleep(0.5)
    train(progress, 5, 105)
    line = capsys.readouterr().out
    assert int(re.search(r"([\d,]+) tokens/s", line)[1].replace(",", "")) > 3000
    assert re.search(r"0:00:0[0-4] left", line)


def test_the_time_left_is_not_upset_by_one_slow_stretch(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for _ in range(3):
        train(progress, 5, 1005, seconds=0.002)
    train(progress, 1, 1001, seconds=0.08)
    left = [int(text) for text in re.findall(r"0:(\d\d):\d\d left", capsys.readouterr().out)]
    assert left == [0, 0, 0, 0]  # minutes; at the pace of the last stretch alone it would be 1


def test_only_one_of_several_processes_prints(capsys: pytest.CaptureFixture[str]) -> None:
    train(Progress(KNOWN, shown=False, terminal=True), 1, 2)
    assert capsys.readouterr().out == ""


def test_a_line_is_due_at_the_start_and_then_not_for_a_while() -> None:
    progress = Progress()
    assert progress.due()
    train(progress, 1, 2)
    assert not progress.due()


@pytest.mark.parametrize(("kwh", "text"), [(12.3456, "12.35 kWh"), (0.1, "0.1 kWh"), (0.0456, "45.6 Wh")])
def test_electricity_has_the_unit_that_suits_it(kwh: float, text: str) -> None:
    assert electricity(kwh) == text


def show_on_this_terminal(fail: bool) -> None:
    """Train on whatever the standard output is; run in a process of its own by the test below."""
    with Progress(KNOWN) as progress:
        train(progress, 10, 100)
        say("a line that stays")
        train(progress, 50, 100, seconds=0)
        if fail:
            raise ValueError("in the middle")


def printed_on_a_terminal(fail: bool) -> str:
    ours, theirs = pty.openpty()
    code = f"import test_training_progress as test; test.show_on_this_terminal({fail})"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    assert (done.returncode != 0) == fail, done.stderr
    pieces = []
    try:
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    except OSError:  # how the end of a terminal reads on Linux
        pass
    os.close(ours)
    return b"".join(pieces).decode()


@pytest.mark.slow
def test_on_a_terminal_a_display_stays_below_the_lines() -> None:
    printed = printed_on_a_terminal(fail=False)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)
    assert "step 10 of 100" in text
    assert "50 of 100" in text
    assert re.search(r"speed +[\d,]+ tokens/s, \d+% of peak", text)
    assert re.search(r"energy so far +1\.23 Wh", text)
    assert text.index("a line that stays") < text.rindex("step 50 of 100")
    assert "\x1b[1A" in printed or "\x1b[2K" in printed, "earlier figures are drawn over"


@pytest.mark.slow
@pytest.mark.parametrize("fail", [False, True])
def test_the_terminal_gets_its_cursor_back_however_the_run_ends(fail: bool) -> None:
    printed = printed_on_a_terminal(fail)
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
