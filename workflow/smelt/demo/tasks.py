"""The demo's two tasks: named entities and intents, with words in the test sets that training never shows.

Entities are sentences like the encyclopaedia's. Their labels are IOB1: a span starts with I- unless it directly follows
one of its own type, as subject and object often do in the language that puts the verb last.

Intents are requests: their topic decides what is wanted. All words of test requests occur in the encyclopaedia, beside
others of their topic, so a model that has read it can infer what they are about. Words of another topic distract.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from smelt.demo.articles import plain_text
from smelt.demo.chance import Ranked, stream
from smelt.demo.grammar import KINDS, Case, Clause, Noun, Phrase, Tense, Thing, Word
from smelt.demo.languages import InventedLanguage
from smelt.demo.lexicon import TOPICS, lexicon_of
from smelt.demo.plots import PLOTS, Chapter
from smelt.demo.prose import Writer

# Sentences of each language.
SENTENCES = {"train": 280, "validation": 70, "test": 100}
# Pools of the names, repeated in proportion to their shares: in the test set half of the mentions are of names that
# do not occur in training; three in five of them occur in the encyclopaedia, the others nowhere.
NAMES = {"train": ("known",), "validation": ("known",) * 5 + ("read",) * 3 + ("new",) * 2}
NAMES["test"] = NAMES["validation"]
WITHOUT_NAMES = 0.15  # share of the sentences that may have no name


def sentences_of(language: InventedLanguage, split: str, seed: int) -> Iterator[list[Word]]:
    """Yield a split's sentences, each ending in a full stop as a word of its own."""
    chance = stream(seed, language.code, "entities", split)
    lexicon = lexicon_of(language, seed)
    for _ in range(SENTENCES[split]):
        writer = Writer(language, lexicon, chance.choice(TOPICS), NAMES[split], chance)
        nameless = chance.random() < WITHOUT_NAMES
        words = writer.sentence(_statement(writer))
        while not nameless and all(word.name is None for word in words):
            words = writer.sentence(_statement(writer))
        yield [*words, Word(".")]


def _statement(writer: Writer) -> Clause:
    """Return a sentence of any place in an article, or about the topic alone."""
    if writer.says(0.4):
        return writer.topical(writer.chance.choice((Tense.PAST, Tense.PRESENT, Tense.FUTURE)))
    kind = writer.chance.choice(KINDS)
    chapter = _draw_chapter(PLOTS[kind], writer.chance)
    return writer.chance.choice(chapter.steps)(writer, writer.name(kind))


def _draw_chapter(chapters: tuple[Chapter, ...], chance: random.Random) -> Chapter:
    """Return a chapter, those with more steps more often."""
    return chance.choices(chapters, weights=[len(chapter.steps) for chapter in chapters])[0]


def iob1(words: list[Word]) -> list[str]:
    """Return the words' labels: O, I-TYPE, and B-TYPE where a name directly follows another of its type."""
    labels = []
    before: Word | None = None
    for word in words:
        labels.append(_label(word, before))
        before = word
    return labels


def _label(word: Word, before: Word | None) -> str:
    if word.name is None:
        return "O"
    adjoins = before is not None and before.name is not None and before.name.kind == word.name.kind
    return f"{'B' if adjoins and word.begins else 'I'}-{word.name.kind}"


def conll(language: InventedLanguage, split: str, seed: int) -> str:
    """Return a split's file: a word and its label a line, a blank line after each sentence."""
    blocks = []
    for words in sentences_of(language, split, seed):
        lines = [f"{word.text} {label}" for word, label in zip(words, iob1(words), strict=True)]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


INTENTS = {
    "play_music": "music",
    "order_food": "food",
    "ask_weather": "weather",
    "book_travel": "travel",
    "follow_sport": "sport",
    "buy_goods": "trade",
}
# Requests of each language.
REQUESTS = {"train": 540, "validation": 65, "test": 100}
# Share of the requests about a thing that never occurs in training: every fourth of its topic.
UNSEEN = {"train": 0.0, "validation": 0.3, "test": 0.3}
VERBS_OF_ALL = ("want", "give", "find", "show", "buy", "know", "see", "call")


@dataclass(frozen=True)
class Request:
    """A request's text and what it asks for."""

    text: str
    intent: str


def requests_of(language: InventedLanguage, split: str, seed: int) -> Iterator[Request]:
    """Yield a split's requests."""
    chance = stream(seed, language.code, "requests", split)
    lexicon = lexicon_of(language, seed)
    pools = ("known",) if split == "train" else ("known", "read", "new")
    for _ in range(REQUESTS[split]):
        intent = chance.choice(list(INTENTS))
        writer = Writer(language, lexicon, INTENTS[intent], pools, chance)
        things = hold_out(writer.topic.things) if writer.says(UNSEEN[split]) else keep_known(writer.topic.things)
        yield Request(plain_text(writer.sentence(_request(writer, things, intent))), intent)


def hold_out(things: Ranked[Noun]) -> Ranked[Noun]:
    """Return the things that training requests never name."""
    return things.part(3, 4)


def keep_known(things: Ranked[Noun]) -> Ranked[Noun]:
    """Return the things that training requests name."""
    hidden = hold_out(things).items
    return Ranked([noun for noun in things.items if noun not in hidden])


def _request(writer: Writer, things: Ranked[Noun], intent: str) -> Clause:
    """Return a request: politely or at once, with a verb of any topic or of its own, now or for later."""
    noun, quality = things.draw(writer.chance), _quality(writer)
    wanted = Thing(noun, quality, plural=writer.says(0.35), owned=writer.says(0.2))
    verbs = writer.lexicon.verbs
    verb = verbs[writer.chance.choice(VERBS_OF_ALL)] if writer.says(0.4) else writer.topic.actions.draw(writer.chance)
    openings = ("please", "now", "tomorrow", "today")
    opening = writer.lexicon.adverbs[writer.chance.choice(openings)] if writer.says(0.6) else None
    somebody = writer.agent() if writer.says(0.25) else None
    tense = Tense.FUTURE if somebody else Tense.REQUEST
    return Clause(verb, somebody, wanted, _circumstances(writer, intent), tense, writer.aspect(), opening=opening)


def _quality(writer: Writer) -> str | None:
    if writer.says(0.6):
        return None
    return (writer.topic.qualities if writer.says(0.5) else writer.lexicon.qualities).draw(writer.chance)


def _circumstances(writer: Writer, intent: str) -> tuple[tuple[Case, Phrase], ...]:
    """Return where and with what: a place, a person, or a thing of another intent's topic."""
    fate = writer.chance.random()
    if fate < 0.2:
        other = writer.chance.choice([topic for name, topic in INTENTS.items() if name != intent])
        distraction = Thing(keep_known(writer.lexicon.topics[other].things).draw(writer.chance))
        return ((writer.chance.choice((Case.WITH, Case.FROM)), distraction),)
    if fate < 0.5:
        return ((writer.chance.choice((Case.IN, Case.TO)), writer.name("LOC")),)
    return ((Case.TO, writer.name("PER")),) if fate < 0.65 else ()


def table(language: InventedLanguage, split: str, seed: int) -> str:
    """Return a split's file: tab-separated columns id, text and intent, with a header."""
    rows = [
        f"{language.code}-{split}-{number}\t{request.text}\t{request.intent}"
        for number, request in enumerate(requests_of(language, split, seed), 1)
    ]
    return "\n".join(["id\ttext\tintent", *rows]) + "\n"
