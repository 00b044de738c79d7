"""Language distribution: words of each language in each corpus (mALBERT, Figure 1)."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.corpus_records import CorpusRecord, read_corpora
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.style import PALETTE, in_thousands, panels, write_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(sources: list[Path]) -> "Figure":
    """Return a panel a corpus: bars on a logarithmic scale, the largest language first."""
    by_corpus: dict[str, list[CorpusRecord]] = {}
    for record in read_corpora(sources):
        by_corpus.setdefault(record.corpus, []).append(record)
    most = max(map(len, by_corpus.values()))
    figure, axes = panels(len(by_corpus), max(4.2, 1.2 + 0.24 * most), 2.5, columns=1)
    for axis, (corpus, records) in zip(axes, by_corpus.items(), strict=True):
        _bars(axis, sorted(records, key=lambda record: (-record.words, record.language)))
        axis.set(title=corpus, ylabel="words (log scale)")
    return figure


def _bars(axis: "Axes", records: list[CorpusRecord]) -> None:
    from matplotlib.ticker import LogLocator

    words = [record.words for record in records]
    axis.set_yscale("log")
    # A logarithmic scale has no zero, so bars start at the power of ten below the smallest.
    floor = 10.0 ** math.floor(math.log10(max(1, min(words)) * 0.999))
    axis.bar(range(len(records)), words, color=PALETTE[0], width=0.75)
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
)
