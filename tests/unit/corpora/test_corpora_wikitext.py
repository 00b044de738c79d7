"""What a reader of a page reads is what its document has: each kind of markup by itself."""

import pytest

from smelt.corpora.wikitext.article import ArticleReader
from smelt.corpora.wikitext.settings import ReadingCounts, ReadingSettings

NAMESPACES = {-2: "Medio", 6: "Dosiero", 10: "Ŝablono", 14: "Kategorio"}
TEMPLATES = {
    "Ŝablono:Greet": "good {{{1}}}",
    "Ŝablono:List": "* one\n* two",
    "Ŝablono:Empty": "",
    "Ŝablono:Lua": "{{#invoke:Birth date|main}}",
    "Ŝablono:Distance": "{{#invoke:convert|convert}}",
    "Ŝablono:Lang": "{{#invoke:Lang|lang}}",
    "Ŝablono:Lang-fr": "{{#invoke:Lang|lang_xx_inherit|code=fr}}",
    "Ŝablono:Note": "{{{1}}}<ref>{{{2|}}}</ref>",
    "Ŝablono:Up": "<sup>{{{1}}}</sup>",
}


def read(wikitext: str, title: str = "Page", **settings: str) -> tuple[list[str], ReadingCounts]:
    """Return the lines of an article, and what was counted."""
    all_settings = ReadingSettings(**settings, namespaces=NAMESPACES, languages=frozenset({"fr", "zh-min-nan"}))
    reader = ArticleReader(all_settings, TEMPLATES, {"Ŝablono:Hail": "Ŝablono:Greet"})
    text, counts = reader.read(1, title, wikitext, "20230501")
    return text.split("\n") if text else [], counts


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        # elements
        ("<small>small</small> <ins>new</ins> <samp>out</samp> <q>said</q>", 'small new out "said"'),
        ("<SMALL style='a > b'>loud</SMALL> and <span title=\"a > b\">span</span>", "loud and span"),
        ("<pre>a  [[b]]</pre>", "a [[b]]"),
        ("Call <code>x = 1</code> now.", "Call x = 1 now."),
        ("<chem>H2O</chem> and <ce>CO2</ce> but <ce>\\frac{a}</ce>.", "H2O and CO2 but."),
        ("<math>n > 3</math> or <math>\\frac{a}{b}</math>.", "n > 3 or."),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢(かん)字"),
        ("10<sup>6</sup> m<sup>−2</sup> XX<sup>e</sup> <sup>14</sup>C H<sub>2</sub>O", "10^6 m^−2 XXe 14C H2O"),
        ("10{{up|6}} of {{up|6}}", "10^6 of 6"),
        ("A<br>B<br />C", "A B C"),
        ("<nowiki>[[a]] {{b}} ''c'' <br></nowiki> d", "[[a]] {{b}} ''c'' <br> d"),
        ('<nowiki><i id="mwAiw">a</i></nowiki> b<nowiki><ref></nowiki>{{c}}</ref> <nowiki><i></nowiki>', "a b <i>"),
        ("a<!-- [[b]] -->c <!-- never closed", "ac"),
        ("Built.<ref name='a'>A book</ref> Burnt.<ref name=a/>", "Built. Burnt."),
        ("Built.<ref>A book <ref>Another</ref> Burnt.", "Built."),
        ("a<gallery>\nFile:A.jpg|A cat\n</gallery>b", "ab"),
        ("a <templatestyles src='x' />b<section begin=x />c </small>d", "a bc d"),
        ("a <b", "a <b"),
        ("a<ref name=L'heure>b</ref>c <small class=\"x>d</small>", "ac d"),
        ("1 < 2 and x <y> z", "1 < 2 and x <y> z"),
        # entities and quotes
        ("&lt;div&gt; R&D &nbsp;x &#91;y&#x5D; &nosuch; &#2;", "<div> R&D \u00a0x [y] &nosuch;"),
        ("''slanted'' '''bold''' l'''amour''' '''''both'''''", "slanted bold lamour both"),
        ("l''''amour'''", "l'amour"),
        # links
        ("[[A|b]]s [[c]]d [[A (b)|]]", "bs cd A"),
        ("[[:Kategorio:A|all]] [[:fr:Chat|cat]] [[Helpo:IPA|[a]]] [[Medio:D.ogg|listen]]", "all cat [a] listen"),
        ("a[[Kategorio:A]] b[[fr:Chat]] c[[category:x]]", "a b c"),
        ("[[Star Wars: Episode IV]] [[Kill Bill: Vol. 2|film]]", "Star Wars: Episode IV film"),
        ("x [[Dosiero:A.jpg|thumb|A [[cat]] in a [[b|box]]]] y [[Bildo:B.PNG]] z", "x y z"),
        ("[[Dosiero:A.jpg|thumb|never closed", ""),
        ("[http://a.org Home] [http://a.org] [//b.org/x rel] http://c.org", "Home rel http://c.org"),
        # templates
        ("{{greet|evening}}, {{hail|morning}}, {{ŝablono:greet|night}}", "good evening, good morning, good night"),
        ("Born {{lua|1950}}, she (née {{lua}}; {{gone}}) sang {{gone}}.", "Born, she (née) sang."),
        ("{{gone}}, which is far.", "which is far."),
        ("[http://a.org Home] – {{gone}}{{gone}}", "Home"),
        ("{{distance|5|km}} {{lang|fr|chat}} {{lang-fr|chien}}", "5 km chat chien"),
        ("{{note|Built.|A book}}", "Built."),
        ("{{PAGENAME}} {{CURRENTYEAR}} {{NAMESPACE}} {{#IF:{{empty}}|a|b}} {{formatnum:1}}", "Page 2023 b 1"),
        ("a __NOTOC__ b __БЕЗСОДЕРЖАНИЯ__ c __init__ d", "a b c __init__ d"),
        # lines
        ("(In brackets.)", "(In brackets.)"),
        ("|x| is how far", "|x| is how far"),
        ("{1, 2} is a set", "{1, 2} is a set"),
        (" indented", "indented"),
        (": said she", "said she"),
        ("== Not == one", "== Not == one"),
    ],
)  # fmt: skip
def test_a_line_reads_as_its_page(wikitext: str, expected: str) -> None:
    lines, _ = read(wikitext)
    assert lines == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("a {{list}}", ["a", "one", "two"]),
        ("<ul><li>one</li><li>two</li></ul>", ["one", "two"]),
        ("; Bow : front\n*# one\n:* two\n*\n* [[Kategorio:A]]", ["Bow : front", "one", "two"]),
        ("a<div>b</div>c<center>d</center>", ["a", "b", "c", "d"]),
        ("<poem>\nwide\ndeep\n</poem>", ["wide", "deep"]),
        ("<pre>one\n\n  two</pre>", ["one", "two"]),
        ("a\n{|\n! h\n|-\n| b {{list}} || c\n{|\n| d\n|}\n|}\ne", ["a", "e"]),
        ("a\n{| class=x\n! h = 1\n| b || c\n\nThe prose.\n== H ==\nb", ["a", "The prose.", "## H", "b"]),
        ("a\n{{gone}}\n! style='x' | Head\n|-\n|b\n{{gone}}\nc", ["a", "c"]),
        ("a<table><tr><td>b<table><tr><td>c</td></tr></table></td></tr></table>d", ["ad"]),
        ("== Empty ==\n== A ==\n=== B ===\ntext\n== ''C'' ==\n* d\n== E ==", ["## A", "### B", "text", "## C", "d"]),
        ("= One =\ntext", ["## One", "text"]),
        ("<h3>A</h3>text", ["### A", "text"]),
    ],
)  # fmt: skip
def test_lines_are_those_of_the_page(wikitext: str, expected: list[str]) -> None:
    assert read(wikitext)[0] == expected


@pytest.mark.parametrize(
    ("wikitext", "variant", "expected"),
    [
        ("-{zh-hans:软件;zh-hant:軟體}-", "zh-hant", "軟體"),
        ("-{zh-hans:软件;zh-hant:軟體}-", "zh-tw", "軟體"),
        ("-{zh-cn:软件;zh-tw:軟體;zh-hk:軟件;}-", "zh-hk", "軟件"),
        ("-{zh-cn:软件;zh-tw:軟體}-", "zh-hans", "软件"),
        ("-{zh-hans:软件;zh-hant:軟體}-", "", "软件"),
        ("-{sr-ec:Београд;sr-el:Beograd}-", "sr-el", "Beograd"),
        ("a -{km}- b", "sr-ec", "a km b"),
        ("a-{H|zh-cn:x;zh-tw:y}-b-{T|zh-cn:x;zh-tw:y}-c", "zh-cn", "abc"),
        ("-{A|zh-cn:x;zh-tw:y}-", "zh-tw", "y"),
        ("-{R|zh-cn:x}-", "zh-cn", "zh-cn:x"),
        ("-{zh-hans;zh-hant|x}-", "zh-cn", "x"),
        ("-{zh-hans:a-{zh-hans:b;zh-hant:c}-;zh-hant:d}-", "zh-hans", "ab"),
        ("-{[[A|link]]}-", "zh-cn", "link"),
        ("x -{ never closed", "zh-cn", "x -{ never closed"),
    ],
)
def test_one_variant_is_taken(wikitext: str, variant: str, expected: str) -> None:
    assert read(wikitext, variant=variant)[0] == [expected]


def test_what_is_left_out_is_counted() -> None:
    wikitext = (
        "a<ref>A book</ref><ref name=a/> [[Dosiero:A.jpg|thumb|A cat]] <math>\\pi r^2</math>\n{|\n| a cell\n|}\n"
        "{{lua}}{{#gọi:Age|main}} {{gone}} {{#tag:x}}\n== H ==\n* item\n"
    )
    lines, counts = read(wikitext, lists="drop", headings="drop")
    assert lines == ["a"]
    numbers = {kind: number for kind, number in counts.dropped.items() if not kind.endswith("_characters")}
    assert numbers == {"<ref>": 1, "caption": 1, "<math>": 1, "table": 1, "list item": 1}
    assert counts.dropped["caption_characters"] == len("A cat")
    assert (counts.headings, counts.list_items, counts.list_items_characters) == (0, 1, 4)
    assert (counts.lua, counts.missing) == ({"Lua": 1, "#invoke:Age": 1}, {"Gone": 1})
    assert counts.functions == {"#tag": 1}


def test_headings_stay_headings_when_list_items_are_dropped() -> None:
    assert read("== H ==\n* item\n== J ==\ntext", lists="drop")[0] == ["## J", "text"]
    assert read("== H ==\n* item\n== J ==\ntext", headings="drop")[0] == ["item", "text"]


def test_an_article_reads_the_same_whatever_was_read_before() -> None:
    first = read("{{greet|x}} <math>a</math> {{gone}}")
    read("== H ==\n{{lua}} -{a}- <nowiki>{{</nowiki>")
    assert read("{{greet|x}} <math>a</math> {{gone}}") == first


def test_a_page_of_unbalanced_markup_ends() -> None:
    wikitext = '<ref name="' + '"<' * 2000 + "[[" * 2000 + "{{" * 2000 + "-{" * 2000 + "<small" * 2000
    lines, _ = read(wikitext + "\n\nProse.")
    assert lines[-1] == "Prose."
