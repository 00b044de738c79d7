"""wikiextractor, with an account of what it leaves out of each article and of the headings that it changes.

It drops list items, the words of <small> and of some other elements, and lines in brackets or braces, and says so
nowhere. This is run in place of `python -m wikiextractor.WikiExtractor`, takes its arguments and gives its output; each
JSON line has one more key, `counts`, where there is anything to count. The functions of wikiextractor that drop are
called as they are: their results are looked at, never changed.

It knows templates by their exact titles, while pages use any name that MediaWiki takes for a title. Such names are
changed to titles here, because the words of a template that is not found vanish.

It is a script, run by its path and apart from the package, so that its processes load nothing that they do not need.
"""

import json
import re
from collections import Counter
from typing import Any, TextIO

from wikiextractor import extract
from wikiextractor.WikiExtractor import main

# Elements that wikiextractor drops with their content, although a reader of the page sees it as text.
ELEMENTS = ("small", "pre", "ul", "ol", "dl", "li", "dt", "dd")

_NAME = re.compile(r"<\\s\*(\w+)\\b")  # in wikiextractor's expression for an opening tag
_TAG = re.compile(r"<[^<>]*>")
_LIST_MARKS = "*#;: "
# In the name of a template (https://www.mediawiki.org/wiki/Help:Templates): comments, and what stands for one blank.
_COMMENT = re.compile(r"&lt;!--.*?--&gt;", re.DOTALL)
_BLANKS = re.compile(r"(?:_|[^\S\n])+")
_counts: Counter[str] = Counter()
_spans: list[tuple[int, int]] = []

_compact, _drop_nested, _drop_spans = extract.compact, extract.dropNested, extract.dropSpans
_extract = extract.Extractor.extract
_template_title, _call_parser_function = extract.fullyQualifiedTemplateTitle, extract.callParserFunction


def compact(text: str, *arguments: Any, **options: Any) -> list[str]:
    """Count the lines that the function of this name drops, and the headings that it keeps."""
    pending: dict[int, bool] = {}  # by level, whether a full stop is added; a heading is kept once a line follows
    for line in text.split("\n"):
        if not line or line.isspace():
            continue
        if line[0] == "=" and (heading := extract.section.match(line)):
            level, title = len(heading[1]), heading[2]
            pending = {above: added for above, added in pending.items() if above < level}
            pending[level] = bool(title) and title[-1] not in "!?"
        elif line.startswith(("++", ":")):
            continue
        elif line[0] in "*#;":
            _count_line("list_items", line.lstrip(_LIST_MARKS))
        elif line[0] in "{|" or line[-1] == "}":
            _count_line("lines_in_braces", line)
        elif line[0] == "(" and line[-1] == ")":
            _count_line("lines_in_brackets", line)
        elif pending and line.strip(".-"):
            _counts["headings"] += len(pending)
            _counts["headings_with_full_stop_added"] += sum(pending.values())
            pending = {}
    lines: list[str] = _compact(text, *arguments, **options)
    return lines


def drop_nested(text: str, opening: str, closing: str) -> str:
    """Count the elements that the function of this name drops, and the characters in them."""
    _spans.clear()
    result: str = _drop_nested(text, opening, closing)
    name = _NAME.match(opening) if len(result) < len(text) else None
    if name is None or name[1] not in ELEMENTS:
        return result
    end = 0
    for start, stop in sorted(_spans):
        if start < end:
            continue  # inside the one before
        end = stop
        _counts[f"<{name[1]}>"] += len(re.findall(opening, text[start:stop], re.IGNORECASE))
        _counts[f"<{name[1]}>_characters"] += len(_TAG.sub("", text[start:stop]))
    return result


def drop_spans(spans: list[tuple[int, int]], text: str) -> str:
    """Remember which spans are dropped."""
    _spans[:] = spans
    result: str = _drop_spans(spans, text)
    return result


def extract_article(self: Any, out: TextIO, *arguments: Any, **options: Any) -> None:
    """Write an article's JSON line, with its counts as one more key."""
    _counts.clear()
    _extract(self, out, *arguments, **options)
    if counts := {name: number for name, number in _counts.items() if number}:
        out.seek(out.tell() - len("}\n"))
        out.write(f', "counts": {json.dumps(counts)}}}\n')


def template_title(name: str, extractor: Any) -> str:
    """Return the title of the page that a template's name refers to; wikiextractor's own knows exact names only."""
    name = _BLANKS.sub(" ", _COMMENT.sub("", name)).strip(" ")
    space, colon, rest = name.removeprefix(":").partition(":")
    if colon and space.strip().lower() in {"template", extractor.templatePrefix.removesuffix(":").lower()}:
        name = f":{extractor.templatePrefix}{extract.ucfirst(rest.lstrip())}"
    title: str = _template_title(name, extractor)
    return title


def call_parser_function(function: str, parts: list[str], *arguments: Any, extractor: Any, **options: Any) -> Any:
    """Expand a template whose name has a colon, which wikiextractor takes for a parser function."""
    if function not in extract.parserFunctions and not function.startswith("#"):
        title = template_title(f"{function}:{parts[0]}", extractor)
        if title in extractor.templates or title in extractor.redirects:
            return f"{{{{{'|'.join([f':{title}', *parts[1:]])}}}}}"  # a colon first: the title of a page
    return _call_parser_function(function, parts, *arguments, extractor=extractor, **options)


def _count_line(kind: str, line: str) -> None:
    if any(map(str.isalnum, line)):
        _counts[kind] += 1
        _counts[f"{kind}_characters"] += len(line.strip())


# Its processes are forks of this one, or, where a system has no forks, import this file again.
extract.compact, extract.dropNested, extract.dropSpans = compact, drop_nested, drop_spans
extract.Extractor.extract = extract_article
extract.fullyQualifiedTemplateTitle, extract.callParserFunction = template_title, call_parser_function

if __name__ == "__main__":
    main()
