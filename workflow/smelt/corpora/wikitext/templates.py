"""Templates, expanded by wikiextractor: found by every name that means them, and counted where they cannot be expanded.

wikiextractor knows templates by their exact titles, while pages use any name that MediaWiki takes for one. What it does
not know, Lua above all, leaves nothing; who reads the statistics should know how often.
"""

import re
from collections.abc import Mapping
from typing import Any

from wikiextractor import extract

from smelt.corpora.wikitext.settings import HOLE, ReadingCounts

_BY_ITSELF = {"#invoke", "#expr", "#ifexpr"}  # functions that wikiextractor knows beside its table
_TRANSLATED = {"#gọi": "#invoke"}  # names of parser functions that wikis at hand use
_BLANKS = re.compile(r"(?:_|[^\S\n])+")
_LINE_MARKS = ("{|", "*", "#", ":", ";")  # https://www.mediawiki.org/wiki/Help:Templates: they begin a line
_template_title, _call_parser_function = extract.fullyQualifiedTemplateTitle, extract.callParserFunction


class Templates(Mapping[str, str]):
    """The texts of templates by title; notes which are asked for and not there."""

    def __init__(self, texts: Any, counts: ReadingCounts, prefix: str) -> None:
        """Take texts by title, and what counts those that are missing."""
        self.texts = texts
        self._counts = counts
        self._prefix = prefix

    def __contains__(self, title: object) -> bool:
        """Return whether a template is there; wikiextractor asks when it is about to expand it."""
        there = title in self.texts
        if not there:
            self._counts.missing[str(title).removeprefix(self._prefix)] += 1
        return there

    def __getitem__(self, title: str) -> str:
        """Return a template's text."""
        text: str = self.texts[title]
        return text

    def __iter__(self) -> Any:
        """Return an iterator over the titles."""
        return iter(self.texts)

    def __len__(self) -> int:
        """Return the number of templates."""
        return len(self.texts)


class PageExtractor(extract.Extractor):  # type: ignore[misc] # wikiextractor has no types
    """wikiextractor's object for a page, whose templates know what they could not expand."""

    def __init__(self, identity: int, title: str, counts: ReadingCounts, templates: Any, **options: Any) -> None:
        """Take a page's id and title, what counts, the texts of templates, and wikiextractor's own arguments."""
        super().__init__(identity, "", "", title, [], **options)
        self.counts = counts
        self.templates: Templates = Templates(templates, counts, self.templatePrefix)

    def expandTemplates(self, wikitext: str) -> str:
        """Return wikitext with its templates expanded; wikiextractor calls this within templates."""
        if len(self.frame) < self.maxTemplateRecursionLevels:
            return self._expand(wikitext, "")
        self.recursion_exceeded_1_errs += 1
        return ""

    def expand_page(self, wikitext: str) -> str:
        """Return a page's text with its templates expanded, and with marks where they left nothing."""
        return self._expand(wikitext, HOLE)

    def _expand(self, wikitext: str, hole: str) -> str:
        if "{{" not in wikitext:
            return wikitext
        parts, end = [], 0
        for start, stop in extract.findMatchingBraces(wikitext, 2):
            parts.append(wikitext[end:start])
            value = self.expandTemplate(wikitext[start + 2 : stop - 2])
            if value.startswith(_LINE_MARKS) and start > 0 and wikitext[start - 1] != "\n":
                parts.append("\n")
            parts.append(value if value.strip() else value + hole)
            end = stop
        return "".join([*parts, wikitext[end:]])


def template_text(title: str, wikitext: str) -> str:
    """Return what a template's page gives to the pages that use it."""
    # wikiextractor takes it as it stands in the XML, and turns back one level of escapes.
    found = extract.resolve_template_page(title, [wikitext.replace("&", "&amp;")])
    return found[1] if found is not None and found[0] == "template" else ""


def template_title(name: str, extractor: PageExtractor) -> str:
    """Return the title of the page that a template's name refers to; wikiextractor's own knows exact names only."""
    name = _BLANKS.sub(" ", name).strip(" ")
    space, colon, rest = name.removeprefix(":").partition(":")
    if colon and space.strip().lower() in {"template", extractor.templatePrefix.removesuffix(":").lower()}:
        name = f":{extractor.templatePrefix}{extract.ucfirst(rest.lstrip())}"
    title: str = _template_title(name, extractor)
    return title


def call_parser_function(
    function: str, parts: list[str], *arguments: Any, extractor: PageExtractor, **options: Any
) -> Any:
    """Expand a parser function by any of its spellings, or a template whose name has a colon, as one function looks."""
    name = function.strip().lower()
    name = _TRANSLATED.get(name, name)
    if name not in extract.parserFunctions and not name.startswith("#"):
        title = template_title(f"{function}:{parts[0]}", extractor)
        if title in extractor.templates.texts or title in extractor.redirects:
            return f"{{{{{'|'.join([f':{title}', *parts[1:]])}}}}}"  # a colon first: the title of a page
    elif name not in _BY_ITSELF and name not in extract.parserFunctions:
        extractor.counts.functions[name] += 1
    if name == "#invoke":
        _count_lua(parts, extractor)
    return _call_parser_function(name, parts, *arguments, extractor=extractor, **options)


def _count_lua(parts: list[str], extractor: PageExtractor) -> None:
    """Count a call of a module that wikiextractor does not imitate, by the template that makes it."""
    module = parts[0].strip()
    if module not in extract.modules:
        title = (
            extractor.frame[-1][0].removeprefix(extractor.templatePrefix) if extractor.frame else f"#invoke:{module}"
        )
        extractor.counts.lua[title] += 1


# The words that these modules give back: {{lang|fr|bonjour}}, {{lang-fr|bonjour}}, {{transl|ar|ALA|kitab}}.
_LANG = {
    "lang": lambda _language, text="", *_rest: text or "",
    "lang_xx_inherit": lambda text="", *_rest: text or "",
    "lang_xx_italic": lambda text="", *_rest: text or "",
    "transl": lambda *texts: next((text for text in reversed(texts) if text), ""),
}
extract.modules.update({"Lang": _LANG, "lang": _LANG})
# wikiextractor calls these by their names in its module.
extract.fullyQualifiedTemplateTitle, extract.callParserFunction = template_title, call_parser_function
