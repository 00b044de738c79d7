"""Write pages in the one layout of MediaWiki exports that wikiextractor reads without loss: an element a line."""

import re
from typing import TextIO

from smelt.corpora.pages import TEMPLATE, Page, SiteInfo

_MOMENT = re.compile(r"\{\{\s*CURRENT(YEAR|MONTH|DAY|HOUR|TIME)\s*\}\}", re.IGNORECASE)


def template_namespace(site: SiteInfo) -> str:
    """Return the name of a wiki's template namespace; without a name, wikiextractor would drop every article."""
    return site.namespaces.get(TEMPLATE) or "Template"


def write_head(output: TextIO, site: SiteInfo) -> None:
    """Write the head of an export, with the names of the namespaces."""
    output.write(f"<mediawiki>\n<siteinfo>\n<base>{_escape(site.base)}</base>\n<namespaces>\n")
    for key, name in (site.namespaces | {TEMPLATE: template_namespace(site)}).items():
        output.write(f'<namespace key="{key}">{_escape(name)}</namespace>\n')
    output.write("</namespaces>\n</siteinfo>\n")


def write_page(output: TextIO, page: Page, date: str) -> None:
    """Write a page with the escapes of the dumps server; `date`, YYYYMMDD or "", is what it shows as today's."""
    output.write(
        f"<page>\n<title>{_escape(page.title)}</title>\n<ns>{page.namespace}</ns>\n<id>{page.id}</id>\n"
        f"<text>{_escape(_fill_in_date(page.text, date))}</text>\n</page>\n"
    )


def redirect_to(title: str) -> str:
    """Return the text of a redirect, by the English word, which wikiextractor knows, whatever the wiki's language."""
    return f"#REDIRECT [[{title}]]"


def _fill_in_date(text: str, date: str) -> str:
    """Fill in the words for the present moment, which wikiextractor would take from the clock of each run."""
    if "{{" not in text:
        return text
    moment = {"YEAR": date[:4], "MONTH": date[4:6], "DAY": date[6:], "HOUR": "00", "TIME": "00:00:00"}
    return _MOMENT.sub(lambda match: moment[match[1].upper()], text)


def _escape(text: str) -> str:
    """Return a title or text with escapes: the same for both, because wikiextractor compares them, and none of "'"."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
