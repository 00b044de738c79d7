"""Articles: a subject, and sections of sentences that follow its plot with sentences about its topic in between."""

import random
from dataclasses import dataclass
from functools import cache

from smelt.demo.chance import stream
from smelt.demo.grammar import KINDS, NameKind, Noun, Phrase, ProperName, Thing, Word
from smelt.demo.languages import InventedLanguage
from smelt.demo.lexicon import TOPICS, Lexicon, lexicon_of
from smelt.demo.plots import PLOTS, Chapter, SubjectKind, subject_kind
from smelt.demo.prose import Writer

READ = ("known", "read")  # the pools whose names occur in the encyclopaedia
# Names of each kind that have an article; the others are only mentioned.
NAMES_DESCRIBED: dict[NameKind, int] = {"LOC": 140, "PER": 140, "ORG": 90}
THINGS_DESCRIBED = 6  # of each topic: its most frequent ones

ArticleSentence = list[Word]


@dataclass(frozen=True)
class ArticleSection:
    """A heading, none for the lead, and paragraphs of sentences."""

    heading: str | None
    paragraphs: list[list[ArticleSentence]]


@dataclass(frozen=True)
class DemoArticle:
    """An article's content, before any markup.

    Attributes:
        related: names that its last section lists.
    """

    title: str
    kind: SubjectKind
    topic: str
    subject: Phrase
    sections: list[ArticleSection]
    related: list[ProperName]


@cache
def articles_of(language: InventedLanguage, seed: int) -> tuple[DemoArticle, ...]:
    """Return all articles of a language's encyclopaedia, no title twice, in random order."""
    lexicon = lexicon_of(language, seed)
    chance = stream(seed, language.code, "articles")
    articles: dict[str, DemoArticle] = {}
    for subject, topic in _subjects(lexicon, chance):
        article = _article(language, lexicon, subject, topic, chance)
        articles.setdefault(article.title, article)
    ordered = list(articles.values())
    chance.shuffle(ordered)
    return tuple(ordered)


def plain_text(sentence: ArticleSentence) -> str:
    """Return a sentence as text, with its full stop."""
    return " ".join(word.text for word in sentence) + "."


def _subjects(lexicon: Lexicon, chance: random.Random) -> list[tuple[Phrase, str]]:
    subjects: list[tuple[Phrase, str]] = [
        (name, chance.choice(TOPICS))
        for kind, size in NAMES_DESCRIBED.items()
        for name in chance.sample(lexicon.names_of(kind, *READ), size)
    ]
    for topic, words in lexicon.topics.items():
        subjects += [(Thing(noun), topic) for noun in words.things.items[:THINGS_DESCRIBED]]
    return subjects


def _article(
    language: InventedLanguage, lexicon: Lexicon, subject: Phrase, topic: str, chance: random.Random
) -> DemoArticle:
    writer = Writer(language, lexicon, topic, READ, chance)
    kind = subject_kind(subject)
    return DemoArticle(
        title=title_of(language, subject),
        kind=kind,
        topic=topic,
        subject=subject,
        sections=[_section(writer, subject, chapter) for chapter in PLOTS[kind]],
        related=[writer.name(related) for related in KINDS],
    )


def title_of(language: InventedLanguage, subject: Phrase) -> str:
    """Return the title of the article about a subject, with the capital first letter that MediaWiki gives it."""
    if isinstance(subject, ProperName):
        return language.grammar.title(subject)
    return heading_of(language, subject.noun)


def heading_of(language: InventedLanguage, noun: Noun) -> str:
    """Return a noun as a heading or title."""
    form = language.grammar.citation(noun)
    return form[:1].title() + form[1:]


def _section(writer: Writer, subject: Phrase, chapter: Chapter) -> ArticleSection:
    sentences: list[ArticleSentence] = []
    for step in chapter.steps:
        if step is chapter.steps[0] or writer.says(0.75):
            sentences.append(writer.sentence(step(writer, subject)))
            sentences += [writer.sentence(writer.topical(chapter.tense)) for _ in range(writer.chance.randint(0, 3))]
    heading = heading_of(writer.language, writer.lexicon.nouns[chapter.heading]) if chapter.heading else None
    return ArticleSection(heading, _paragraphs(sentences))


def _paragraphs(sentences: list[ArticleSentence], length: int = 5) -> list[list[ArticleSentence]]:
    return [sentences[start : start + length] for start in range(0, len(sentences), length)]
