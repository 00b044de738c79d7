"""What of corpora deserves a look, by what their statistics say: each check with its limit, and who is beyond it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from smelt.report.corpus_records import CorpusRecord, by_corpus
from smelt.report.page.blocks import BlocksRecord
from smelt.report.page.corpora import TEST_EXAMPLES, steps_of

FEW_DOCUMENTS = 20
"""Languages with fewer are named, and no share of theirs is judged."""
REMOVED = 0.3
"""Share of documents that a step may remove."""
WRONG_LANGUAGE = 0.05
"""The same for documents in another language: beyond it the identifier may be wrong."""
MARKUP_LEFT = 0.002
"""Share of a wiki's documents in which markup may be left."""
EMPTY = 0.1
"""Share of a wiki's articles that may be empty."""
MISSING_TEMPLATES = 1.0
"""Uses of templates an article that the dump may lack."""
PARAGRAPH = (25, 2000)
"""Characters of a mean paragraph: single words a line are below, whole texts in a line above."""
SENTENCE = (15, 400)
"""The same of a mean sentence: beyond it, ends are not found, or found everywhere."""
UNKNOWN = 0.01
"""Share of pieces that may be unknown."""
FOUND_TESTS = 0.01
"""Share of the test examples of a task that may stand in a corpus."""
MOST_NAMED = 12  # languages that a line names


@dataclass(frozen=True)
class Look:
    """Something that deserves a look: what it is, and the languages or tasks, those furthest beyond the limit first."""

    what: str
    where: list[str]

    def __str__(self) -> str:
        """Return it in words."""
        more = f" and {len(self.where) - MOST_NAMED} more" if len(self.where) > MOST_NAMED else ""
        return f"{self.what}: {', '.join(self.where[:MOST_NAMED])}{more}."


def looks(records: Sequence[CorpusRecord], blocks: Sequence[BlocksRecord] = ()) -> list[Look]:
    """Return what deserves a look, of corpora and of what tokenizers make of them."""
    found: list[Look] = []
    for corpus, members in by_corpus(records).items():
        enough = [record for record in members if _documents_read(record) >= FEW_DOCUMENTS]
        small = [f"{r.language} ({_documents_read(r):,})" for r in members if r not in enough]
        checks = [*_of_pages(enough), *_of_steps(enough), *_of_tests(members), *_of_paragraphs(enough)]
        checks += [Look(f"fewer than {FEW_DOCUMENTS} documents, too few for shares", small)] if small else []
        checks += _of_blocks([record for record in blocks if record.corpus == corpus], {r.language for r in enough})
        found += [Look(f"{corpus}: {look.what}", look.where) for look in checks if look.where]
    return found


def limits() -> str:
    """Return what is looked at, in words."""
    return (
        f"Looked at: steps that remove more than {REMOVED:.0%} of a language's documents, or {WRONG_LANGUAGE:.0%} as"
        f" another language; markup left in more than {MARKUP_LEFT:.1%} of a wiki's documents; more than {EMPTY:.0%}"
        f" empty articles, or {MISSING_TEMPLATES:g} template an article that the dump lacks; paragraphs of fewer than"
        f" {PARAGRAPH[0]} or more than {PARAGRAPH[1]:,} characters on average, sentences of fewer than {SENTENCE[0]} or"
        f" more than {SENTENCE[1]}; more than {UNKNOWN:.0%} unknown pieces; more than {FOUND_TESTS:.0%} of a task's"
        " test examples; languages whose names of sections are not known."
    )


def _documents_read(record: CorpusRecord) -> int:
    return record.cleaning[0].documents if record.cleaning else record.documents


def _beyond(counts: Iterable[tuple[str, int, int]], limit: float) -> list[str]:
    """Return the languages in which a part is more than a share of the whole, from (language, part, whole)."""
    found = [(part / whole, name, part, whole) for name, part, whole in counts if whole and part / whole > limit]
    return [f"{name} ({part:,} of {whole:,}, {value:.1%})" for value, name, part, whole in sorted(found, reverse=True)]


def _of_pages(records: Sequence[CorpusRecord]) -> Iterator[Look]:
    wikis = [record for record in records if record.articles]
    left = [(r.language, r.markup.get("documents_with_markup_left", 0), r.pages["extracted"]) for r in wikis]
    yield Look(f"markup is left in more than {MARKUP_LEFT:.1%} of the documents", _beyond(left, MARKUP_LEFT))
    empty = [(r.language, r.pages.get("empty", 0), r.articles) for r in wikis]
    yield Look(f"more than {EMPTY:.0%} of the articles are empty", _beyond(empty, EMPTY))
    missing = {r.language: _missing(r) / r.articles for r in wikis}
    yield Look(
        f"articles use more than {MISSING_TEMPLATES:g} template on average that the dump does not have",
        [f"{code} ({uses:.1f})" for code, uses in _ranked(missing) if uses > MISSING_TEMPLATES],
    )
    yield Look(
        "pages stand in the dump twice with different texts",
        [f"{r.language} ({r.pages['differing']:,})" for r in wikis if r.pages.get("differing")],
    )
    yield Look(
        "pages are left out because their text is longer than any page of MediaWiki",
        [f"{r.language} ({r.pages['too_long']:,})" for r in wikis if r.pages.get("too_long")],
    )


def _missing(record: CorpusRecord) -> int:
    return int(record.markup.get("not_expanded", {}).get("missing", {}).get("uses", 0))


def _ranked(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))


def _of_steps(records: Sequence[CorpusRecord]) -> Iterator[Look]:
    for name, steps in steps_of(records).items():
        limit = WRONG_LANGUAGE if name == "language" else REMOVED
        removed = [(code, step.documents_removed, step.documents) for code, step in steps]
        yield Look(f"{name} removed more than {limit:.0%} of the documents", _beyond(removed, limit))
        nameless = [code for code, step in steps if step.details.get("names") == 0]
        yield Look(f"{name} knows no names of sections", nameless)


def _of_tests(records: Sequence[CorpusRecord]) -> Iterator[Look]:
    found: dict[str, list[int]] = {}
    stay = False
    for record in records:
        for step in record.cleaning:
            if step.step == TEST_EXAMPLES:
                stay |= step.settings["remove"] == "nothing"
                for task, counts in step.details["tasks"].items():
                    sums = found.setdefault(task, [0, 0])
                    sums[0] += counts["found"]
                    sums[1] += counts["examples"] - counts["too_short"]
    shares = {task: held / whole for task, (held, whole) in found.items() if whole}
    where = [
        f"{task} ({found[task][0]:,} of {found[task][1]:,}, {value:.1%})"
        for task, value in _ranked(shares)
        if value > FOUND_TESTS
    ]
    done = "and stay there" if stay else "and were left out"
    yield Look(f"more than {FOUND_TESTS:.0%} of the test examples of a task stood in the documents {done}", where)


def _of_paragraphs(records: Sequence[CorpusRecord]) -> Iterator[Look]:
    shortest, longest = PARAGRAPH
    means = {r.language: r.characters / r.paragraphs for r in records if r.paragraphs}
    yield Look(
        f"paragraphs have fewer than {shortest} or more than {longest:,} characters on average",
        [f"{code} ({mean:,.0f})" for code, mean in _ranked(means) if not shortest <= mean <= longest],
    )


def _of_blocks(blocks: Sequence[BlocksRecord], enough: Collection[str]) -> Iterator[Look]:
    shortest, longest = SENTENCE
    means = {r.language: r.sentence for r in blocks if r.sentence is not None and r.language in enough}
    yield Look(
        f"sentences have fewer than {shortest} or more than {longest} characters on average",
        [f"{code} ({mean:,.0f})" for code, mean in _ranked(means) if not shortest <= mean <= longest],
    )
    for vocabulary in dict.fromkeys(record.vocabulary for record in blocks):
        shares = {r.language: r.unknown_share or 0.0 for r in blocks if r.vocabulary == vocabulary}
        yield Look(
            f"more than {UNKNOWN:.0%} of the pieces are unknown to {vocabulary}",
            [f"{code} ({share:.1%})" for code, share in _ranked(shares) if share > UNKNOWN],
        )
