"""Elements of wikitext: those that hide what is in them are taken out, and the tags of the others.

The parser of MediaWiki takes extension elements such as <ref> out of a page before it looks for templates and links,
and so does this. What readers see of them is put in their place once everything else is done.
"""

import re
from collections.abc import Callable

from smelt.corpora.wikitext.settings import HOLE, ReadingCounts

# A tag's attributes and its end; a ">" may stand within quotes, unless these are not closed. Possessive: what does not
# match fails at once.
_ATTRIBUTES = r"""(?:(?>[^<>"']|"[^"<\n]*+"|'[^'<\n]*+')*+>|[^<>]*+>)"""
# Their content is no wikitext, but readers see it.
_VERBATIM = ("nowiki", "pre", "math", "chem", "ce")
# Not text that is read from the beginning to the end. `hiero` holds codes of hieroglyphs, `score` notes.
_DROPPED = """
    ref references gallery syntaxhighlight source timeline graph score templatedata hiero imagemap categorytree inputbox
    mapframe maplink indicator includeonly templatestyles ignore inlinechart graphviz
""".split()  # noqa: SIM905 - a list of words reads better unquoted
_OPAQUE = re.compile(rf"<({'|'.join((*_VERBATIM, *_DROPPED))})(?=[\s/>]){_ATTRIBUTES}", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in (*_VERBATIM, *_DROPPED)}
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_STASHED = re.compile("\x02(\\d+)\x03")

_NUMBER_ABOVE = re.compile(r"<sup\b[^<>]*>\s*([+\-−–]?\d[\d.,]*[+\-−–]?)\s*</sup\s*>", re.IGNORECASE)
_RUBY_BRACKET = re.compile(r"<rp\b[^<>]*>[^<]*</rp\s*>", re.IGNORECASE)
_RUBY_TEXT = re.compile(r"<rt\b[^<>]*>([^<]*)</rt\s*>", re.IGNORECASE)
_TABLE = re.compile(rf"<(/?)table(?=[\s/>]){_ATTRIBUTES}", re.IGNORECASE)

_INLINE = """
    a abbr b bdi bdo big cite code data del dfn em font i img ins kbd langconvert mark nobr noinclude onlyinclude phonos
    q rb rp rt rtc ruby s samp section small span strike strong sub sup time tt u var wbr
"""
_BLOCKS = "blockquote caption center col colgroup div dl hr ol p page poem tbody td tfoot th thead tr ul table"
# What stands in their place: a space, a line's end, the mark of a list item or of a heading.
_OPENING: dict[str, str] = {
    **dict.fromkeys(_INLINE.split(), ""),
    **dict.fromkeys(_BLOCKS.split(), "\n"),
    **{f"h{level}": f"\n{'=' * level} " for level in range(1, 7)},
    **dict.fromkeys((*_VERBATIM, *_DROPPED), ""),  # without their pair
    **{"br": " ", "q": '"', "li": "\n* ", "dt": "\n; ", "dd": "\n: "},
}
_ENDING = {
    **_OPENING,
    **{f"h{level}": f" {'=' * level}\n" for level in range(1, 7)},
    **dict.fromkeys(("li", "dt"), "\n"),
}
_ENDING["dd"] = "\n"
_TAG = re.compile(rf"<(/?)\s*({'|'.join(_OPENING)})(?=[\s/>]){_ATTRIBUTES}", re.IGNORECASE)
# Tags that the tool for translating articles leaves in <nowiki>: no reader needs to see them.
_TRANSLATED = re.compile(r'<(\w+) id="mw[\w-]*">(.*?)</\1>', re.DOTALL)
_REFERENCE_TAG = re.compile(r"</?ref(?:erences)?(?=[\s/>])[^<>]*>", re.IGNORECASE)
# Commands of TeX and groups: a formula without them reads the same as text.
_TEX = re.compile(r"[\\{}^_&]")


class Hidden:
    """What was taken out of a page; `restore` puts it back, as its readers see it."""

    def __init__(self, counts: ReadingCounts) -> None:
        """Start empty; what readers do not see as text is counted."""
        self._counts = counts
        self._texts: list[str] = []

    def take_out(self, text: str) -> str:
        """Return wikitext without comments, and with the elements that hold no wikitext taken out."""
        if "<" not in text:
            return text
        text = _COMMENT.sub("", text)
        parts, end = [], 0
        for match in _OPAQUE.finditer(text):
            if match.start() < end:
                continue  # inside the one before
            parts.append(text[end : match.start()])
            name = match[1].lower()
            end = match.end()
            if match[0].endswith("/>"):
                continue
            content, end = _content(name, text, end)
            parts.append(self._replacement(name, content))
        return "".join([*parts, text[end:]])

    def restore(self, text: str) -> str:
        """Return the text with what readers see of the elements that were taken out."""
        if "\x02" not in text:
            return text
        return _STASHED.sub(lambda match: self.restore(self._texts[int(match[1])]), text)

    def _replacement(self, name: str, content: str) -> str:
        if name == "math" and _TEX.search(content):
            self._counts.drop("<math>", content)
            return HOLE
        if name in ("chem", "ce") and "\\" in content:
            self._counts.drop("<chem>", content)
            return HOLE
        if name == "nowiki" and "<" in content:
            content = _REFERENCE_TAG.sub("", _TRANSLATED.sub(r"\2", content))
        if name in _VERBATIM:
            self._texts.append(content if name != "pre" else f"\n{content}\n")
            return f"\x02{len(self._texts) - 1}\x03"
        self._counts.drop(f"<{name}>", content)
        return ""


def _content(name: str, text: str, start: int) -> tuple[str, int]:
    """Return the content of an element that begins at `start`, and where what follows it begins.

    A note that is not closed before the next one goes to the end of its line: its author forgot the tag.
    """
    closing = _CLOSING[name].search(text, start)
    if name == "ref":
        content = text[start : closing.start()] if closing else text[start:]
        if closing is None or "<ref" in content.lower():
            line_end = text.find("\n", start)
            end = len(text) if line_end < 0 else line_end
            return text[start:end], end
    if closing is None:
        return "", start
    return text[start : closing.start()], closing.end()


def drop_html_tables(text: str, counts: ReadingCounts) -> str:
    """Return wikitext without tables that are written as HTML; one that is not closed loses its tags only."""
    if "<table" not in text and "<TABLE" not in text:
        return text
    parts, end, depth, start = [], 0, 0, 0
    for match in _TABLE.finditer(text):
        depth += -1 if match[1] else 1
        if depth == 1 and not match[1]:
            start = match.start()
        elif depth == 0:
            parts.append(text[end:start])
            counts.drop("table", _TAG.sub("", text[start : match.end()]))
            end = match.end()
        depth = max(depth, 0)
    return "".join([*parts, text[end:]])


def replace_tags(text: str) -> str:
    """Return text without the tags of HTML; a number above the line gets a "^": 10^6."""
    if "<" not in text:
        return text
    text = _NUMBER_ABOVE.sub(_number_above, text)
    if "<r" in text or "<R" in text:
        text = _RUBY_TEXT.sub(r"(\1)", _RUBY_BRACKET.sub("", text))
    return _TAG.sub(_in_place_of, text)


def _number_above(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    return f"^{match[1]}" if before.isalnum() or before in (")", "]") else match[1]


def _in_place_of(match: re.Match[str]) -> str:
    words: Callable[[str], str | None] = _ENDING.get if match[1] else _OPENING.get
    return words(match[2].lower()) or ""
