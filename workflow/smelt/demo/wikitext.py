"""Articles in wikitext: infobox, links, references, tables, lists, images, comments, entities, categories."""

import random
from dataclasses import dataclass

from smelt.demo.articles import ArticleSection, ArticleSentence, DemoArticle, heading_of, plain_text, title_of
from smelt.demo.grammar import ProperName, Thing, Word
from smelt.demo.languages import InventedLanguage
from smelt.demo.lexicon import BODIES, SETTLEMENTS, Lexicon

INFOBOX, CITATION, COUNT, STUB = "Infobox", "Cite book", "Count", "Stub"


def templates() -> dict[str, str]:
    """Return the wikitext of the templates that articles use, by name.

    The infobox expands to a table, the citation only stands in references, the stub's note is a block for readers;
    the count is the one whose expansion belongs to the text.
    """
    return {
        INFOBOX: (
            '<includeonly>{| class="infobox" style="width:22em"\n|+ {{{name}}}\n|-\n'
            "! {{{key1}}} || {{{value1|&ndash;}}}\n|-\n! {{{key2}}} || {{{value2|&ndash;}}}\n"
            "|}</includeonly><noinclude>{{{name}}} &ndash; {{{key1}}}</noinclude>"
        ),
        CITATION: "''{{{title}}}'', {{{author|}}}, {{{year}}}, ISBN {{{isbn|}}}<noinclude>\n----\n</noinclude>",
        COUNT: "{{{1}}} {{{2}}}<noinclude> &mdash; {{Count|12|m}}</noinclude>",
        STUB: '<div class="stub">[[{{{1}}}]]</div>',
    }


@dataclass
class Markup:
    """Turns one language's articles into wikitext; where a thing can be written in several ways, chance decides."""

    language: InventedLanguage
    lexicon: Lexicon
    chance: random.Random

    def article(self, article: DemoArticle) -> str:
        """Return an article's wikitext."""
        self._linked = {article.title}
        self._bold = article.title
        lead, *rest = article.sections
        parts = [self._infobox(article), self._section(lead), *[self._section(section) for section in rest]]
        if isinstance(article.subject, ProperName) and article.subject.kind != "PER":
            parts.insert(3, self._table(article))
        return "\n\n".join([*parts, self._list(article), self._end(article)])

    def _section(self, section: ArticleSection) -> str:
        paragraphs = ["\n".join(self._lines(paragraph)) for paragraph in section.paragraphs]
        if section.heading is None:
            return "\n\n".join(paragraphs)
        level = "=" * self.chance.choice((2, 2, 3))
        image = [self._image(section)] if self.chance.random() < 0.4 else []
        return "\n\n".join([f"{level} {section.heading} {level}", *image, *paragraphs])

    def _lines(self, paragraph: list[ArticleSentence]) -> list[str]:
        """Return a paragraph on one line, or, as some editors write it, with a comment between two sentences."""
        text = " ".join(self._sentence(sentence) for sentence in paragraph)
        return [text + (f"<!-- {self._word()} -->" if self.chance.random() < 0.1 else "")]

    def _sentence(self, sentence: ArticleSentence) -> str:
        text = " ".join(self._spans(sentence)) + "."
        return text + (self._reference() if self.chance.random() < 0.12 else "")

    def _spans(self, sentence: ArticleSentence) -> list[str]:
        """Return the sentence's words, with names joined and marked up, and counts through their template."""
        spans: list[str] = []
        position = 0
        while position < len(sentence):
            end = _end_of_span(sentence, position)
            spans.append(self._span(sentence[position:end]))
            position = end
        return spans

    def _span(self, words: list[Word]) -> str:
        text = " ".join(word.text for word in words)
        name = words[0].name
        if name is None:
            return f"{{{{{COUNT}|{words[0].text}|{words[1].text}}}}}" if len(words) == 2 else text
        return self._name(text, self.language.grammar.title(name))

    def _name(self, text: str, title: str) -> str:
        if title == self._bold:
            self._bold = ""
            return f"'''{text}'''"
        if title in self._linked:
            return text
        self._linked.add(title)
        return f"[[{title}]]" if text == title else f"[[{title}|{text}]]"

    def _reference(self) -> str:
        if self.chance.random() < 0.3:
            return f'<ref name="{self._word()}" />'
        year, isbn = self.chance.randint(1950, 2024), self.chance.randint(10**9, 10**10 - 1)
        author = self.language.grammar.title(self.lexicon.names["PER", "known"].draw(self.chance))
        return f"<ref>{{{{{CITATION}|title={self._word()}|author={author}|year={year}|isbn={isbn}}}}}</ref>"

    def _infobox(self, article: DemoArticle) -> str:
        year, number = self._noun("year"), self._noun("person")
        rows = [f"| key1 = {year}", f"| value1 = {self.chance.randint(1100, 1900)}"]
        area = f"{{{{{COUNT}|{self.chance.randint(2, 999)}|km}}}}"
        rows += [f"| key2 = {number}", f"| value2 = [[{self._word()}]]<br />{area}"]
        return "\n".join([f"{{{{{INFOBOX}", f"| name = {article.title}", *rows, "}}"])

    def _table(self, article: DemoArticle) -> str:
        rows = [
            f"|-\n| [[{self.language.grammar.title(name)}]] || align=right | {self.chance.randint(2, 9_999)}"
            for name in article.related
        ]
        head = f'{{| class="wikitable sortable"\n! {self._noun("name")} !! {self._noun("person")}'
        return "\n".join([head, *rows, "|}"])

    def _list(self, article: DemoArticle) -> str:
        items = [f"* [[{self.language.grammar.title(name)}]]" for name in article.related]
        return "\n".join([f"== {self._noun('list')} ==", *items, f"# {self._word()}", f"#: ''{self._word()}''"])

    def _image(self, section: ArticleSection) -> str:
        caption = plain_text(self.chance.choice(self.chance.choice(section.paragraphs)))
        side = self.chance.choice(("|left", "", "|200px"))
        return f"[[{self.language.namespaces[6]}:{section.heading} {self._word()}.jpg|thumb{side}|''{caption}'']]"

    def _end(self, article: DemoArticle) -> str:
        categories = [self._noun(meaning) for meaning in _categories(article)]
        stub = [f"{{{{{STUB}|{article.title}}}}}"] if self.chance.random() < 0.1 else []
        lines = [f"[[{self.language.namespaces[14]}:{category}]]" for category in categories]
        return "\n".join([*stub, "<references />", f"{{{{DEFAULTSORT:{article.title}}}}}", *lines])

    def _noun(self, meaning: str) -> str:
        return heading_of(self.language, self.lexicon.nouns[meaning])

    def _word(self) -> str:
        topic = self.lexicon.topics[self.chance.choice(list(self.lexicon.topics))]
        return title_of(self.language, Thing(topic.things.draw(self.chance)))


def _categories(article: DemoArticle) -> tuple[str, ...]:
    return {"LOC": SETTLEMENTS[:2], "ORG": BODIES[:1], "PER": ("person",), "thing": ("work", "land")}[article.kind]


def _end_of_span(sentence: ArticleSentence, start: int) -> int:
    """Return the end of the name, the number with its noun, or the single word that starts there."""
    if sentence[start].text.isdigit() and start + 1 < len(sentence):
        return start + 2
    if sentence[start].name is None:
        return start + 1
    end = start + 1
    while end < len(sentence) and sentence[end].name is not None and not sentence[end].begins:
        end += 1
    return end
