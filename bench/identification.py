"""How often the identifier of languages agrees with labelled texts: `python -m bench.identification`.

It reads SMELT_DATA. Of `text/<language>.txt` it gives documents to the step of cleaning, in their own language and as
if they were in each of the others; of `minidumps/<language>wiki.xml.bz2` every paragraph, for the languages of mALBERT.
What is printed are documents and paragraphs that the step would leave out, with what it takes them for.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

from smelt.corpora.boilerplate import names_of_sections
from smelt.corpora.identification import LanguageStep
from smelt.corpora.textfiles import read_documents
from smelt.corpora.wikipedia import Wikipedia
from smelt.paragraphs import paragraphs
from smelt.study.cleaning import WrongLanguage

DOCUMENT, PARAGRAPH = 200, 100  # characters that one has at least
OTHERS = 50  # documents of each other language
ANY = WrongLanguage(certainty=0)


def taken_for(texts: Iterable[str], language: str, settings: WrongLanguage | None = None) -> tuple[int, Counter[str]]:
    """Return how many texts there are, and those that the step leaves out by the language that it takes them for."""
    step, number = LanguageStep(settings or WrongLanguage(), language), 0
    for text in texts:
        step.apply(text, "text")
        number += 1
    return number, Counter(step.details()["found"])


def in_words(found: Counter[str]) -> str:
    """Return languages with their numbers, the most frequent first."""
    return ", ".join(f"{language} {number}" for language, number in found.most_common()) or "–"


def of_texts(folder: Path) -> Iterator[str]:
    """Yield the lines of a table: a row a text file."""
    texts = {
        file.stem: [document.text for document in read_documents(file) if len(document.text) >= DOCUMENT]
        for file in sorted(folder.glob("*.txt"))
    }
    yield f"| text | documents of {DOCUMENT} characters | left out | taken for | of others | that stay |"
    yield "|---|--:|--:|---|--:|--:|"
    sums = Counter[str]()
    for language, own in texts.items():
        number, wrong = taken_for(own, language)
        others = [text for other in texts if other != language for text in texts[other][:OTHERS]]
        asked, right = taken_for(others, language)
        sums.update(documents=number, wrong=wrong.total())
        stay = asked - right.total()
        yield f"| {language} | {number:,} | {wrong.total()} | {in_words(wrong)} | {asked} | {stay} |"
    yield f"| all | {sums['documents']:,} | {sums['wrong']} | | | |"


def of_wikis(folder: Path) -> Iterator[str]:
    """Yield the lines of a table: a row a wiki with paragraphs that would be left out, and their sum."""
    yield f"| wiki | paragraphs of {PARAGRAPH} characters | left out | taken for | left out with any certainty |"
    yield "|---|--:|--:|---|--:|"
    sums, wikis = Counter[str](), 0
    for language in names_of_sections():
        own = list(paragraphs_of(folder / f"{language}wiki.xml.bz2"))
        number, wrong = taken_for(own, language)
        wikis += bool(own)
        sums.update(paragraphs=number, wrong=wrong.total(), any=taken_for(own, language, ANY)[1].total())
        if wrong:
            yield f"| {language} | {number:,} | {wrong.total()} | {in_words(wrong)} | |"
    yield f"| all {wikis} with paragraphs | {sums['paragraphs']:,} | {sums['wrong']} | | {sums['any']} |"


def paragraphs_of(dump: Path) -> Iterator[str]:
    """Yield the paragraphs of a dump that are long enough; none where it is not there."""
    if dump.exists():
        with redirect_stdout(sys.stderr):  # progress
            documents = list(Wikipedia(1).documents([dump]))
        for document in documents:
            yield from (line for line in paragraphs(document.text) if len(line) >= PARAGRAPH)


def main() -> None:
    """Print both tables."""
    data = os.environ.get("SMELT_DATA")
    if not data:
        sys.exit("python -m bench.identification: SMELT_DATA names no folder of real data")
    for line in (*of_texts(Path(data, "text")), "", *of_wikis(Path(data, "minidumps"))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
