"""Language distribution: words of each language in each corpus (mALBERT, Figure 1)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.corpus_records import CorpusRecord, by_corpus, read_corpora
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series
from smelt.report.figures.style import PALETTE, in_thousands, panels, write_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(sources: list[Path]) -> "Figure":
    """Return a panel a corpus: points on a logarithmic scale, the largest language first."""
    by_corpus = _ranked(sources)
    most = max(map(len, by_corpus.values()))
    figure, axes = panels(len(by_corpus), max(4.2, 1.2 + 0.24 * most), 2.5, columns=1)
    for axis, (corpus, records) in zip(axes, by_corpus.items(), strict=True):
        _points(axis, records)
        axis.set(title=corpus, xlabel="language", ylabel="words (log scale)")
    return figure


def chart(sources: list[Path]) -> Chart:
    """Return the same panels as a chart."""
    return Chart([_panel(corpus, records) for corpus, records in _ranked(sources).items()])


def _panel(corpus: str, records: Sequence[CorpusRecord]) -> Panel:
    axis = ChartAxis("language", "names", [record.language for record in records])
    about = [[record.language, f"{record.words:,} words in {record.documents:,} documents"] for record in records]
    marks = [Mark(one.language, one.words, text) for one, text in zip(records, about, strict=True) if one.words]
    return Panel(corpus, axis, ChartAxis("words (log scale)", "log"), [Series("words", marks, line=False)])


def _ranked(sources: list[Path]) -> dict[str, list[CorpusRecord]]:
    """Return the languages of each corpus, the one with most words first."""
    found = by_corpus(read_corpora(sources))
    return {name: sorted(records, key=lambda one: (-one.words, one.language)) for name, records in found.items()}


def _points(axis: "Axes", records: list[CorpusRecord]) -> None:
    from matplotlib.ticker import LogLocator

    words = [record.words for record in records]
    axis.set_yscale("log")
    # Not bars: a logarithmic scale has no zero that they could start from.
    floor = 10.0 ** math.floor(math.log10(max(1, min(words)) * 0.999))
    axis.plot(range(len(records)), words, color=PALETTE[0], marker="o", linestyle="none")
    axis.set_ylim(max(floor, 0.5), max(words) * 1.6)
    axis.yaxis.set_major_locator(LogLocator(base=10))
    in_thousands(axis.yaxis)
    axis.minorticks_off()
    write_codes(axis, [record.language for record in records])
    axis.margins(x=0.01)


FIGURE = StudyFigure(
    "language-distribution",
    "Language distribution",
    "Words of each language in each corpus, the largest first, on a logarithmic scale.",
    sources=lambda study: study.corpus_statistics(),
    draw=draw,
    chart=chart,
)
