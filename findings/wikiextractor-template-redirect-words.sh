#!/usr/bin/env bash
# wikiextractor 3.1.0, Python 3.11
#
# A template behind a redirect loses its words in most languages' Wikipedias, and the wiki's word for "redirect" gets into
# the text instead. wikiextractor finds redirects by the word REDIRECT and those of two languages; other wikis also write
# words of their own, such as #WEITERLEITUNG (German) or #REDIRECCIÓN (Spanish). A redirect that it does not know is taken
# for a template with that text. The dump names the target of every redirect in <redirect title="…">, which is not read.
#
# Seen, for the same three pages, where only the redirect's word differs:
#     REDIRECT          'She said good evening to us.'
#     WEITERLEITUNG     'She said #WEITERLEITUNG to us.'
#     REDIRECCIÓN       'She said #REDIRECCIÓN to us.'
# No message, exit status 0.
#
# Why it matters: corpora lose words in the middle of sentences, and gain one that nobody wrote, more often where editors
# rename templates; no count shows it. It is mended by writing the redirects of namespace 10 with the English word and the
# target of <redirect title> before wikiextractor reads them.
#
# The script ends with 1 when the behaviour has changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check wikiextractor==3.1.0

cat > check.py <<'END'
import json
import pathlib
import subprocess
import sys

PAGE = """  <page>
    <title>{title}</title>
    <ns>{ns}</ns>
    <id>{id}</id>
{redirect}    <revision>
      <id>1{id}</id>
      <text xml:space="preserve">{text}</text>
    </revision>
  </page>
"""


def extracted(word):
    pages = [
        ("Vorlage:Greeting", 10, "", "good {{{1}}}"),
        ("Vorlage:Salute", 10, '    <redirect title="Vorlage:Greeting" />\n', f"#{word} [[Vorlage:Greeting]]"),
        ("Fields", 0, "", "She said {{Salute|evening}} to us."),
    ]
    body = "".join(
        PAGE.format(title=title, ns=ns, id=n, redirect=redirect, text=text)
        for n, (title, ns, redirect, text) in enumerate(pages, 1)
    )
    head = '<mediawiki>\n  <siteinfo>\n    <base>https://de.wikipedia.org/wiki/Start</base>\n    <namespaces>\n'
    head += '      <namespace key="10" case="first-letter">Vorlage</namespace>\n    </namespaces>\n  </siteinfo>\n'
    pathlib.Path("dump.xml").write_text(head + body + "</mediawiki>\n", encoding="utf-8")
    command = [sys.executable, "-m", "wikiextractor.WikiExtractor", "dump.xml", "--json", "-o", "-", "--processes", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {page["title"]: page["text"] for page in map(json.loads, output.splitlines())}["Fields"]


texts = {word: extracted(word) for word in ("REDIRECT", "WEITERLEITUNG", "REDIRECCIÓN")}
for word, text in texts.items():
    print(f"{word:17} {text!r}")
kept = {word for word, text in texts.items() if "good evening" in text}
leaked = {word for word, text in texts.items() if f"#{word}" in text}
sys.exit(0 if (kept, leaked) == ({"REDIRECT"}, {"WEITERLEITUNG", "REDIRECCIÓN"}) else 1)
END
venv/bin/python check.py
