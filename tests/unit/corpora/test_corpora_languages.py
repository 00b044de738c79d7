"""The names under which the dumps server keeps the Wikipedias."""

import os
from pathlib import Path

import pytest

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.languages import WIKIPEDIAS, _iso_639, iso_codes, known_language, wiki_of
from smelt.study.corpora import Corpus


@pytest.mark.parametrize(
    ("language", "wiki"),
    [
        ("el", "elwiki"),
        ("zh-min-nan", "zh_min_nanwiki"),
        ("be-tarask", "be_x_oldwiki"),
        ("roa-rup", "roa_rupwiki"),
        ("simple", "simplewiki"),
        ("qaa", "qaawiki"),
    ],
)
def test_a_language_has_the_name_of_its_database(language, wiki):
    assert wiki_of(language) == wiki


def test_every_real_wiki_at_hand_is_in_the_table():
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    at_hand = {path.name.removesuffix(".xml.bz2") for path in (Path(data) / "minidumps").glob("*.bz2")}
    assert len(at_hand) == 123
    assert at_hand - {wiki_of(language) for language in WIKIPEDIAS} == {"commonswiki"}  # Commons is no Wikipedia


@pytest.mark.parametrize("language", ["bej", "de-st", "nb"])
def test_text_may_be_in_any_language_but_wikipedia_has_its_editions(language):
    assert list(check(Corpus, {"text": {language: "own.txt"}}, "study.yaml").text) == [language]
    with pytest.raises(SmeltError, match=f"languages.0: no Wikipedia has the code '{language}': expected one"):
        check(Corpus, {"wikipedia": {"date": "20230501", "languages": [language]}}, "study.yaml")


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("eng", "expected 'en', the code of this language in BCP 47; found 'eng'"),
        ("ger", "expected 'de', the code of this language in BCP 47; found 'ger'"),
        ("deu-st", "expected 'de-st', the code"),
        ("mo", "expected 'ro', the code"),
        ("iw", "expected 'he', the code"),
        ("EN", "expected lower case, 'en'; found 'EN'"),
        ("xxx", "no Wikipedia and no language of ISO 639 has the code 'xxx': expected one such as en, bej"),
        ("xyz", "no Wikipedia and no language of ISO 639 has the code 'xyz'"),
        ("ejb", "if invented; close to it: bej, "),
        ("xx-latn", "no Wikipedia and no language of ISO 639 has the code 'xx-latn'"),
    ],
)
def test_a_code_that_is_no_tag_of_bcp_47_is_refused_with_the_right_one(language, message):
    with pytest.raises(SmeltError) as caught:
        check(Corpus, {"text": {"en": "en.txt", language: "own.txt"}}, "study.yaml")
    assert message in str(caught.value)
    assert "source.codes" not in str(caught.value)


@pytest.mark.parametrize("language", ["lu", "arb", "ber", "qaa", "qtz", "gsw", "nan", "en-x-own"])
def test_a_tag_of_bcp_47_needs_no_wikipedia(language):
    assert known_language(language) == language


def test_every_edition_is_a_language_whatever_iso_639_calls_it():
    assert [known_language(code) for code in sorted(WIKIPEDIAS)] == sorted(WIKIPEDIAS)


def test_an_edition_under_another_code_is_named():
    with pytest.raises(SmeltError, match=r"languages.0: no Wikipedia has the code 'swa': .*; close to it: sw$"):
        check(Corpus, {"wikipedia": {"date": "20230501", "languages": ["swa"]}}, "study.yaml")


def test_the_codes_of_iso_639_are_those_of_pycountry():
    pycountry = pytest.importorskip("pycountry", reason="pycountry, which codecarbon brings, is not installed")
    languages = list(pycountry.languages)
    expected = {code.alpha_3: code.alpha_3 for code in pycountry.language_families}
    for key in ("alpha_3", "bibliographic"):
        named = [language for language in languages if hasattr(language, key)]
        expected |= {getattr(each, key): getattr(each, "alpha_2", each.alpha_3) for each in named}
    assert _iso_639() == expected


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("als", "gsw"),
        ("simple", "en"),
        ("zh-min-nan", "nan"),
        ("zh-classical", "lzh"),
        ("zh-yue", "yue"),
        ("be-tarask", "be"),
        ("roa-rup", "rup"),
        ("roa-tara", "nap"),
        ("bat-smg", "sgs"),
        ("fiu-vro", "vro"),
        ("nds-nl", "nds"),
        ("cbk-zam", "cbk"),
        ("map-bms", "jv"),
        ("no", "nb"),
        ("nrm", "nrf"),
        ("eml", "egl"),
        ("bh", "bho"),
        ("sh", "hbs"),
        ("de-st", "de"),
        ("bej", "bej"),
        ("el", "el"),
        ("qaa", "qaa"),
    ],
)
def test_cards_name_languages_by_iso_639(language, code):
    assert iso_codes([language]) == [code]


def test_every_edition_has_a_code_of_two_or_three_letters_and_languages_stand_once():
    assert all(len(code) in (2, 3) for code in iso_codes(sorted(WIKIPEDIAS)))
    assert iso_codes(["en", "simple", "zh-yue", "zh"]) == ["en", "yue", "zh"]


def test_every_code_of_an_edition_is_one_of_iso_639():
    pycountry = pytest.importorskip("pycountry", reason="pycountry, which codecarbon brings, is not installed")
    known = {getattr(language, key, None) for language in pycountry.languages for key in ("alpha_2", "alpha_3")}
    # Collections of languages, which ISO 639-2 and 639-5 have: Bihari, Nahuatl.
    assert set(iso_codes(WIKIPEDIAS)) - known == {"nah"}
