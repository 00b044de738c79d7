"""Small MediaWiki exports, and the lists that the dumps server keeps beside them."""

import hashlib
import html
import json
from pathlib import Path

SITEINFO = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>enwiki</dbname>
    <base>https://en.wikipedia.org/wiki/Main_Page</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
      <namespace key="10" case="first-letter">Template</namespace>
    </namespaces>
  </siteinfo>
"""


def page(identity: int, title: str, text: str, namespace: int = 0, redirect: str = "") -> str:
    """Return the XML of a page, as the dumps server writes it."""
    target = f'    <redirect title="{html.escape(redirect)}" />\n' if redirect else ""
    return (
        f"  <page>\n    <title>{html.escape(title)}</title>\n    <ns>{namespace}</ns>\n"
        f"    <id>{identity}</id>\n{target}"
        f"    <revision>\n      <id>{identity + 1000}</id>\n      <model>wikitext</model>\n"
        f'      <text bytes="{len(text)}" xml:space="preserve">{html.escape(text)}</text>\n'
        "    </revision>\n  </page>\n"
    )


def export(*pages: str) -> str:
    """Return the XML of a whole dump."""
    return SITEINFO + "".join(pages) + "</mediawiki>\n"


ALBEDO = (
    "'''Albedo''' is the fraction of sunlight that a [[surface|body]] reflects.\n\n== Terrestrial ==\nSnow has much."
)
BASALT = "'''Basalt''' is a rock.\n{{Infobox|a=1}}\n* a list\n{| class=x\n| cell\n|}\nIt is {{colour|grey}}."


def small_export() -> str:
    """Return a dump with every kind of page."""
    return export(
        page(1, "Albedo", ALBEDO),
        page(2, "Albedos", "#REDIRECT [[Albedo]]", redirect="Albedo"),
        page(3, "Talk:Albedo", "Agreed.", namespace=1),
        page(4, "Template:Colour", "<includeonly>rather {{{1}}}</includeonly>", namespace=10),
        page(5, "Basalt", BASALT),
        page(6, "Void", "{{Infobox}}"),
    )


def describe(folder: Path, status: str = "done") -> None:
    """Write the two lists that the dumps server keeps beside the parts."""
    files, sums = {}, ""
    for path in sorted(folder.glob("*.bz2")):
        sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
        files[path.name] = {"size": path.stat().st_size, "url": f"/xxwiki/20230501/{path.name}", "sha1": sha1}
        sums += f"{sha1}  {path.name}\n"
    jobs = {"articlesdump": {"status": status, "files": files}}
    (folder / "dumpstatus.json").write_text(json.dumps({"version": "0.8", "jobs": jobs}))
    (folder / "xxwiki-20230501-sha1sums.txt").write_text(sums)
