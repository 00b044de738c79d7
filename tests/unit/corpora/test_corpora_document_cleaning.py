"""Cleaning of documents: each step, what it removes and how that is counted."""

import bz2
import json
import os
import random
import re
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import rensa
import yaml

from smelt.__main__ import main
from smelt.corpora.boilerplate import BoilerplateStep, names_of_sections
from smelt.corpora.document_cleaning import Cleaner
from smelt.corpora.documents import Document
from smelt.corpora.hash_set import NEWEST, HashSet, hash_of
from smelt.corpora.identification import LanguageStep
from smelt.corpora.textfiles import read_documents
from smelt.corpora.word_runs import units
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.study.cleaning import Cleaning, WrongLanguage
from smelt.study.schema import load_study


def clean(texts: list[str] | dict[str, str], language: str = "en", /, **steps: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the texts that are left, and the record of the one step."""
    named = texts if isinstance(texts, dict) else {f"text:own-{n}": text for n, text in enumerate(texts, 1)}
    cleaner = Cleaner(check(Cleaning, steps, "cleaning"), language)
    left = [document.text for document in cleaner.clean(Document(name, "", text) for name, text in named.items())]
    return left, cleaner.record()[0]


def counts(record: dict[str, Any]) -> tuple[int, int, int, int]:
    names = ("documents_removed", "documents_changed", "paragraphs_removed", "characters_removed")
    return tuple(record[name] for name in names)  # type: ignore[return-value]


def test_without_steps_nothing_changes_and_nothing_is_counted():
    cleaner = Cleaner(Cleaning(), "en")
    documents = [Document("a:1", "T", "cafe\u0301\u200b\n## References\nA.")]
    assert list(cleaner.clean(documents)) == documents
    assert cleaner.record() == []


def test_nfc_composes_letters_and_counts_the_characters_that_are_fewer():
    left, record = clean(["cafe\u0301 e\u0302\u0301", "plain"], nfc=True)
    assert left == ["café ế", "plain"]
    assert counts(record) == (0, 1, 0, 3)
    assert record["unicode"] == unicodedata.unidata_version


def test_control_characters_go_and_separators_become_blanks():
    text = "\ufeffOne\x00 two\x0bthree\u2028four\u00adteen.\n\x07\nend\u200b."
    left, record = clean([text], control_characters=True)
    assert left == ["One two three fourteen.\nend."]
    assert counts(record) == (0, 1, 1, len(text) - 2 - len("One two three fourteen.end."))


@pytest.mark.parametrize(("language", "kept"), [("en", "ab"), ("th", "a\u200bb"), ("km", "a\u200bb")])
def test_zero_width_spaces_stay_where_they_end_words(language, kept):
    assert clean(["a\u200bb"], language, control_characters=True)[0] == [kept]


def test_joiners_and_direction_marks_stay():
    text = "می\u200cخواهم क्\u200dष \u200fא"
    assert clean([text], "fa", control_characters=True)[0] == [text]


ARTICLE = """Albedo is a share.
## History
It was measured.
### References
Not these only.
## See also
Snow.
### Lists
Of ices.
## Effects
It warms.
## REFERENCES:
A book.
## External links
A site."""


def test_sections_go_with_the_sections_inside_them_and_are_counted_by_kind():
    kinds = ["references", "links", "see_also"]
    left, record = clean([ARTICLE], boilerplate=kinds)
    assert left == ["Albedo is a share.\n## History\nIt was measured.\n## Effects\nIt warms."]
    assert record["sections"] == {"links": 1, "references": 2, "see_also": 1}
    assert counts(record)[:3] == (0, 1, 5)


def test_only_the_kinds_that_a_study_names_go_and_headings_without_text_go_with_them():
    left, _ = clean(["Rock.\n## Uses\n### Literature\n#### See also\nSand."], boilerplate=["see_also"])
    assert left == ["Rock."]
    assert clean([ARTICLE], boilerplate=["literature"])[0] == [ARTICLE]


def test_a_document_of_nothing_but_such_sections_goes():
    left, record = clean(["## References\nA.", "Text."], boilerplate=["references"])
    assert left == ["Text."]
    assert counts(record) == (1, 0, 1, len("## References") + 2)


def test_without_marked_headings_the_text_ends_at_the_first_such_line():
    left, _ = clean(["Bahari.\nMlima.\nViungo vya nje\nTovuti.\nJamii"], "sw", boilerplate=["links"])
    assert left == ["Bahari.\nMlima."]


def test_the_names_of_sections_are_of_all_languages_of_malbert_and_stand_once():
    study = yaml.safe_load((Path(__file__).parents[3] / "config/studies/malbert.yaml").read_text())
    languages = study["corpora"]["wiki52"]["wikipedia"]["languages"]
    assert set(map(str, languages)) == names_of_sections().keys()
    for language, kinds in names_of_sections().items():
        names = [name.casefold() for of_kind in kinds.values() for name in of_kind]
        assert sorted(set(names)) == sorted(names), language
        assert {"references", "links", "see_also"} <= kinds.keys(), language


HEADING = re.compile(r"^(==+)\s*([^=\n].*?)\s*\1\s*$", re.MULTILINE)


@pytest.mark.slow
def test_names_of_sections_stand_in_pages_of_nearly_all_languages(capsys):
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    seen = {}
    for language, kinds in names_of_sections().items():
        names = {name.casefold() for of_kind in kinds.values() for name in of_kind}
        files = [
            Path(data, "minidumps", f"{language}wiki.xml.bz2"),
            *Path(data, "dumps").glob(f"{language}wiki/*/*.bz2"),
        ]
        xml = "".join(bz2.decompress(file.read_bytes()).decode() for file in files if file.exists())
        headings = {title.casefold() for _, title in HEADING.findall(xml)}
        seen[language] = (len(names & headings), len(names))
    with capsys.disabled():
        found = sum(number for number, _ in seen.values())
        print(f"\n{found} of {sum(all_names for _, all_names in seen.values())} names, in", end=" ")
        print(f"{sum(number > 0 for number, _ in seen.values())} of {len(seen)} languages:", seen)
    assert sum(number > 0 for number, _ in seen.values()) >= 47


def test_a_language_without_names_of_sections_loses_nothing_and_says_so():
    step = BoilerplateStep(["references"], "qaa")
    assert step.apply(ARTICLE, "text") == ARTICLE
    assert step.details()["names"] == 0


def test_short_documents_go():
    left, record = clean(["12345\n67890", "1234\n56789", "1"], min_characters=10)
    assert left == ["12345\n67890"]
    assert counts(record) == (2, 0, 3, 10)


LONG = "This paragraph is long enough to be looked for in the other documents."


def test_paragraphs_that_stood_before_go_within_and_across_sources():
    texts = {
        "wiki:1": f"One.\n{LONG}\n{LONG}",
        "wiki:2": f"Two.\n## Part\n{LONG}\n## Next\nShort.",
        "web:1": f"Three.\nShort.\n{LONG} And more.",
        "web:2": LONG,
    }
    left, record = clean(texts, duplicate_paragraphs={})
    assert left == [f"One.\n{LONG}", "Two.\n## Next\nShort.", f"Three.\nShort.\n{LONG} And more."]
    assert counts(record)[:3] == (1, 2, 3)
    assert (record["within_source"], record["across_sources"]) == (2, 1)
    assert record["settings"] == {"min_characters": 50}


@pytest.mark.parametrize("size", [10, NEWEST * 3 + 5])
def test_a_set_of_hashes_finds_what_was_added_with_its_source_and_nothing_else(size):
    numbers = [hash_of(str(n).encode()) for n in range(size)]
    found = HashSet()
    for n, number in enumerate(numbers):
        found.add(number, n % 7)
    assert len(found) == size
    sample = list(range(0, size, max(1, size // 1000)))
    assert found.find([numbers[n] for n in sample]) == [n % 7 for n in sample]
    assert found.find([hash_of(f"no {n}".encode()) for n in range(1000)]) == [None] * 1000


def sample_texts(number: int, words: int, seed: int = 1) -> list[list[str]]:
    drawn = random.Random(seed)
    return [[f"w{drawn.randrange(5000)}" for _ in range(words)] for _ in range(number)]


def test_documents_that_are_almost_an_earlier_one_go_and_others_stay():
    originals = sample_texts(60, 300)
    drawn = random.Random(2)
    copies = [[*text] for text in originals]
    for text in copies:
        text[drawn.randrange(300)] = "changed"
    texts = {f"wiki:{n}": " ".join(text) for n, text in enumerate(originals)}
    texts |= {f"web:{n}": " ".join(text).upper() for n, text in enumerate(copies)}
    left, record = clean(texts, near_duplicates={})
    assert left == list(texts.values())[:60]
    assert (record["within_source"], record["across_sources"]) == (0, 60)
    assert record["settings"] == {"words": 5, "bands": 14, "rows": 8}


@pytest.mark.parametrize("share", [0.5, 0.7, 0.8])
def test_the_share_of_pairs_that_is_found_is_that_of_the_formula(share):
    texts = sample_texts(800, 60, seed=3)
    pairs = []
    for text, other in zip(texts[::2], texts[1::2], strict=True):
        # Two texts of the same first words: runs of one word, so that the share of common ones is simple.
        same = round(60 * 2 * share / (1 + share))
        first, second = [f"a{word}" for word in text], [f"b{word}" for word in other]
        pairs.append((first, first[:same] + second[same:]))
    shares = [len({*a} & {*b}) / len({*a} | {*b}) for a, b in pairs]
    expected = sum(1 - (1 - s**8) ** 14 for s in shares) / len(shares)
    found = sum(len(clean([" ".join(a), " ".join(b)], near_duplicates={"words": 1})[0]) == 1 for a, b in pairs)
    assert found / len(pairs) == pytest.approx(
        expected, abs=3.5 * (expected * (1 - expected) / len(pairs)) ** 0.5 + 0.01
    )


def test_the_sketch_does_not_depend_on_the_process():
    code = "import rensa; m = rensa.RMinHash(16, 1); m.update(['a b', 'c d']); print(m.digest())"
    sketch = rensa.RMinHash(16, 1)
    sketch.update(["a b"])
    sketch.update(["c d"])
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert made.strip() == str(sketch.digest())


def test_in_scripts_without_blanks_runs_are_of_characters():
    text = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
    left, _ = clean(
        [text * 3, text * 3 + "了", "別の文章がここにある。それは違う。全然違うものだ。"], "ja", near_duplicates={}
    )
    assert len(left) == 2
    assert len(units(text)) > 20


ENGLISH = "The quick brown fox jumps over the lazy dog, and nobody in the village has ever seen it come back again."
GERMAN = "Der schnelle braune Fuchs springt über den faulen Hund, und niemand im Dorf hat ihn je wieder gesehen."


def test_documents_in_another_language_go_and_are_counted_by_language():
    left, record = clean([ENGLISH, GERMAN, "1234"], language={})
    assert left == [ENGLISH, "1234"]
    assert record["found"] == {"de": 1}
    assert clean([ENGLISH, GERMAN], language={"accept": {"en": ["de"]}})[0] == [ENGLISH, GERMAN]
    assert clean([ENGLISH, GERMAN], language={"certainty": 1})[0] == [ENGLISH, GERMAN]


LABELLED = ("de", "en", "es", "eu", "fr", "he", "hi", "nl", "sl", "sw")


@pytest.mark.slow
def test_the_identifier_agrees_with_the_labels_of_texts_in_ten_languages(capsys):
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    texts = {
        language: [
            document.text
            for document in read_documents(Path(data, "text", f"{language}.txt"))
            if len(document.text) >= 200
        ][:1500]
        for language in LABELLED
    }
    with capsys.disabled():
        for language in LABELLED:
            step = LanguageStep(WrongLanguage(), language)
            wrong = sum(not step.apply(text, "text") for text in texts[language])
            others = [text for other in LABELLED if other != language for text in texts[other][:50]]
            missed = sum(bool(step.apply(text, "text")) for text in others)
            own = len(texts[language])
            print(f"\n{language}: {wrong} of {own} of its own go, {missed} of {len(others)} others stay")
            assert wrong <= 0.002 * own
            assert missed <= 0.02 * len(others)


@pytest.mark.parametrize(
    ("language", "settings", "message"),
    [("qaa", {}, "qaa: py3langid does not know the language 'qaa'"), ("en", {"accept": {"en": ["xx"]}}, "'xx'")],
)
def test_a_language_that_the_identifier_does_not_know_is_refused(language, settings, message):
    with pytest.raises(SmeltError, match=message):
        clean([ENGLISH], language, language=settings)


def test_cleaning_that_leaves_nothing_is_refused_with_the_numbers():
    with pytest.raises(SmeltError, match=r"leaves none of 2 documents \(min_characters 2\)"):
        clean(["a", "b"], min_characters=10)


STEPS = {
    "nfc": True,
    "control_characters": True,
    "boilerplate": ["references", "links", "see_also", "literature"],
    "duplicate_paragraphs": {},
    "min_characters": 100,
    "language": {},
    "near_duplicates": {},
}


def words_of(output: Path, source: list[str], workers: int, language: str = "en") -> list[str]:
    words = ["documents", "--language", language, "--held-out", "0.1", *source, "--cleaning", json.dumps(STEPS)]
    places = ["--output-documents", str(output / "d.parquet"), "--statistics", str(output / "s.json")]
    return [*words, *places, "--workers", str(workers)]


@pytest.fixture
def own_text(tmp_path) -> Path:
    texts = [" ".join(text) for text in sample_texts(200, 80)]
    (tmp_path / "own.txt").write_text("\n\n".join(f"{ENGLISH} {text}\n{LONG}" for text in [*texts, *texts[:20]]))
    return tmp_path / "own.txt"


def test_statistics_and_the_log_describe_every_step(own_text, tmp_path, capsys):
    assert main(words_of(tmp_path, ["--text", str(own_text)], 1)) == 0
    record = json.loads((tmp_path / "s.json").read_text())
    assert [step["step"] for step in record["cleaning"]] == list(STEPS)
    removed = sum(step["documents_removed"] for step in record["cleaning"])
    assert 220 - removed == record["documents"] == pyarrow.parquet.read_metadata(tmp_path / "d.parquet").num_rows
    log = capsys.readouterr().out
    assert "en: cleaning, duplicate_paragraphs: 20 documents removed, 199 changed; 239 paragraphs" in log


@pytest.mark.slow
def test_cleaning_gives_the_same_bytes_with_one_and_two_processes_and_after_kills(write_dump, tmp_path):
    from small_dumps import export, page

    texts = [f"{ENGLISH} {' '.join(text)}\n\n{LONG}\n\n== References ==\nA book." for text in sample_texts(300, 60)]
    folder = write_dump(export(*(page(n, f"Page {n}", text) for n, text in enumerate([*texts, *texts[:40]], 1))))
    made = []
    for workers in (1, 2):
        output = tmp_path / str(workers)
        assert main(words_of(output, ["--dump", str(folder)], workers)) == 0
        made.append(output)
    command = [sys.executable, "-m", "smelt", *words_of(tmp_path / "killed", ["--dump", str(folder)], 2)]
    for wait in (0.7, 1.5, 2.2):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        running.kill()
        running.wait()
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=True).returncode == 0
    files = [(output / "d.parquet").read_bytes() for output in (*made, tmp_path / "killed")]
    assert files[0] == files[1] == files[2]
    records = [json.loads((output / "s.json").read_text())["cleaning"] for output in (*made, tmp_path / "killed")]
    for step in (step for record in records for step in record):
        step.pop("processor_seconds")
    assert records[0] == records[1] == records[2]


@pytest.mark.parametrize(
    ("cleaning", "message"),
    [
        ({"language": {"accept": {"ms": ["id"]}}}, "cleaning.language.accept.ms: expected a language of the corpus"),
        ({"boilerplate": ["sources"]}, "cleaning.boilerplate.0: "),
        ({"boilerplate": ["links", "links"]}, "names 'links' twice"),
        ({"min_characters": 0}, "cleaning.min_characters: "),
        ({"near_duplicates": {"bands": 0}}, "cleaning.near_duplicates.bands: "),
        ({"language": {"certainty": 2}}, "cleaning.language.certainty: "),
    ],
)
def test_wrong_settings_are_refused(cleaning, message, tmp_path):
    study = {"study": "small", "models": {"a": {"maker": "adopt", "folder": "x"}}}
    study["corpora"] = {"own": {"text": {"en": "own.txt"}, "cleaning": cleaning}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(SmeltError) as refused:
        load_study(tmp_path / "study.yaml")
    assert message in str(refused.value)
