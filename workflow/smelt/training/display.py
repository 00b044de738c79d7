"""A run on a terminal: a bar and its figures, which stay in their place while lines go by above them."""

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from smelt.training.progress import Report

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
        """Take the lower lines of the terminal; what is printed meanwhile goes above them."""
        self._live = Live(auto_refresh=False)  # drawn at each report, so that no thread runs beside the training
        self._live.start()

    def update(self, report: Report) -> None:
        """Show a report in place of the one before."""
        self._live.update(rendered(report), refresh=True)

    def close(self) -> None:
        """Give the terminal back; the last report stays."""
        self._live.stop()


def rendered(report: Report) -> Group:
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
