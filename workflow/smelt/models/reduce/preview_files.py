"""A dry run as people see it: tables on the screen; sizes.json, sizes.csv and a figure in a folder."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from smelt.files import whole_folder, write_json
from smelt.models.reduce.dry_run import LinesCut, Preview, RungFigures
from smelt.report.csv_files import write_csv
from smelt.report.figures.style import GREY, legend, look, panels, save, style, thousands
from smelt.report.render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 112  # columns that the table needs at least
_ALL = "all"
"""Stands for several languages together."""


def print_preview(found: Preview) -> None:
    """Print a row for each rung, and where there are several languages, how each one's lines are cut."""
    languages = list(found.whole.by_language)
    console = Console(markup=False, emoji=False, highlight=False, width=max(Console().width, WIDTH), soft_wrap=True)
    console.print(_sizes(found, languages))
    if len(languages) > 1:
        console.print(_by_language(found, languages))
    console.print(
        f"> is the {found.rule} of this call, by {found.of}. Nothing is reduced: {_how_to_reduce(found)}.",
    )


def _how_to_reduce(found: Preview) -> str:
    """Return how the user's rule reduces the model, or why it does not."""
    (given,) = (rung for rung in found.rungs if rung.given)
    if not given.unproven:
        return "leave out --dry-run for that"
    if given.all.proving:
        return f"leave out --dry-run for that; nothing will be proven of {', '.join(given.unproven)}"
    return (
        f"reduce will refuse this {found.rule}, since of none of {given.all.lines:,} held-out lines all pieces are"
        " kept; keep more pieces, or look at more lines (--proof-lines)"
    )


def _sizes(found: Preview, languages: list[str]) -> Table:
    lines = found.whole.all.lines
    title = f"{found.model}: what it would be reduced to; {lines:,} held-out lines of {', '.join(languages)}"
    table = _table(title, found.rule)
    covered = ["occurrences kept"] if len(languages) == 1 else []
    for head in ("pieces", "parameters", "MB", *covered, "lines cut differently", "tokens a line", "unknown tokens"):
        table.add_column(head, justify="right")
    proofs = [_proof(rung) for rung in (*found.rungs, found.whole)]
    if any(proofs):
        table.add_column("proof", no_wrap=True)
    for rung, proof in zip([*found.rungs, found.whole], proofs, strict=True):
        cut, weights = rung.all, rung.weights
        kept = [] if cut.coverage is None else [f"{cut.coverage:.3%}"]
        size = [f"{rung.pieces:,}", f"{weights.parameters:,}", f"{weights.bytes / 1e6:,.1f}", *kept]
        table.add_row(
            _label(rung),
            *size,
            _share(cut),
            number(cut.tokens_per_line),
            f"{cut.unknown:,}",
            *([proof] if any(proofs) else []),
        )
    return table


def _proof(rung: RungFigures) -> str:
    """Return what `reduce` cannot prove with a rule."""
    if rung.unproven and rung.all.proving:
        return f"not of {', '.join(rung.unproven)}"
    return "cannot be proven" if rung.unproven else ""


def _by_language(found: Preview, languages: list[str]) -> Table:
    table = _table("Lines cut differently", found.rule)
    for language in languages:
        table.add_column(language, justify="right")
    for rung in found.rungs:
        table.add_row(_label(rung), *(_share(rung.by_language[language]) for language in languages))
    return table


def _table(title: str, rule: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(f"  {rule}", no_wrap=True)
    return table


def _label(rung: RungFigures) -> str:
    return f"{'>' if rung.given else ' '} {rung.label}"


def _share(cut: LinesCut) -> str:
    return number(cut.changed_share, ".1%")


def write_preview(folder: Path, found: Preview) -> None:
    """Write a dry run's figures as JSON and CSV, and as SVG and PNG."""
    with whole_folder(folder) as draft:
        write_json(draft / "sizes.json", asdict(found))
        write_csv(draft / "sizes.csv", _rows(found))
        with style():
            save(draw(found), draft / "sizes.svg", draft / "sizes.png")


def _rows(found: Preview) -> Iterator[dict[str, Any]]:
    """Yield a row for each rung and language, those of all languages first where there are several."""
    for rung in [*found.rungs, found.whole]:
        together = {_ALL: rung.all} if len(rung.by_language) > 1 else {}
        for language, cut in {**together, **rung.by_language}.items():
            yield {
                "rule": found.rule,
                "value": rung.value,
                "given": rung.given,
                "pieces": rung.pieces,
                **asdict(rung.weights),
                "language": language,
                **asdict(cut),
                "changed_share": cut.changed_share,
                "tokens_per_line": cut.tokens_per_line,
                "provable": cut.proving > 0,
            }


def draw(found: Preview) -> "Figure":
    """Return the figure: size, lines cut differently and further tokens, of each rung."""
    figure, (size, lines, tokens) = panels(3, 3.4, 3.0)
    places = range(len(found.rungs))
    size.plot(places, [rung.weights.bytes / 1e6 for rung in found.rungs], **(look(0) | {"color": GREY}))
    size.axhline(found.whole.weights.bytes / 1e6, color=GREY, linewidth=1, linestyle="--")
    for place, (language, whole) in enumerate(found.whole.by_language.items()):
        cuts = [rung.by_language[language] for rung in found.rungs]
        lines.plot(places, [100 * (cut.changed_share or 0) for cut in cuts], label=language, **look(place))
        more = [100 * (cut.tokens / max(whole.tokens, 1) - 1) for cut in cuts]
        tokens.plot(places, more, label=language, **look(place))
    size.set(title="weights (MB), dashed: as they are", ylim=(0, None))
    lines.set(title="held-out lines cut differently (%)", ylim=(0, None))
    tokens.set(title="further tokens (%)")
    for axis in (size, lines, tokens):
        _name_rungs(axis, found)
    if len(found.whole.by_language) > 1:
        legend(figure, lines)
    return figure


def _name_rungs(axis: "Axes", found: Preview) -> None:
    """Write the rules and their numbers of pieces below an axis; a line stands at the user's."""
    names = [f"{rung.label}: {thousands(rung.pieces)}" for rung in found.rungs]
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_xlabel(f"{found.rule}: pieces")
    for place, rung in enumerate(found.rungs):
        if rung.given:
            axis.axvline(place, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
