"""Progress of a run: a line every few seconds in a log, or a display that is updated in place on a terminal.

Apart from losses it shows speed, also as a share of the device's peak, memory and energy.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

import torch
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from smelt.energy import Energy
from smelt.training.distributed import ALONE, Processes
from smelt.training.recipes import Recipe
from smelt.training.speed import flops_per_token, is_emulated, measure_peak

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_UPDATES = 1.0  # of a display
NEWEST = 0.3  # weight of the newest line's pace in the estimate of the remaining time


TOO_LOW = (
    "The share of the machine's peak is no longer shown: training is faster than the peak that was measured as the run"
    " began, perhaps because other jobs used the machine then."
)


class Speed:
    """Tokens a second of training, without the time of validation and checkpoints."""

    def __init__(self) -> None:
        """Start the clock."""
        self.tokens = self.steps = 0
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start, without pauses."""
        return max(time.perf_counter() - self._started, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second since the start."""
        return self.tokens / self.seconds

    def add(self, tokens: int) -> None:
        """Count a step."""
        self.tokens += tokens
        self.steps += 1

    def skip(self, seconds: float) -> None:
        """Leave out a pause."""
        self._started += seconds


@dataclass(frozen=True)
class Gauges:
    """Measurements of a run apart from its losses and its clock; unknown ones are not shown."""

    flops_per_token: float | None = None
    """Operations that training on a token needs (smelt.training.speed)."""
    peak: float | None = None
    """Operations a second that all devices of the run reach together (smelt.training.speed)."""
    memory: Callable[[], int] | None = None
    """Returns the peak of GPU memory in use, in bytes."""
    energy: Callable[[], Energy | None] | None = None
    """Returns the energy that the run has used so far, resumed parts included."""

    def share_of_peak(self, tokens_per_second: float) -> float | None:
        """Return the model FLOPs utilisation of a speed (Chowdhery et al. 2022, appendix B)."""
        if self.flops_per_token is None or not self.peak:
            return None
        return self.flops_per_token * tokens_per_second / self.peak


@dataclass(frozen=True)
class Report:
    """The contents of a line, on the steps since the line before."""

    step: int
    last: int
    metrics: Mapping[str, float]
    rate: float
    tokens_per_second: float
    left: timedelta
    share_of_peak: float | None = None
    memory: int | None = None
    energy: Energy | None = None

    def figures(self) -> dict[str, str]:
        """Return each known figure by its name, as text."""
        known = {
            "losses": "  ".join(f"{name} {value:.4f}" for name, value in self.metrics.items()),
            "rate": f"learning rate {self.rate:.3e}",
            "speed": f"{self.tokens_per_second:,.0f} tokens/s",
            "peak": None if self.share_of_peak is None else f"{self.share_of_peak:.0%} of peak",
            "memory": None if self.memory is None else f"{self.memory / 2**30:.1f} GiB of the GPU",
            "energy": None if self.energy is None else electricity(self.energy.kwh),
            "left": f"{self.left} left",
        }
        return {name: text for name, text in known.items() if text}

    def line(self) -> str:
        """Return all in one line."""
        return "  ".join([f"step {self.step:,} of {self.last:,}", *self.figures().values()])


@dataclass(frozen=True)
class Position:
    """How far a run is, as shown by a line of its log."""

    unit: str
    """The unit counted: step, epoch or shard."""
    done: int
    last: int
    loss: str | None
    """The first loss, with its name."""
    left: str | None
    """The remaining time, as text."""

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return the position that a line of `say` shows, if it shows one."""
        _, *figures = line.split("  ")
        for number, figure in enumerate(figures):
            if counted := _COUNTED.fullmatch(figure):
                unit, done, last = counted[1], *(int(count.replace(",", "")) for count in counted.group(2, 3))
                rest = figures[number + 1 :]
                loss = next((figure for figure in rest if _LOSS.fullmatch(figure)), None)
                return cls(unit, done, last, loss, next((figure for figure in rest if figure.endswith(" left")), None))
        return None

    def words(self) -> str:
        """Return it in words."""
        share = f"{self.unit} {self.done:,} of {self.last:,} ({self.done / max(self.last, 1):.0%})"
        return "  ".join(filter(None, [share, self.loss, self.left]))


_COUNTED = re.compile(r"(step|epoch|shard) ([\d,]+) of ([\d,]+)")
_LOSS = re.compile(r"\S*loss -?[\d.]+(?:e[+-]?\d+)?|\S*loss (?:nan|inf)")


NAMES = {
    "losses": "loss",
    "rate": "learning rate",
    "speed": "speed",
    "memory": "memory",
    "energy": "energy so far",
}


class Display:
    """Shows the latest report until it is closed."""

    def __init__(self) -> None:
        """Take the lower lines of the terminal; other output appears above them."""
        self._live = Live(auto_refresh=False)  # drawn at each report, without a thread of its own
        self._live.start()

    def update(self, report: Report) -> None:
        """Show a report in place of the one before."""
        self._live.update(render(report), refresh=True)

    def close(self) -> None:
        """Give the terminal back; the last report stays."""
        self._live.stop()


def render(report: Report) -> Group:
    """Return the bar and the figures below it."""
    figures = report.figures()
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=report.last, completed=report.step, width=30),
        f"step {report.step:,} of {report.last:,}",
        figures["left"],
    )
    table = Table.grid(padding=(0, 2))
    figures["speed"] = ", ".join(figures[name] for name in ("speed", "peak") if name in figures)
    for name, shown in NAMES.items():
        if name in figures:
            table.add_row(shown, figures[name].removeprefix("learning rate "))
    return Group(bar, table)


class Progress:
    """Speeds since the last line and the last row of the curve, and when the next line is due."""

    def __init__(self, gauges: Gauges | None = None, shown: bool = True, terminal: bool | None = None) -> None:
        """Start the clocks.

        Args:
            gauges: further measurements of the run.
            shown: whether this process prints; only one of several does.
            terminal: whether a display may take the place of lines within the `with` block; by default if the
                standard output is a terminal.
        """
        self.of_line, self.of_row = Speed(), Speed()
        self.gauges, self._shown = gauges or Gauges(), shown
        self._terminal = sys.stdout.isatty() if terminal is None else terminal
        self._display: Display | None = None
        self._pace: float | None = None  # seconds a step
        self._next_line = 0.0

    def __enter__(self) -> Self:
        """Show the display, if there is a terminal."""
        if self._shown and self._terminal:
            self._display = Display()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the display; its last report stays on the screen."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def add(self, tokens: int) -> None:
        """Count a step."""
        for speed in (self.of_line, self.of_row):
            speed.add(tokens)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Exclude the time of the block from the speeds."""
        began = time.perf_counter()
        yield
        for speed in (self.of_line, self.of_row):
            speed.skip(time.perf_counter() - began)

    def due(self) -> bool:
        """Return whether enough time has passed for another line."""
        return time.perf_counter() >= self._next_line

    def line(self, step: int, last: int, rate: float, metrics: Mapping[str, float]) -> None:
        """Show the means since the last line, and reset them."""
        speed = self.of_line
        if speed.steps:
            newest = speed.seconds / speed.steps
            self._pace = newest if self._pace is None else NEWEST * newest + (1 - NEWEST) * self._pace
        if self._shown:
            self._show(self._report(step, last, rate, metrics))
        self.of_line = Speed()
        between = SECONDS_BETWEEN_LINES if self._display is None else SECONDS_BETWEEN_UPDATES
        self._next_line = time.perf_counter() + between

    def _report(self, step: int, last: int, rate: float, metrics: Mapping[str, float]) -> Report:
        speed = self.of_line.tokens_per_second
        return Report(
            step=step,
            last=last,
            metrics=metrics,
            rate=rate,
            tokens_per_second=speed,
            left=timedelta(seconds=round((last - step) * (self._pace or 0.0))),
            share_of_peak=self._share_of_peak(speed),
            memory=self.gauges.memory() if self.gauges.memory else None,
            energy=self.gauges.energy() if self.gauges.energy else None,
        )

    def _share_of_peak(self, speed: float) -> float | None:
        """Return the share of the machine's peak; None for the rest of a run once it has been over 1.

        Nothing is faster than the peak, so the measured one was too low, for example because other jobs were running.
        """
        share = self.gauges.share_of_peak(speed)
        if share is None or share <= 1:
            return share
        self.gauges = replace(self.gauges, peak=None)
        say(TOO_LOW)
        return None

    def _show(self, report: Report) -> None:
        if self._display is None:
            say(report.line())
        else:
            self._display.update(report)


def electricity(kwh: float) -> str:
    """Return an amount of electricity in a suitable unit, as text."""
    return f"{kwh:.4g} kWh" if kwh >= 0.1 else f"{1000 * kwh:.3g} Wh"


def say(line: str) -> None:
    """Print a line with the time of day and flush it; it appears above the display, if there is one."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


def gauges_of(
    model: Any,
    recipe: Recipe,
    device: torch.device,
    processes: Processes = ALONE,
    energy: Callable[[], Energy | None] | None = None,
) -> Gauges:
    """Return the gauges of a run; the first process measures its device for half a second; all count as equal.

    Args:
        model: with its heads, as it is trained.
        recipe: only its length, masking_probability and precision are used.
        device: this process's.
        processes: of the run; only the first one prints and gets gauges.
        energy: returns the energy that the run has used so far.
    """
    if not processes.first:
        return Gauges()
    dtype = torch.bfloat16 if recipe.model.precision == "bf16" else torch.float32
    return Gauges(
        flops_per_token=flops_per_token(model, recipe.data.length, recipe.objective.masking_probability),
        # A share of emulated arithmetic would mean nothing.
        peak=None if is_emulated(recipe.model.precision, device) else processes.size * measure_peak(device, dtype),
        memory=(lambda: torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None,
        energy=energy,
    )
