"""The three languages have the morphology that is claimed for them."""

from collections import defaultdict

import pytest

from smelt.demo.articles import articles_of
from smelt.demo.grammar import Case, Clause, Noun, ProperName, Tense, Thing, capitalise
from smelt.demo.grammars import chain, decline
from smelt.demo.languages import LANGUAGES, language_of
from smelt.demo.lexicon import POOLS, SIZES, lexicon_of
from smelt.errors import SmeltError

TOKENS = 30_000


@pytest.fixture(scope="module")
def words() -> dict[str, list[str]]:
    """The same number of running words of each language's encyclopaedia."""
    return {
        code: [
            word.text.lower()
            for article in articles_of(language, seed=1)
            for section in article.sections
            for paragraph in section.paragraphs
            for sentence in paragraph
            for word in sentence
        ][:TOKENS]
        for code, language in LANGUAGES.items()
    }


def test_the_isolating_language_has_the_fewest_word_forms_and_the_agglutinative_one_the_most(words):
    types = {code: len(set(running)) for code, running in words.items()}
    assert types["qaa"] * 2 < types["qac"] < types["qab"]


def test_the_agglutinative_language_has_the_longest_words_and_the_isolating_one_the_shortest(words):
    mean = {code: sum(map(len, running)) / len(running) for code, running in words.items()}
    assert mean["qaa"] < 5 < mean["qac"] < mean["qab"]


def test_a_few_words_make_up_most_of_a_text(words):
    for code, running in words.items():
        counts = defaultdict(int)
        for word in running:
            counts[word] += 1
        frequent = sorted(counts.values(), reverse=True)[: len(counts) // 5]
        assert sum(frequent) > 0.6 * len(running), code


def test_suffixes_follow_the_last_vowel_of_the_stem():
    assert chain("ბადო", ["გA", "მUნ"]) == "ბადოგამუნ"
    assert chain("ბედი", ["გA", "მUნ"]) == "ბედიგემინ"


def test_no_stem_of_the_agglutinative_language_mixes_vowels():
    lexicon = lexicon_of(LANGUAGES["qab"], seed=1)
    stems = [noun.stem for topic in lexicon.topics.values() for noun in topic.things.items]
    assert not [stem for stem in stems if set(stem) & set("აოუ") and set(stem) & set("ეიჷ")]


def test_one_ending_of_the_fusional_language_says_gender_number_and_case():
    forms = [
        decline(Noun("brav", gender), case, plural)
        for gender in ("first", "second")
        for plural in (False, True)
        for case in Case
    ]
    assert len(set(forms)) == len(forms)


def test_adjectives_of_the_fusional_language_agree_with_their_noun():
    grammar = LANGUAGES["qac"].grammar
    first = grammar.phrase(Thing(Noun("brav", "first"), adjective="sel"), Case.OBJECT)
    second = grammar.phrase(Thing(Noun("brav", "second"), adjective="sel", plural=True), Case.OBJECT)
    assert [word.text for word in first] == ["seląn", "bravun"]
    assert [word.text for word in second] == ["seles", "brävas"]


def test_words_of_the_isolating_language_never_change():
    grammar = LANGUAGES["qaa"].grammar
    clause = Clause("pim", Thing(Noun("wak"), plural=True), Thing(Noun("lum")), tense=Tense.FUTURE, negated=True)
    assert [word.text for word in grammar.clause(clause)] == ["wak", "ma", "do", "mo", "pim", "lum"]


def test_the_verb_stands_last_in_the_agglutinative_language():
    clause = Clause("ბად", Thing(Noun("გოდო")), Thing(Noun("ბედი"), plural=True))
    assert [word.text for word in LANGUAGES["qab"].grammar.clause(clause)] == ["გოდო", "ბედიგეთე", "ბადმუხდუქ"]


def test_sentences_begin_with_a_capital_where_the_script_has_them():
    latin, georgian = Thing(Noun("žilas")), Thing(Noun("გოდო"))
    assert capitalise(LANGUAGES["qac"].grammar.phrase(latin, Case.SUBJECT))[0].text == "Žilas"
    assert capitalise(LANGUAGES["qab"].grammar.phrase(georgian, Case.SUBJECT))[0].text == "გოდო"


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_name_stands_in_two_pools(code):
    names: list[ProperName] = [
        name for kind in SIZES for name in lexicon_of(LANGUAGES[code], seed=1).names_of(kind, *POOLS)
    ]
    assert len(names) == len(POOLS) * sum(SIZES.values())
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_root_stands_for_two_words(code):
    lexicon = lexicon_of(LANGUAGES[code], seed=1)
    roots = [*lexicon.verbs.values(), *lexicon.adverbs.values(), *(noun.stem for noun in lexicon.nouns.values())]
    for topic in lexicon.topics.values():
        roots += [*topic.actions.items, *topic.qualities.items, *(noun.stem for noun in topic.things.items)]
    assert len(set(roots)) == len(roots)
    assert not set(roots) & LANGUAGES[code].grammar.function_words


def test_an_unknown_language_is_named_with_the_known_ones():
    with pytest.raises(SmeltError, match="qaa, qab, qac"):
        language_of("en")
