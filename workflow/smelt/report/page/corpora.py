"""Tables of corpora that only the page shows: sizes and shares, pages, markup, and what cleaning removed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from smelt.mixture import Mixture
from smelt.report.corpus_records import CleanedStep, CorpusRecord, by_corpus, shares_of
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row

TEST_EXAMPLES = "test_examples"
"""The step that looks for test examples of tasks."""
MOST_NAMED = 5  # templates, or languages, that a cell names
MOST_KINDS = 6  # kinds of dropped text with a column of their own
_PAGES = {
    "pages": "Pages",
    "extracted": "Extracted",
    "redirect": "Redirects",
    "other_namespace": "Other namespaces",
    "empty": "Empty",
    "duplicate": "Copies",
    "differing": "Differing copies",
    "skipped": "Left out",
    "too_long": "Too long",
    "lost": "Lost",
}
_RARE = {"duplicate", "differing", "skipped", "too_long"}  # shown where there are any
_MARKUP = {
    "headings": "Headings",
    "list_items": "List items",
    "list_items_characters": "Their characters",
    "empty_with_list_items": "Articles of lists only",
    "documents_with_markup_left": "Documents with markup",
}
_TEMPLATES = {"lua": "In Lua", "missing": "Not in the dump", "functions": "Parser functions not known"}
_REMOVED = ["Documents", "Removed", "Changed", "Paragraphs removed", "Characters removed"]


def corpus_table(records: Sequence[CorpusRecord], mixtures: Mapping[str, Mixture]) -> PaperTable:
    """Return the sizes of each corpus: a group a corpus, a row a language, the largest first.

    Args:
        records: of all corpora and languages.
        mixtures: how the languages of a corpus are mixed, where they do not keep their proportions.
    """
    columns = ["Documents", "Held out", "Words", "Megabytes", "Share of words"]
    columns += ["Share of characters", "Share drawn"] if mixtures else []
    groups = []
    for corpus, members in by_corpus(records).items():
        shares = shares_of(members, mixtures.get(corpus, Mixture())) if mixtures else {}
        words = sum(record.words for record in members)
        rows = [_size_row(r.language, [r], words, shares.get(r.language, ())) for r in members]
        rows += [_size_row("all", members, words, [1.0, 1.0] if shares else [])] if len(members) > 1 else []
        groups.append(Group(rows, corpus))
    notes = [
        "Words are runs of characters between white space; scripts written without spaces have few of them. "
        "Held-out documents serve validation only, not tokenizers or training. Megabytes of UTF-8, 10⁶ bytes each."
    ]
    notes += [
        f"Share drawn from {corpus}: in samples of tokenizers, {mixture.describe('characters')}; models draw likewise, "
        "by tokens."
        for corpus, mixture in mixtures.items()
    ]
    return PaperTable("all-corpora", "Documents and words", [Grid("Language", columns, groups)], notes)


def pages_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return how many pages of the dumps were used and why others were not; None where no corpus has any."""
    dumped = _dumped(records)
    shown = {key: head for key, head in _PAGES.items() if key not in _RARE or any(r.pages.get(key) for r in dumped)}
    groups = [
        Group([Row(r.language, [_page_cell(r, key) for key in shown]) for r in members], corpus)
        for corpus, members in by_corpus(dumped).items()
    ]
    if not groups:
        return None
    caption = "Pages of the Wikipedia dumps"
    notes = [
        "Empty: nothing readable is left of an article, with its share of articles. A lost page would have failed its "
        "extraction."
    ]
    return PaperTable("pages", caption, [Grid("Language", list(shown.values()), groups)], notes)


def markup_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return what extraction kept beside paragraphs, and the markup it left; None where no dump was counted."""
    dumped = _counted(records)
    left = any(record.markup.get("left") for record in dumped)
    groups = [
        Group([Row(r.language, _markup_cells(r, left)) for r in members], corpus)
        for corpus, members in by_corpus(dumped).items()
    ]
    if not groups:
        return None
    caption = "List items and headings of the articles, and markup that extraction leaves"
    columns = [*_MARKUP.values(), *(["Kinds of it"] if left else [])]
    notes = ["Whether list items and headings are lines of the documents is a choice of the study."]
    return PaperTable("markup", caption, [Grid("Language", columns, groups)], notes)


def dropped_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return the characters that extraction drops of articles, by kind; None where it drops nothing."""
    dumped = [record for record in _counted(records) if record.markup.get("dropped")]
    sizes = Counter[str]()
    for record in dumped:
        sizes.update({kind: found["characters"] for kind, found in record.markup["dropped"].items()})
    if not sizes:
        return None
    shown = [kind for kind, _ in sizes.most_common(MOST_KINDS)]
    columns = [*shown, *(["Other kinds"] if len(sizes) > len(shown) else [])]
    groups = []
    for corpus, members in by_corpus(dumped).items():
        rows = []
        for record in members:
            dropped = record.markup["dropped"]
            cells = [_dropped_cell([dropped[kind]] if kind in dropped else []) for kind in shown]
            others = [found for kind, found in dropped.items() if kind not in shown]
            rows.append(Row(record.language, cells + [_dropped_cell(others)] * (len(columns) - len(shown))))
        groups.append(Group(rows, corpus))
    notes = ["Characters of wikitext, and how many such elements in brackets."]
    return PaperTable("dropped", "What extraction drops", [Grid("Language", columns, groups)], notes)


def templates_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return the templates that left no words, by name; None where all were expanded."""
    grids = []
    for key, head in _TEMPLATES.items():
        used = [r for r in _counted(records) if r.markup.get("not_expanded", {}).get(key, {}).get("uses")]
        groups = [
            Group([Row(r.language, _template_cells(r, key)) for r in members], corpus)
            for corpus, members in by_corpus(used).items()
        ]
        grids += [Grid(head, ["Uses", "An article", "Names", "Most frequent"], groups, numeric=False)] if groups else []
    notes = ["Templates that leave no words in the documents. A dump without its template pages lacks all of them."]
    return PaperTable("templates", "Templates that were not expanded", grids, notes) if grids else None


def cleaning_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return what each step of cleaning removed of all languages of a corpus; None where nothing is cleaned."""
    groups = []
    for corpus, members in by_corpus(records).items():
        found = steps_of(members)
        rows = [Row(step, _removed_cells([one for _, one in steps])) for step, steps in found.items()]
        groups += [Group(rows, corpus)] if rows else []
    if not groups:
        return None
    notes = [
        "Documents: those that reached the step; shares are of what reached it. Characters of nfc: how many fewer "
        "there are, which may be negative."
    ]
    return PaperTable("cleaning", "What each step of cleaning removed", [Grid("Step", _REMOVED, groups)], notes)


def step_tables(records: Sequence[CorpusRecord]) -> list[PaperTable]:
    """Return a table for each step of cleaning of a corpus: a row a language, the one that lost most first."""
    return [
        _step_table(corpus, step, steps)
        for corpus, members in by_corpus(records).items()
        for step, steps in steps_of(members).items()
    ]


def overlap_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return how many test examples of each task stand in a corpus; None where none were looked for."""
    groups = []
    for corpus, members in by_corpus(records).items():
        looked = [(r, step) for r in members for step in r.cleaning if step.step == TEST_EXAMPLES]
        tasks = dict.fromkeys(task for _, step in looked for task in step.details["tasks"])
        rows = []
        for task in tasks:
            found = {r.language: step.details["tasks"][task] for r, step in looked if task in step.details["tasks"]}
            rows.append(Row(task, _test_cells(found)))
        groups += [Group(rows, corpus)] if rows else []
    if not groups:
        return None
    columns = ["Languages", "Test examples", "Too short", "Found", "Paragraphs with them", "Most in"]
    notes = [
        "Found: test examples that share a run of words with a document, and their share of those that are long enough "
        "to be found. Whether such paragraphs or documents were left out is a choice of the study."
    ]
    return PaperTable("test-examples", "Test examples in the corpora", [Grid("Task", columns, groups)], notes)


def steps_of(members: Iterable[CorpusRecord]) -> dict[str, list[tuple[str, CleanedStep]]]:
    """Return the steps of cleaning of a corpus in their order, each with what it did in each language."""
    found: dict[str, list[tuple[str, CleanedStep]]] = {}
    for record in members:
        for step in record.cleaning:
            found.setdefault(step.step, []).append((record.language, step))
    return found


def share(part: float, whole: float) -> str:
    """Return a share in percent: with a decimal, below a tenth of a percent with two."""
    value = part / whole if whole else 0.0
    if not value:
        return "0.0%"
    if abs(value) < 0.0001:
        return "<0.01%"
    return f"{value:.{1 if abs(value) >= 0.001 else 2}%}".replace("-", "−")


def _dumped(records: Iterable[CorpusRecord]) -> list[CorpusRecord]:
    return [record for record in records if record.pages.get("pages")]


def _counted(records: Iterable[CorpusRecord]) -> list[CorpusRecord]:
    return [record for record in _dumped(records) if record.markup]


def _size_row(head: str, records: Sequence[CorpusRecord], whole: int, shares: Sequence[float]) -> Row:
    words = sum(record.words for record in records)
    counts = [sum(record.documents for record in records), sum(record.held_out for record in records), words]
    size = sum(record.bytes for record in records) / 1e6
    of_words = share(words, whole) if whole else NONE
    drawn = [Cell(share(value, 1)) for value in shares]
    return Row(head, [*(Cell(f"{count:,}") for count in counts), Cell(f"{size:,.2f}"), Cell(of_words), *drawn])


def _counted_cell(part: int, whole: int) -> Cell:
    return Cell(f"{part:,}".replace("-", "−"), detail=f"({share(part, whole)})" if part > 0 else "")


def _page_cell(record: CorpusRecord, key: str) -> Cell:
    number = record.pages.get(key, 0)
    return _counted_cell(number, record.articles) if key == "empty" else Cell(f"{number:,}")


def _markup_cells(record: CorpusRecord, left: bool) -> list[Cell]:
    cells = [Cell(f"{record.markup.get(key, 0):,}") for key in _MARKUP]
    documents = record.markup.get("documents_with_markup_left", 0)
    cells[-1] = _counted_cell(documents, record.pages.get("extracted", 0))
    kinds = {kind: found["documents"] for kind, found in record.markup.get("left", {}).items()}
    return [*cells, *([Cell(_most_frequent(kinds))] if left else [])]


def _dropped_cell(found: Sequence[Mapping[str, int]]) -> Cell:
    number = sum(each["number"] for each in found)
    return Cell(f"{sum(each['characters'] for each in found):,}", detail=f"({number:,})" if number else "")


def _template_cells(record: CorpusRecord, key: str) -> list[Cell]:
    found = record.markup["not_expanded"][key]
    an_article = f"{found['uses'] / record.articles:,.2f}" if record.articles else NONE
    return [
        Cell(f"{found['uses']:,}"),
        Cell(an_article),
        Cell(f"{found['names']:,}"),
        Cell(_most_frequent(found["most_frequent"])),
    ]


def _most_frequent(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMED]
    return ", ".join(f"{name} {count:,}" for name, count in ranked) or NONE


def _removed_cells(steps: Sequence[CleanedStep]) -> list[Cell]:
    sums = {
        name: sum(getattr(step, name) for step in steps)
        for unit in ("documents", "paragraphs", "characters")
        for name in (unit, f"{unit}_removed")
    }
    return [
        Cell(f"{sums['documents']:,}"),
        _counted_cell(sums["documents_removed"], sums["documents"]),
        Cell(f"{sum(step.documents_changed for step in steps):,}"),
        _counted_cell(sums["paragraphs_removed"], sums["paragraphs"]),
        _counted_cell(sums["characters_removed"], sums["characters"]),
    ]


def _step_table(corpus: str, name: str, steps: Sequence[tuple[str, CleanedStep]]) -> PaperTable:
    touched = [(language, step) for language, step in steps if step.documents_removed or step.documents_changed]
    touched.sort(key=lambda pair: (-_lost(pair[1]), pair[0]))
    extra = [(head, read) for key, (head, read) in _DETAILS.items() if any(key in step.details for _, step in touched)]
    heads = [*_REMOVED, *(head for head, _ in extra)]
    rows = [
        Row(language, [*_removed_cells([step]), *(Cell(read(step.details)) for _, read in extra)])
        for language, step in touched
    ]
    untouched = [language for language, step in steps if not (step.documents_removed or step.documents_changed)]
    notes = [f"Nothing removed or changed: {', '.join(untouched)}."] if untouched else []
    return PaperTable(f"cleaning-{corpus}-{name}", f"{corpus}: {name}", [Grid("Language", heads, [Group(rows)])], notes)


def _lost(step: CleanedStep) -> float:
    return step.documents_removed / step.documents if step.documents else 0.0


_DETAILS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "sections": ("Sections", lambda details: _most_frequent(details["sections"])),
    "within_source": ("Within a source", lambda details: f"{details['within_source']:,}"),
    "across_sources": ("Across sources", lambda details: f"{details['across_sources']:,}"),
    "found": ("Taken for", lambda details: _most_frequent(details["found"])),
}
"""What steps say further, by its key in statistics.json: head of the column, and what stands in a cell."""


def _test_cells(found: Mapping[str, Mapping[str, int]]) -> list[Cell]:
    examples, too_short, held, paragraphs = (
        sum(counts[key] for counts in found.values()) for key in ("examples", "too_short", "found", "paragraphs")
    )
    most = _most_frequent({language: counts["found"] for language, counts in found.items() if counts["found"]})
    counts = [Cell(f"{number:,}") for number in (len(found), examples, too_short)]
    return [*counts, _counted_cell(held, examples - too_short), Cell(f"{paragraphs:,}"), Cell(most)]
