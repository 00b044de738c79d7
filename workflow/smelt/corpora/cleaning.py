"""Remove what wikiextractor leaves of the markup: each step repairs one kind of remainder and nothing else.

The shares are of the lines of six real dumps (el, bn, ja, vi, hy, en). The text is not normalised beyond these steps:
no NFC, no change of case, quotes or dashes; joiners and direction marks, which scripts need, stay.
"""

import re
from collections import Counter
from collections.abc import Iterable

from wikiextractor.extract import discardElements, ignoredTags, placeholder_tags, selfClosingTags

# Brackets whose content was a template: "Albedo () or", "Sweden (,) is"; full-width ones in Japanese. 0.1 to 2 %.
# Between ASCII letters they may be code, as in "main()", and stay.
_EMPTIED = re.compile(r"""(?:^|\s+|(?<=["\x80-\U0010ffff]))\([\s,;،؛"]*\)|（[\s,;、，；"]*）""")
# The same where something is left: "Achilles (;, "Akhilleus",) was" reads "Achilles ("Akhilleus") was". 0.5 %.
_SEPARATORS_FIRST = re.compile(r"(?<=[(（])[\s,;、，；・՝]+")
_SEPARATORS_LAST = re.compile(r"[\s,;、，；・՝]+(?=[)）])")
# A bracket that one of these three changes; looked for first, since most brackets are whole.
_MARRED = re.compile(r"""[()（）](?:(?<=[(（])[\s,;、，；・՝،؛")）]|(?<=[\s,;、，；・՝][)）]))""")
# Links that were not balanced: the label of a whole one, or the words beside a stray bracket. Up to 1 %.
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)*([^\[\]|]*)\]\]")
_STRAY_BRACKETS = re.compile(r"\[\[|\]\]")
# Marks of lists inside indented text: "* Kharian-Juang: 2 languages". Up to 6 %.
_LIST_MARKS = "*#;:"
# Zero-width spaces, soft hyphens, byte order marks and control characters. 0.3 %. \x02 and \x03 enclose what
# `wikitext.elements` puts back. Thai, Lao, Burmese and Khmer mark the ends of words by zero-width spaces.
_INVISIBLE = re.compile(
    "[\u2060\ufeff\u00ad\x00\x01\x04-\x08\x0b-\x1f\x7f-\x9f]|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)
# What a template or reference between two commas leaves. 0.1 %.
_COMMAS = re.compile(r",(?:[ \t]*,)+")
_SPACES = re.compile(r"  +")
# Elements that wikiextractor does not change, with their tags.
_UNKNOWN_TAGS = """
    ce chem del dfn graph indicator ins langconvert mapframe maplink onlyinclude page phonos q rb rp rt rtc ruby samp
    score syntaxhighlight templatedata wbr
"""
# It also leaves those that it drops in pairs, or for their "/>", where they have neither. Of `ignoredTags` it takes
# every tag away: one in a document is shown by the page, as in an article about HTML.
_TAGS = {*_UNKNOWN_TAGS.split(), *discardElements, *placeholder_tags, *selfClosingTags} - {*ignoredTags}
_TAG = re.compile(rf"<(/?)\s*({'|'.join(sorted(_TAGS))})(?=[\s/>])[^<>\n]*>", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\b(?:formula|codice)_\d+")
_CELL = re.compile(r"\b(?:col|row)span\s*=")


def clean_line(line: str) -> str:
    """Return a line of an extracted article without what is left of its markup; "" where nothing readable is left."""
    if not line.isprintable():  # as invisible characters are not
        line = _INVISIBLE.sub("", line)
    if "[[" in line or "]]" in line:
        line = _STRAY_BRACKETS.sub("", _LINK.sub(r"\1", line))
    if ("(" in line or "（" in line) and _MARRED.search(line):
        line = _EMPTIED.sub("", _SEPARATORS_LAST.sub("", _SEPARATORS_FIRST.sub("", line)))
    line = _COMMAS.sub(",", line) if "," in line else line
    line = line.strip().lstrip(_LIST_MARKS)
    line = (_SPACES.sub(" ", line) if "  " in line else line).strip()
    return line if is_readable(line) else ""


def is_readable(line: str) -> bool:
    """Return whether a line holds a letter or digit."""
    return any(map(str.isalnum, line))


class Leftovers:
    """Counts markup that is left in cleaned documents of a wiki."""

    def __init__(self, file_namespaces: Iterable[str] = ()) -> None:
        """Take the wiki's own names of its namespace of files."""
        names = "|".join(map(re.escape, {"File", "Image", *filter(None, file_namespaces)}))
        self._file = re.compile(rf"\b(?:{names}):[^|\n]*\|", re.IGNORECASE)

    def count(self, text: str) -> Counter[str]:
        """Return how often each kind of markup is left in a text."""
        found: Counter[str] = Counter()
        if "-{" in text:
            found["-{"] = text.count("-{")
        if "{{" in text or "}}" in text:
            found["{{"] = text.count("{{") + text.count("}}")
        if "<" in text:
            tags = _TAG.findall(text)
            opened, closed = (
                Counter(f"<{name.lower()}>" for slash, name in tags if slash == mark) for mark in ("", "/")
            )
            found.update(opened | closed)  # the larger number of each, as a pair is one element
            found["<!--"] = text.count("<!--")
        if "|" in text:
            found["File:"] = len(self._file.findall(text))
            found["{|"] = text.count("{|") + text.count("|}")
        if "span" in text:
            found["colspan="] = len(_CELL.findall(text))
        if "_" in text:
            found["formula_"] = len(_PLACEHOLDER.findall(text))
        return +found  # without zeros
