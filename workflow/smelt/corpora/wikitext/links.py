"""Links as their readers see them: by their words, unless they put a file, a category or another language's page."""

import re
from typing import Any

from wikiextractor import extract

from smelt.corpora.wikitext.settings import ReadingCounts

MEDIA, FILE, CATEGORY = -2, 6, 14
_FILE_NAME = re.compile(
    r"\.(?:jpe?g|png|svg|gif|tiff?|webp|xcf|pdf|djvu|og[gvax]|opus|webm|mp[34]|wav|flac|midi?)$", re.I
)
# To an article, whose title has no colon, and with nothing to be read within: most links, and quickly read.
_PLAIN_LINK = re.compile(r"\[\[([^\[\]|:\n]+)(?:\|([^\[\]|\n]+))?\]\]")
_OPEN_ADDRESS = re.compile(r"\[(?:https?:)?//[^\s\[\]]+[ \t]*")
_INNER_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]]*)\]\]")
_QUALIFIER = re.compile(r"\s*(?:\([^()]*\)|,[^,]*)$")


class Links:
    """Makes links to text; counts the captions of files, which are dropped with them."""

    def __init__(self, namespaces: dict[int, str], languages: frozenset[str]) -> None:
        """Take the wiki's own names of namespaces, and the prefixes of other languages."""
        own = {number: _normal(name) for number, name in namespaces.items()}
        self._files = {"file", "image", own.get(FILE, "file")}
        self._media = {"media", own.get(MEDIA, "media")}
        self._unseen = {"category", own.get(CATEGORY, "category")} | languages
        names = "|".join(map(re.escape, sorted(self._files)))
        self._unclosed = re.compile(rf"(?:\[\[\s*|^)(?:{names})\s*:[^\n]*", re.IGNORECASE | re.MULTILINE)

    def text_of(self, title: str, label: str, extractor: Any) -> str:
        """Return what a link shows; called by wikiextractor in place of its `makeInternalLink`."""
        space, colon, rest = title.partition(":")
        if not colon:
            return label or _QUALIFIER.sub("", title)
        if not space.strip():  # a colon first: a link to a file or a category, not the thing itself
            return rest if label == title else label
        prefix = _normal(space)
        if prefix in self._files or (_FILE_NAME.search(title.strip()) and prefix not in self._media):
            caption = _INNER_LINK.sub(r"\1", label).rpartition("|")[2]  # after the options, such as "thumb"
            if " " in caption and label != title:
                extractor.counts.drop("caption", caption)
            return ""
        return "" if prefix in self._unseen else label or rest

    def drop_unclosed(self, text: str, counts: ReadingCounts) -> str:
        """Return text without links to files that are not closed, and lines of galleries whose tags are not there."""

        def counted(match: re.Match[str]) -> str:
            counts.drop("caption", match[0].rpartition("|")[2])
            return ""

        return self._unclosed.sub(counted, text) if ":" in text else text


def replace_links(text: str, extractor: Any) -> str:
    """Return wikitext with links by their words, external and internal."""
    text = _PLAIN_LINK.sub(lambda match: match[2] or match[1], extract.replaceExternalLinks(text, extractor))
    replaced: str = extract.replaceInternalLinks(text, extractor)
    return _OPEN_ADDRESS.sub("", replaced)  # of links that are not closed on their line


def _normal(name: str) -> str:
    return name.replace("_", " ").strip().lower()
