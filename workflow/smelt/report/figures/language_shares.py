"""Shares of languages before and after sampling (mALBERT's Figure 1 has what was drawn)."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.mixture import Mixture
from smelt.report.corpus_records import by_corpus, read_corpora, shares_of
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series
from smelt.report.figures.style import PALETTE, legend, panels, write_codes
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(sources: list[Path], mixtures: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """Return a panel a corpus, the language with most characters first.

    Args:
        sources: statistics.json of the languages of each corpus.
        mixtures: how the languages of a corpus are mixed, as a study says it.
    """
    corpora = by_corpus(read_corpora(sources))
    most = max(map(len, corpora.values()))
    figure, axes = panels(len(corpora), max(4.2, 1.2 + 0.24 * most), 2.7, columns=1)
    for axis, (corpus, records) in zip(axes, corpora.items(), strict=True):
        mixture = Mixture(**mixtures.get(corpus, {}))
        _shares(axis, shares_of(records, mixture))
        axis.set(title=f"{corpus}: {mixture.describe('characters')}", xlabel="language", ylabel="share (log scale)")
    legend(figure, *axes)
    return figure


def _shares(axis: "Axes", shares: Mapping[str, tuple[float, float]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    ranked = _ranked(shares)
    natural, drawn = ([pair[number] for _, pair in ranked] for number in (0, 1))
    axis.set_yscale("log")
    # Not bars: a logarithmic scale has no zero that they could start from.
    axis.plot(range(len(ranked)), natural, color=PALETTE[0], marker="s", linestyle="none", label="of characters")
    axis.plot(range(len(ranked)), drawn, color=PALETTE[1], marker="o", linestyle="none", label="drawn")
    axis.set_ylim(10.0 ** math.floor(math.log10(min(filter(None, natural)) * 0.999)), 1)
    axis.yaxis.set_major_locator(LogLocator(base=10))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axis.minorticks_off()
    write_codes(axis, [language for language, _ in ranked])
    axis.margins(x=0.01)


def chart(sources: list[Path], mixtures: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Return the same panels as a chart."""
    return Chart(
        [
            _panel(corpus, shares_of(records, mixture), mixture)
            for corpus, records in by_corpus(read_corpora(sources)).items()
            for mixture in [Mixture(**mixtures.get(corpus, {}))]
        ]
    )


def _panel(corpus: str, shares: Mapping[str, tuple[float, float]], mixture: Mixture) -> Panel:
    ranked = _ranked(shares)
    series = [
        Series(name, [_mark(language, pair, number) for language, pair in ranked if pair[number]], line=False)
        for number, name in enumerate(("of characters", "drawn"))
    ]
    title = f"{corpus}: {mixture.describe('characters')}"
    languages = ChartAxis("language", "names", [language for language, _ in ranked])
    return Panel(title, languages, ChartAxis("share (%, log scale)", "log"), series)


def _mark(language: str, pair: tuple[float, float], number: int) -> Mark:
    natural, drawn = (100 * share for share in pair)
    return Mark(language, 100 * pair[number], [language, f"{natural:.3g}% of characters, {drawn:.3g}% drawn"])


def _ranked(shares: Mapping[str, tuple[float, float]]) -> list[tuple[str, tuple[float, float]]]:
    return sorted(shares.items(), key=lambda item: (-item[1][0], item[0]))


def _mixed(study: StudyOfTables) -> dict[str, Mixture]:
    """Return how corpora are mixed that have several languages and do not keep their proportions."""
    corpora = [Path(path).parents[1].name for path in study.corpus_statistics()]
    found = {corpus: study.mixture(corpus) for corpus in corpora if corpora.count(corpus) > 1}
    return {corpus: mixture for corpus, mixture in found.items() if not mixture.is_natural}


def _sources(study: StudyOfTables) -> list[str]:
    mixed = _mixed(study)
    return [path for path in study.corpus_statistics() if Path(path).parents[1].name in mixed]


FIGURE = StudyFigure(
    "language-shares",
    "Shares of languages",
    "Share of each language in the characters of a corpus, and the share that samples of tokenizers draw, on a"
    " logarithmic scale. Models draw likewise, by tokens.",
    sources=_sources,
    draw=draw,
    chart=chart,
    facts=lambda study: {"mixtures": {name: mixture.model_dump() for name, mixture in _mixed(study).items()}},
)
