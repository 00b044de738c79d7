"""An article's wikitext to its plain text: the steps, in their order."""

import re
from html.entities import html5
from typing import Any

from wikiextractor import extract

from smelt.corpora.cleaning import Leftovers, is_readable
from smelt.corpora.wikitext.elements import Hidden, drop_html_tables, replace_tags
from smelt.corpora.wikitext.lines import lines_of
from smelt.corpora.wikitext.links import FILE, Links, replace_links
from smelt.corpora.wikitext.settings import HOLE, ReadingCounts, ReadingSettings
from smelt.corpora.wikitext.templates import PageExtractor
from smelt.corpora.wikitext.variants import choose_variant
from smelt.files import encodable

TEMPLATE = 10
_ENTITY = re.compile(r"&(#[0-9]+|#[xX][0-9A-Fa-f]+|\w+);")
_QUOTES = re.compile("''+")
# __NOTOC__ and the like in any language; Python's __init__ is none. Japanese has wide ones.
_SWITCH = re.compile(r"__[^\W_a-z]+(?:_[^\W_a-z]+)*__|＿＿\w+?＿＿")
# The variables for a page's title, and the first of them in other languages; dumps do not list these.
_PAGE_NAMES = """
    pagename fullpagename subpagename basepagename rootpagename
    seitenname nombredepagina nombredepágina nompage nomepagina nomedapagina paginanaam sidnamn nazwastrony názevstránky
    lapneve sivunnimi numepagina sayfaadı названиестраницы назвасторінки страница اسم_الصفحة اسم_صفحة نام‌صفحه שם_הדף
""".split()  # noqa: SIM905 - a list of words reads better unquoted
_HOLES = re.compile(f"{HOLE}[ \t{HOLE}]*{HOLE}")  # several, with nothing between
# Marks that part what was in a hole from what is beside it, and those before which no blank stands.
_PARTING, _CLOSING = tuple(",;，；、"), tuple(".:!?)]»。）\n")
_DASHES = (" -", " –", " —")


class ArticleReader:
    """Reads the articles of one wiki."""

    def __init__(self, settings: ReadingSettings, templates: Any, redirects: Any) -> None:
        """Take how to read, and the texts and targets of templates by their titles."""
        names = dict(settings.namespaces)
        self._settings = settings
        self._links = Links(names, settings.languages)
        self._leftovers = Leftovers([names.get(FILE, "")])
        self._options = {
            "templates": templates,
            "redirects": redirects,
            "templatePrefix": f"{names.get(TEMPLATE) or 'Template'}:",
            "knownNamespaces": {"Template", *filter(None, names.values())},
        }
        extract.makeInternalLink = self._links.text_of  # called by this name in wikiextractor's module

    def read(self, identity: int, title: str, wikitext: str, date: str) -> tuple[str, ReadingCounts]:
        """Return an article's text, a paragraph a line, and what was kept and dropped.

        Args:
            identity: the page's id.
            title: its title.
            wikitext: its wikitext.
            date: YYYYMMDD or "", what the page shows as today's date.
        """
        counts = ReadingCounts()
        page = PageExtractor(identity, title, counts, **self._options)
        page.magicWords.values.update(_variables(title, date))
        hidden = Hidden(counts)
        text = hidden.take_out(page.expand_page(hidden.take_out(wikitext)))
        text = choose_variant(text, self._settings)
        text = drop_html_tables(text, counts)
        text = self._links.drop_unclosed(replace_links(text, page), counts)
        text = _SWITCH.sub("", text) if "__" in text or "＿＿" in text else text
        text = replace_tags(_QUOTES.sub(_apostrophes, text))
        text = encodable(_unescape(_mend_holes(text)))
        lines = [part for line in lines_of(text, self._settings, counts) for part in _restored(line, hidden)]
        text = "\n".join(lines)
        counts.left = self._leftovers.count(text)
        return text, counts


def _mend_holes(text: str) -> str:
    """Return text without the marks of holes, nor the blanks and the comma or semicolon that went with what is gone."""
    text = _HOLES.sub(lambda match: f"{HOLE} " if " " in match[0] else HOLE, text)
    first, *others = text.split(HOLE)
    parts = [first]
    for following in others:
        before, after = parts[-1].rstrip(" \t"), following.lstrip(" \t")
        blank = " " if len(before) + len(after) < len(parts[-1]) + len(following) else ""
        if not before or before.endswith("\n"):
            blank, after = "", after[after.startswith(_PARTING) :].lstrip(" \t")
        elif after.startswith(_PARTING):
            blank, before = "", before.removesuffix(before[-1]) if before.endswith(_PARTING) else before
        elif not after or after.startswith(_CLOSING):
            blank = ""
            if (not after or after[0] == "\n") and before.endswith(_DASHES):
                before = before[:-2].rstrip(" \t")  # "Home page – {{icon}}" at the end of a line
        parts[-1] = before + blank
        parts.append(after)
    return "".join(parts)


def _restored(line: str, hidden: Hidden) -> list[str]:
    """Return a line with what was taken out of it, as one line or several."""
    if "\x02" not in line:
        return [line]
    parts = (" ".join(part.split()) for part in encodable(_unescape(hidden.restore(line))).split("\n"))
    return [part for part in parts if is_readable(part)]


def _variables(title: str, date: str) -> dict[str, str]:
    """Return the values of the variables that wikiextractor fills in; the moment is the dump's, not that of the run."""
    names = dict.fromkeys(_PAGE_NAMES, title)
    moment = {
        "currentyear": date[:4],
        "currentmonth": date[4:6],
        "currentday": date[6:].lstrip("0"),
        "currentday2": date[6:],
    }
    clock = {"currenthour": "00", "currenttime": "00:00:00", "namespace": "", "=": "="}
    return names | moment | {f"local{name[7:]}": value for name, value in moment.items()} | clock


def _apostrophes(match: re.Match[str]) -> str:
    """Return what is shown of a row of apostrophes: two slant, three embolden, five do both."""
    length = len(match[0])
    return "'" * (1 if length == 4 else max(length - 5, 0))


def _unescape(text: str) -> str:
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] != "#":
        return html5.get(f"{name};", match[0])
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    if number < 32 or number > 0x10FFFF:
        return " " if number in (9, 10, 13) else ""
    return chr(number)
