"""Links from the page to the files of its study: what made each table and figure, its numbers, and its log.

Addresses are relative to the page, so that they lead there wherever the study's folders stand together. What is not
there has no link.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from smelt.report.render import Group, Link, PaperTable, html_link

_FORMS = {".csv": "CSV", ".tex": "LaTeX", ".md": "Markdown", ".svg": "SVG", ".png": "PNG"}
_MADE_BY = {
    "all-corpora": ["documents"],
    "pages": ["documents"],
    "markup": ["documents"],
    "dropped": ["documents"],
    "templates": ["documents"],
    "cleaning": ["documents"],
    "test-examples": ["documents"],
    "sources": ["documents"],
    "losses": ["documents", "task"],
    "blocks": ["blocks"],
    "tasks": ["task"],
    "choices": ["finetune"],
}
"""The rules that made what a table shows, by its name or what stands before the first hyphen: where its rows have the
links, or nothing has."""


class MadeBy(NamedTuple):
    """A rule of the workflow, and the files that it left."""

    rule: str
    links: Sequence[Link] = ()


class StudyFiles:
    """The files of a study, as links from its page."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Take what the command that writes the page was given."""
        self._given = arguments
        self._beside: Path = arguments.output.parent
        self._statistics = {path.stem: path for path in arguments.statistics}
        self._makers = {name: entry["maker"] for name, entry in arguments.study["models"].items()}
        """The maker of each model, whose rule has its name."""

    def link(self, text: str, path: Path | None) -> list[Link]:
        """Return the link to a file or folder; none where it is missing."""
        if path is None or not path.exists():
            return []
        address = quote(Path(os.path.relpath(path, self._beside)).as_posix())
        return [Link(text, f"{address}/" if path.is_dir() else address)]

    def log(self, name: str, text: str = "log") -> list[Link]:
        """Return the link to a log by its place among the logs, without its ending: tables/slots."""
        return self.link(text, self._given.logs and self._given.logs / f"{name}.log")

    def link_rows(self, table: PaperTable) -> PaperTable:
        """Return a table whose rows lead to what their heads name: a model, task, or language of a corpus."""
        links = self._rows_of(table.name)

        def linked(group: Group) -> Group:
            rows = [replace(row, links=links.get((group.title, row.head), ())) for row in group.rows]
            return replace(group, rows=rows)

        grids = [replace(grid, groups=[linked(group) for group in grid.groups]) for grid in table.grids]
        return replace(table, grids=grids) if links else table

    def forms(self, rule: str, path: Path) -> Markup:
        """Return the line on what made a table or figure: its forms stand beside each other, in a folder of their own.

        Args:
            rule: its rule.
            path: one of its forms.
        """
        forms = {text: path.with_suffix(suffix) for suffix, text in _FORMS.items()}
        return origin_line([self._made(rule, f"{path.parent.name}/{path.stem}", forms)])

    def origin(self, table: str) -> Markup:
        """Return the line on what made a table that only the page shows, by the table's name."""
        return origin_line(self._origins_of(table))

    # ---- What made each table, and where its rows lead

    def _rows_of(self, table: str) -> dict[tuple[str, str], list[Link]]:
        """Return the links of a table's rows by the title of their group and their head."""
        given = self._given
        if table in ("overview", "models", "efficiency-of-all-models"):
            card = ("card", "README.md")
            return {("", path.name): self._folder(path, f"models/{path.name}", card) for path in given.models}
        if table == "tasks":
            folders = [path.parent for path in given.tasks]
            return {("", path.name): self._folder(path, f"tasks/{path.name}") for path in folders}
        if table == "all-corpora":
            keys = [((path.parents[1].name, path.parent.name), path.parent) for path in given.corpora]
            return {key: self._folder(path, f"corpora/{'/'.join(key)}") for key, path in keys}
        return {}

    def _origins_of(self, table: str) -> list[MadeBy]:
        given, statistics = self._given, self._statistics
        kind, _, name = table.partition("-")
        if kind == "overview":
            used = [statistics["summary"], statistics["pairs"], self._beside / "scores.csv", given.costs]
            return [self._made("page", "report", {path.name: path for path in used if path})]
        if kind == "pairs":
            place = f"statistics/examples/{name}"
            tested = [self._made("examples", place, {"CSV": file}) for file in given.examples if file.stem == name]
            return [self._made("compare", "compare", {"CSV": statistics["pairs"]}), *tested]
        if kind == "across":
            return [self._made("compare", "compare", {"CSV": statistics["across"]})]
        if kind == "correlations":
            of_task = {path.parent.name: path for path in given.tokenisation if path.stem == name}
            return [self._made_each("tokenisation", of_task, lambda model: f"tokenisation/{model}/{name}")]
        if kind == "efficiency":
            return [self._made("efficiency", "efficiency", {path.stem: path for path in given.efficiency})]
        if kind == "tokenizers":
            folders = {path.name: path for path in given.tokenizers}
            return [self._made_each("tokenizer", folders, lambda tokenizer: f"tokenizers/{tokenizer}")]
        if kind == "reductions":
            proofs: dict[str, dict[str, Path]] = {}
            for path in given.models:
                if (proof := path / "reduction.json").is_file() and path.name in self._makers:
                    proofs.setdefault(self._makers[path.name], {})[path.name] = proof
            return [self._made_each(maker, own, lambda model: f"models/{model}") for maker, own in proofs.items()]
        if kind == "models":
            return [MadeBy(maker) for maker in dict.fromkeys(self._makers.values())]
        if kind in ("plan", "costs"):
            only: Path = getattr(given, kind)
            return [self._made(kind, kind, {only.suffix[1:].upper(): only})]
        return [MadeBy(rule) for rule in _MADE_BY[table if table in _MADE_BY else kind]]

    def _folder(self, path: Path, log: str, *inside: tuple[str, str]) -> list[Link]:
        """Return the links to a folder, files in it (what each says, its name), and its log."""
        files = [link for text, name in inside for link in self.link(text, path / name)]
        own = self.link(path.name, path)
        return [*own, *files, *self.log(log)] if own else []

    def _made(self, rule: str, log: str, files: Mapping[str, Path]) -> MadeBy:
        """Return what a rule made: files by what their links say, and its log."""
        return MadeBy(rule, [*(link for text, path in files.items() for link in self.link(text, path)), *self.log(log)])

    def _made_each(self, rule: str, paths: Mapping[str, Path], log: Callable[[str], str]) -> MadeBy:
        """Return what a rule made, a job each: files or folders by name, each followed by its log."""
        found = {name: self.link(name, path) for name, path in paths.items()}
        links = [(*own, *self.log(log(name), f"log of {name}")) for name, own in found.items() if own]
        return MadeBy(rule, [link for each in links for link in each])


def origin_line(origins: Iterable[MadeBy]) -> Markup:
    """Return the line under a table or figure that names the rules that made it, with links to their files."""
    parts = [
        Markup(" · ").join([Markup("rule <code>{}</code>").format(origin.rule), *map(_html, origin.links)])
        for origin in origins
    ]
    return Markup('<p class="origin">Made by {}</p>').format(Markup("; ").join(parts))


def _html(link: Link) -> Markup:
    return Markup(html_link(link.address, escape(link.text)))
