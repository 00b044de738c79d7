"""The figures on the identifier of languages count what the step of cleaning leaves out."""

import bz2
from pathlib import Path

from bench.identification import ANY, in_words, of_texts, of_wikis, taken_for
from small_dumps import export, page

ENGLISH = "The committee met again in the morning, and after a long discussion it agreed on the budget. " * 3
GERMAN = "Der Ausschuss kam am Morgen wieder zusammen und einigte sich nach langer Aussprache auf den Haushalt. " * 3


def test_texts_are_counted_by_the_language_that_they_are_taken_for() -> None:
    number, found = taken_for([ENGLISH, GERMAN, ENGLISH], "en")
    assert (number, in_words(found)) == (3, "de 1")
    assert in_words(taken_for([GERMAN], "de")[1]) == "–"


def test_a_file_is_read_as_its_own_language_and_as_the_others(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text(f"{ENGLISH}\n\n{GERMAN}\n\nToo short.\n")
    (tmp_path / "de.txt").write_text(f"{GERMAN}\n")
    assert list(of_texts(tmp_path))[2:] == [
        "| de | 1 | 0 | – | 2 | 1 |",  # of the two in the English file, the German one stays
        "| en | 2 | 1 | de 1 | 1 | 0 |",
        "| all | 3 | 1 | | | |",
    ]


def test_wikis_are_read_by_paragraphs(tmp_path: Path) -> None:
    text = f"{ENGLISH}\n\n{GERMAN}\n\nToo short."
    (tmp_path / "enwiki.xml.bz2").write_bytes(bz2.compress(export(page(1, "Budget", text)).encode()))
    any_language = taken_for([ENGLISH, GERMAN], "en", ANY)[1].total()
    assert list(of_wikis(tmp_path))[2:] == [
        "| en | 2 | 1 | de 1 | |",
        f"| all 1 with paragraphs | 2 | 1 | | {any_language} |",
    ]
