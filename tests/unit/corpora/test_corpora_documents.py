"""The documents stage: from dumps and text files to Parquet and statistics, and what it refuses."""

import bz2
import json
import os
import re
from bz2 import BZ2Decompressor
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet
import pytest
from small_dumps import ALBEDO, export, page, small_export

from smelt.__main__ import main
from smelt.corpora.wikipedia import Wikipedia

NAME = "xxwiki-20230501-pages-articles.xml.bz2"


class Output:
    """Where a test's documents go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.documents = folder / "documents.parquet"

    def make(self, *sources: object, held_out: float = 0.2, workers: int = 1) -> int:
        words = ["documents", "--language", "en", "--held-out", str(held_out), "--workers", str(workers)]
        outputs = ["--output-documents", str(self.documents), "--statistics", str(self.folder / "statistics.json")]
        return main([*words, *outputs, *map(str, sources)])

    def rows(self) -> list[dict]:
        return pyarrow.parquet.read_table(self.documents).to_pylist()

    def texts(self) -> dict[str, str]:
        return {row["title"]: row["text"] for row in self.rows()}

    def statistics(self) -> dict:
        return json.loads((self.folder / "statistics.json").read_text())


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(tmp_path / "out")


def drafts_of(output: Output) -> list[Path]:
    return list(output.folder.glob(f".{output.documents.name}.*.draft"))


def assert_refused(output: Output, capsys, message: str, *sources: object) -> None:
    """Assert one clear line, exit status 1 and nothing left in the output folder."""
    assert output.make(*sources) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert message in error
    assert not output.folder.exists() or not list(output.folder.iterdir())


def test_every_page_of_a_dump_is_accounted_for(write_dump, output):
    assert output.make("--dump", write_dump(small_export())) == 0
    pages = {"pages": 6, "extracted": 2, "redirect": 1, "other_namespace": 2, "empty": 1}
    assert output.statistics()["pages"] == pages | {"duplicate": 0, "differing": 0, "skipped": 0, "lost": 0}
    assert [(row["id"], row["title"]) for row in output.rows()] == [
        ("wikipedia:1", "Albedo"),
        ("wikipedia:5", "Basalt"),
    ]


@pytest.mark.slow
def test_text_is_plain_and_templates_are_expanded(write_dump, output):
    output.make("--dump", write_dump(small_export()))
    assert output.texts()["Albedo"].split("\n") == [
        "Albedo is the fraction of sunlight that a body reflects.",
        "## Terrestrial",
        "Snow has much.",
    ]
    assert output.texts()["Basalt"].split("\n") == ["Basalt is a rock.", "a list", "It is rather grey."]


@pytest.mark.slow
def test_an_article_uses_the_templates_of_another_part(write_dump, output):
    write_dump(export(page(1, "Basalt", "It is {{colour|grey}}.")), NAME.replace("articles", "articles1"))
    template = page(2, "Template:Colour", "rather {{{1}}}", namespace=10)
    folder = write_dump(export(template, page(3, "Albedo", ALBEDO)), NAME.replace("articles", "articles2"))
    output.make("--dump", folder)
    assert output.texts()["Basalt"] == "It is rather grey."
    assert [source["file"][-13:-8] for source in output.statistics()["sources"]] == ["cles1", "cles2"]


@pytest.mark.slow
def test_parts_are_read_in_the_order_of_their_numbers(write_dump, output):
    for number in (10, 9, 1):
        part = export(page(number, f"Page {number}", "Some text."))
        folder = write_dump(part, f"xxwiki-20230501-pages-articles{number}.xml-p{number}p{number}.bz2")
    output.make("--dump", folder)
    assert [row["id"] for row in output.rows()] == ["wikipedia:1", "wikipedia:9", "wikipedia:10"]


@pytest.mark.slow
def test_output_is_the_same_for_any_number_of_workers(write_dump, tmp_path):
    folder = write_dump(export(*(page(n, f"Page {n}", f"{ALBEDO} Number {n}." * (n % 7 + 1)) for n in range(1, 60))))
    outputs = [Output(tmp_path / str(workers)) for workers in (1, 3)]
    assert [made.make("--dump", folder, workers=n) for made, n in zip(outputs, (1, 3), strict=True)] == [0, 0]
    assert outputs[0].documents.read_bytes() == outputs[1].documents.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("namespace", "word"),
    [("Template", "REDIRECT"), ("Vorlage", "WEITERLEITUNG"), ("Bản mẫu", "đổi"), ("قالب", "تغییر_مسیر")],
)
def test_a_template_behind_a_redirect_keeps_its_words_in_every_wiki(namespace, word, write_dump, output):
    def redirect(identity: int, title: str, target: str) -> str:
        text = f"#{word} [[{namespace}:{target}]]"
        return page(identity, f"{namespace}:{title}", text, namespace=10, redirect=f"{namespace}:{target}")

    xml = export(
        redirect(1, "Salute", 'Good & "bad" greeting'),
        redirect(2, "Hail", "Salute"),
        page(3, f'{namespace}:Good & "bad" greeting', "good {{{1}}}", namespace=10),
        page(4, "Fields", "She said {{salute|evening}}. He said {{Hail|morning}}."),
    )
    output.make("--dump", write_dump(xml.replace(">Template<", f">{namespace}<")))
    assert output.texts() == {"Fields": "She said good evening. He said good morning."}


@pytest.mark.slow
def test_a_template_with_an_apostrophe_in_its_name_is_expanded(write_dump, output):
    template = page(1, "Template:L'heure", "at {{{1}}} o'clock", namespace=10)
    output.make("--dump", write_dump(export(template, page(2, "Noon", "It is {{L'heure|12}}."))))
    assert output.texts() == {"Noon": "It is at 12 o'clock."}


@pytest.mark.slow
def test_a_template_is_expanded_by_every_name_that_means_it(write_dump, output):
    names = [
        "A b", "A_b", "a b", "A  b", " A__b ", "Template:A b", "template:a b", "TEMPLATE: A_b", "Vorlage:A_b",
        "vorlage : A b", ":Vorlage:A_b", "A b<!-- sic -->", "A b <!-- sic: so -->", "subst:Template:A_b", "T:One_two",
        "Two:c", "Template:Two:c", "Old_name", "Template:Old_name", "AT&T_x",
    ]  # fmt: skip
    body = "<includeonly>kept {{{1}}}</includeonly>"
    templates = [page(n, f"Vorlage:{title}", body, 10) for n, title in enumerate(("A b", "T:One two", "AT&T x"), 1)]
    redirect = page(4, "Vorlage:Old name", "#WEITERLEITUNG [[Vorlage:A b]]", 10, redirect="Vorlage:A b")
    calls = [f"Call {n} {{{{{name}|{n}}}}} {{{{lc:END}}}}" for n, name in enumerate(names)]
    others = "No {{User:A b|x}}{{Unknown:A b|x}}{{#if:|x|template}}."
    xml = export(
        *templates, page(5, "Vorlage:Two:c", body, 10), redirect, page(6, "Calls", "\n\n".join([*calls, others]))
    )
    output.make("--dump", write_dump(xml.replace(">Template<", ">Vorlage<")))
    lines = output.texts()["Calls"].split("\n")
    assert lines[:-1] == [f"Call {n} kept {n} end" for n in range(len(names))]
    assert lines[-1] == "No template."


@pytest.mark.slow
def test_identical_copies_of_a_page_count_once(write_dump, output):
    copies = [page(1, "Albedo", ALBEDO), page(2, "Template:Of", "of", namespace=10), page(3, "Talk:A", "", namespace=1)]
    write_dump(export(*copies, page(4, "Basalt", "A rock {{of}} fire.")), NAME.replace("articles", "articles1"))
    folder = write_dump(export(*copies, copies[0]), NAME.replace("articles", "articles2"))
    assert output.make("--dump", folder) == 0
    assert [row["id"] for row in output.rows()] == ["wikipedia:1", "wikipedia:4"]
    assert output.texts()["Basalt"] == "A rock of fire."
    pages = {"pages": 8, "extracted": 2, "redirect": 0, "other_namespace": 2, "empty": 0}
    assert output.statistics()["pages"] == pages | {"duplicate": 4, "differing": 0, "skipped": 0, "lost": 0}


@pytest.mark.slow
def test_the_first_of_differing_copies_is_kept_and_the_others_are_counted(write_dump, output, capsys):
    first = [page(1, "Albedo", "The first."), page(2, "Template:Of", "of", namespace=10)]
    then = [page(1, "Albedo", "The second."), page(2, "Template:Of", "off", namespace=10)]
    last = [first[0], page(3, "Basalt", "A rock {{of}} fire.")]
    assert output.make("--dump", write_dump(export(*first, *then, *last))) == 0
    assert output.texts() == {"Albedo": "The first.", "Basalt": "A rock of fire."}
    pages = output.statistics()["pages"]
    assert (pages["pages"], pages["extracted"], pages["duplicate"], pages["differing"]) == (6, 2, 1, 2)
    assert "'Albedo' (id 1): a copy differs from the first, which is the one kept" in capsys.readouterr().out


@pytest.mark.slow
def test_a_page_of_an_earlier_dump_is_refused(write_dump, output, capsys):
    first = write_dump(small_export(), NAME) / NAME
    second = write_dump(export(page(5, "Basalt", "A rock.")), NAME.replace("xxwiki", "yywiki")).joinpath(
        NAME.replace("xxwiki", "yywiki")
    )
    assert_refused(output, capsys, "page 'Basalt' has the id 5 of a page of an earlier dump", "--dump", first, second)


@pytest.mark.slow
def test_named_pages_are_left_out_and_counted(write_dump, output):
    xml = export(
        page(1, "Albedo", ALBEDO),
        page(2, "1984", "A novel {{of}} Orwell's."),
        page(1984, "Basalt", "A rock {{of}} fire."),
        page(4, "Template:Of", "of", namespace=10),
    )
    folder = write_dump(xml)
    assert output.make("--dump", folder, "--skip-pages", '["Albedo", 1984, "Template:Of"]') == 0
    assert output.texts() == {"1984": "A novel Orwell's."}
    assert output.statistics()["pages"]["skipped"] == 3
    assert output.make("--dump", folder, "--skip-pages", '["1984"]') == 0
    assert sorted(output.texts()) == ["Albedo", "Basalt"]


@pytest.mark.slow
def test_a_page_that_is_left_out_takes_no_page_of_its_id_with_it(write_dump, output):
    first, copies = page(5, "Elm", "A tree."), [page(5, "Yew", "A hedge."), page(5, "Yew", "A hedge.")]
    folder = write_dump(export(first, *copies, page(2, "Fir", "A cone.")))
    assert output.make("--dump", folder, "--skip-pages", '["Elm"]') == 0
    assert output.texts() == {"Yew": "A hedge.", "Fir": "A cone."}
    pages = output.statistics()["pages"]
    assert (pages["extracted"], pages["duplicate"], pages["skipped"]) == (2, 1, 1)


@pytest.mark.slow
def test_a_page_of_an_earlier_dump_may_be_left_out(write_dump, output):
    first = write_dump(export(page(5, "Oak", "A tree.")), NAME) / NAME
    other = NAME.replace("xxwiki", "yywiki")
    second = write_dump(export(page(5, "Elm", "A tree."), page(2, "Fir", "A cone.")), other) / other
    assert output.make("--dump", first, second, "--skip-pages", '["Elm"]') == 0
    assert output.texts() == {"Oak": "A tree.", "Fir": "A cone."}


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ('["Albedos", "Albeedo", 77]', "holds no page 77, 'Albeedo', which skip_pages names"),
        ("Albedo", '--skip-pages: expected a JSON list of titles and ids, such as ["Albedo", 12]; found Albedo'),
        ("[true]", "--skip-pages: expected a JSON list"),
    ],
)
def test_pages_that_cannot_be_left_out_are_named(pages, message, write_dump, output, capsys):
    assert_refused(output, capsys, message, "--dump", write_dump(small_export()), "--skip-pages", pages)


LISTS = """Bees {make} honey.

== Work ==
* They fly <small>far</small>.
** Very [[far|far away]].
*
# One.
;Term
:An indented line.
(In brackets.)
{In braces}

== Rest? ==
=== Winter ===
They rest.<small>At <small>last</small>.</small>

== Only a list ==
* Last."""


@pytest.mark.slow
def test_what_extraction_keeps_and_drops_is_counted(write_dump, output, capsys):
    articles = [page(1, "Bees", LISTS), page(2, "Year", "* In spring.\n* In autumn."), page(3, "Void", "")]
    calls = page(4, "Calls", "{{Age|1950}}, {{Age|1960}} or {{Gone}}. <ref>A book</ref> [[File:A.jpg|thumb|Two words]]")
    lua = page(5, "Template:Age", "{{#invoke:Age|main}}", namespace=10)
    output.make("--dump", write_dump(export(*articles, calls, lua)))
    assert output.texts()["Bees"].split("\n") == [
        "Bees {make} honey.",
        "## Work",
        "They fly far.",
        "Very far away.",
        "One.",
        "Term",
        "An indented line.",
        "(In brackets.)",
        "{In braces}",
        "## Rest?",
        "### Winter",
        "They rest.At last.",
        "## Only a list",
        "Last.",
    ]
    markup = output.statistics()["markup"]
    assert (markup["headings"], markup["list_items"], markup["empty_with_list_items"]) == (4, 7, 0)
    assert markup["list_items_characters"] == len("They fly far.Very far away.One.TermLast.In spring.In autumn.")
    dropped = {"<ref>": {"number": 1, "characters": 6}, "caption": {"number": 1, "characters": 9}}
    assert markup["dropped"] == dropped
    assert markup["not_expanded"] == {
        "lua": {"uses": 2, "names": 1, "most_frequent": {"Age": 2}},
        "missing": {"uses": 1, "names": 1, "most_frequent": {"Gone": 1}},
        "functions": {"uses": 0, "names": 0, "most_frequent": {}},
    }
    log = capsys.readouterr().out
    assert "en: list items: 7 (" in log
    assert "en: templates in Lua, not expanded: 2 uses (Age 2); not in the dump: 1 uses (Gone 1)" in log


@pytest.mark.slow
def test_list_items_and_headings_can_be_left_out(write_dump, output):
    folder = write_dump(export(page(1, "Bees", LISTS), page(2, "Year", "* In spring.\n* In autumn.")))
    output.make("--dump", folder, "--lists", "drop", "--headings", "drop")
    kept = ["Bees {make} honey.", "An indented line.", "(In brackets.)", "{In braces}", "They rest.At last."]
    assert {title: text.split("\n") for title, text in output.texts().items()} == {"Bees": kept}
    statistics = output.statistics()
    assert statistics["markup"]["reading"] == {"lists": "drop", "headings": "drop", "variant": ""}
    assert statistics["paragraphs"] == len(kept)
    assert statistics["markup"]["dropped"]["list item"]["number"] == statistics["markup"]["list_items"] == 7
    assert statistics["markup"]["empty_with_list_items"] == 1


@pytest.mark.slow
def test_one_of_several_language_variants_is_taken(write_dump, output):
    text = "他在-{zh-hans:软件;zh-hant:軟體}-公司工作。-{于}-是他回家。"
    folder = write_dump(export(page(1, "软件", text)))
    for variant, word in (("", "软件"), ("zh-cn", "软件"), ("zh-tw", "軟體")):
        output.make("--dump", folder, "--variant", variant)
        assert output.texts() == {"软件": f"他在{word}公司工作。于是他回家。"}


@pytest.mark.slow
def test_markup_that_is_left_is_counted_by_kind(write_dump, output):
    texts = [
        "Write <nowiki><math></nowiki> and <nowiki><math></nowiki> and {{never ends.",
        "See <nowiki>{{x}}</nowiki>.",
    ]
    output.make("--dump", write_dump(export(*(page(n, f"Page {n}", text) for n, text in enumerate(texts, 1)))))
    markup = output.statistics()["markup"]
    assert markup["documents_with_markup_left"] == 2
    assert markup["left"] == {
        "<math>": {"occurrences": 2, "documents": 1},
        "{{": {"occurrences": 2, "documents": 1},
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("lists-only", {"list_items": 4, "list_items_characters": 229, "empty_with_list_items": 0, "headings": 1}),
        ("markup-cases", {"list_items": 9, "headings": 5, "empty_with_list_items": 0}),
        ("zh-variants", {"list_items": 0, "left": {}}),
    ],
)
def test_the_counts_of_the_cases_are_those_counted_by_hand(case, expected, output):
    assert output.make("--dump", real_data() / f"cases/{case}.xml.bz2") == 0
    markup = output.statistics()["markup"]
    assert {name: markup[name] for name in expected} == expected


@pytest.mark.slow
def test_the_cases_of_redirects_and_copies_keep_their_words(output):
    assert output.make("--dump", real_data() / "cases/template-redirect.xml.bz2") == 0
    words = "good morning", "good evening", "good night"
    assert all(word in output.texts()["Fields"] for word in words)
    assert output.make("--dump", real_data() / "cases/duplicate-page.xml.bz2") == 0
    assert output.texts() == {"Elm": "An elm is a tree.", "Oak": "An oak is a tree."}
    assert output.statistics()["pages"]["duplicate"] == 1


@pytest.mark.slow
def test_the_counts_of_a_real_wiki_are_those_of_its_wikitext(output):
    """Compare with another count: of lines of the wikitext outside templates, tables, comments and references."""
    folder = real_data() / "dumps/enwiki/20230501"
    output.make("--dump", folder)
    texts = [text for path in sorted(folder.glob("*.bz2")) for text in _articles(path)]
    plain = [_without_nested(_without_nested(_REMOVED.sub("", text), "{{", "}}"), "{|", "|}") for text in texts]
    lines = [line for text in plain for line in text.split("\n")]
    items = sum(line[:1] in {"*", "#", ";"} and any(map(str.isalnum, line)) for line in lines)
    headings = sum(re.fullmatch(r"==+[^=]+==+\s*", line) is not None for line in lines)
    markup = output.statistics()["markup"]
    assert items > 3500
    assert markup["list_items"] == pytest.approx(items, rel=0.02)
    assert headings > 1500
    assert markup["headings"] == pytest.approx(headings, rel=0.1)  # those of sections without text are left out
    assert markup["headings"] == sum(
        line.startswith("##") for text in output.texts().values() for line in text.split("\n")
    )


_REMOVED = re.compile(
    r"<!--.*?-->|<ref\b[^>]*/>|<ref\b.*?</ref>|<(gallery|timeline|math|div)\b.*?</\1>", re.DOTALL | re.IGNORECASE
)


def _articles(path: Path) -> Iterator[str]:
    with bz2.open(path) as stream:
        for _, element in ElementTree.iterparse(stream):
            if element.tag.endswith("}page"):
                if element.findtext("{*}ns") == "0" and element.find("{*}redirect") is None:
                    yield element.findtext("{*}revision/{*}text") or ""
                element.clear()


def _without_nested(text: str, opening: str, closing: str) -> str:
    kept, depth, last = "", 0, 0
    for match in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        if match[0] == opening:
            kept += text[last : match.start()] if depth == 0 else ""
            depth += 1
        elif depth:
            depth -= 1
            last = match.end()
    return kept + (text[last:] if depth == 0 else "")


def real_data() -> Path:
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    return Path(data)


@pytest.mark.slow
def test_an_article_called_like_the_template_namespace_is_kept(write_dump, output):
    xml = export(page(1, "Template engine", "A {{PAGENAME}} fills in templates."), page(2, "Albedo", ALBEDO))
    output.make("--dump", write_dump(xml))
    assert output.texts()["Template engine"] == "A Template engine fills in templates."


@pytest.mark.slow
def test_the_present_moment_is_the_date_of_the_dump(write_dump, output):
    now = "In {{CURRENTYEAR}}-{{ CURRENTMONTH }}-{{CURRENTDAY2}}{{Now}}."
    xml = export(page(1, "Now", now), page(2, "Template:Now", " at {{currenttime}}", namespace=10))
    output.make("--dump", write_dump(xml))
    assert output.texts() == {"Now": "In 2023-05-01 at 00:00:00."}


@pytest.mark.slow
def test_a_dump_without_namespaces_in_its_head_loses_nothing(write_dump, output):
    head, tail = "<mediawiki>", "</mediawiki>"
    output.make("--dump", write_dump(head + page(1, "Albedo", ALBEDO) + tail))
    assert list(output.texts()) == ["Albedo"]


@pytest.mark.slow
def test_a_dump_on_one_line_loses_nothing(write_dump, output):
    one_line = export(page(1, "Albedo", "Snow & ice."), page(2, "Basalt", "A rock.")).replace("\n", "")
    output.make("--dump", write_dump(one_line))
    assert output.texts() == {"Albedo": "Snow & ice.", "Basalt": "A rock."}


@pytest.mark.slow
def test_a_file_of_several_bz2_streams_is_read_whole(write_dump, output):
    folder = write_dump("")
    xml = small_export().encode()
    (folder / NAME).write_bytes(bz2.compress(xml[:500]) + bz2.compress(xml[500:]))
    assert output.make("--dump", folder) == 0
    assert output.statistics()["pages"]["pages"] == 6


@pytest.mark.slow
def test_characters_that_no_text_file_can_hold_are_replaced(write_dump, output):
    output.make("--dump", write_dump(export(page(1, "Surrogate", "Half &#xD800; a pair."))))
    assert output.texts()["Surrogate"] == "Half \ufffd a pair."


@pytest.mark.slow
def test_statistics_add_up(write_dump, output, tmp_path):
    text = tmp_path / "own.txt"
    text.write_text("Ένα δύο.\nτρία\n\nfour\n", encoding="utf-8")
    output.make("--dump", write_dump(small_export()), "--text", text)
    statistics = output.statistics()
    rows = output.rows()
    assert statistics["documents"] == len(rows) == 4
    assert statistics["held_out_documents"] == sum(row["held_out"] for row in rows)
    assert statistics["paragraphs"] == sum(
        not line.startswith("## ") for row in rows for line in row["text"].split("\n")
    )
    assert statistics["words"] == sum(len(row["text"].split()) for row in rows)
    assert statistics["characters"] == sum(len(row["text"].replace("\n", "")) for row in rows)
    assert statistics["bytes"] == sum(len(row["text"].replace("\n", "").encode()) for row in rows)
    assert [len(source.get("sha1", "")) for source in statistics["sources"]] == [40, 0]


def test_text_files_become_documents(output, tmp_path):
    text = tmp_path / "own.txt"
    text.write_bytes("\ufeff  One.\r\nTwo.\r\n\r\n \r\nThree.".encode())
    assert output.make("--text", text) == 0
    rows = [(row["id"], row["title"], row["text"]) for row in output.rows()]
    assert rows == [("text:own-1", "", "One.\nTwo."), ("text:own-2", "", "Three.")]


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_other_separators_of_lines_stay_in_a_text(mark, output, tmp_path):
    (tmp_path / "own.txt").write_text(f"One{mark}two.\n", encoding="utf-8")
    assert output.make("--text", tmp_path / "own.txt") == 0
    assert [row["text"] for row in output.rows()] == [f"One{mark}two."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text"),
        (b" \n\n \n", "holds no text"),
        (b"fine\nwrong \xff here\n", "own.txt:2: is not UTF-8: byte 0xff at byte 7 of the line"),
        ("one\n".encode("utf-16"), "own.txt:1: is not text: a NUL byte"),
        (b"fine\nold\rMac\r", "own.txt:2: has a carriage return inside the line, at character 4"),
        (b"<!DOCTYPE html>\n<html></html>\n", "is markup, not plain text"),
        (b"<mediawiki>\n", "is markup, not plain text"),
    ],
)
def test_what_is_no_text_is_refused(content, message, output, tmp_path, capsys):
    (tmp_path / "own.txt").write_bytes(content)
    assert_refused(output, capsys, message, "--text", tmp_path / "own.txt")


def test_text_files_of_one_stem_are_refused(output, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own.txt").write_text("text\n")
    assert_refused(output, capsys, "rename one", "--text", tmp_path / "a/own.txt", tmp_path / "b/own.txt")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda xml: xml.replace("</text>", "", 1), "mismatched tag, expected </text>; in page 'Albedo' (id 1)"),
        (lambda xml: xml.replace("  </page>\n", "", 1), "a <page> starts before </page>; in page 'Albedo' (id 1)"),
        (lambda xml: xml.replace("<ns>0</ns>", "", 1), "without <ns> before its <text>; in page 'Albedo' (id 1)"),
        (lambda xml: xml.replace("<ns>0</ns>", "<ns>--1</ns>", 1), "the <ns> should be a number, found '--1'"),
        (lambda xml: xml.replace("<id>1</id>", "<id>one</id>", 1), "the <id> should be a number, found 'one'"),
        (lambda xml: xml.replace('key="10"', 'key="ten"'), "the key of a <namespace> should be a number, found 'ten'"),
        (lambda xml: xml.replace("<id>1</id>", "", 1), "a page without <id>; in page 'Albedo'"),
        (lambda xml: xml.replace("<id>5</id>", "<id>1</id>"), "page 'Basalt' has the id 1 of an earlier page"),
        (lambda xml: xml[: xml.index("Snow")], "ends before </text> and </mediawiki>"),
        (lambda xml: xml.replace("</mediawiki>", ""), "ends before </mediawiki>"),
        (lambda xml: xml.encode("utf-16"), "is not UTF-8"),
        (lambda xml: xml.encode().replace(b"Snow", b"Sn\xffw"), "is not UTF-8 at line"),
        (lambda xml: '<?xml version="1.0" encoding="latin-1"?>' + xml, "declares the encoding 'latin-1'"),
        (lambda _: "<!DOCTYPE html><html></html>", "as HTML pages do"),
        (lambda _: "<rss></rss>", "its root is <rss>"),
        (lambda _: export(), "holds no page"),
        (lambda _: export(page(1, "Void", "")), "gives no document"),
    ],
)
def test_a_damaged_dump_gives_one_line_and_no_output(damage, message, write_dump, output, capsys):
    assert_refused(output, capsys, message, "--dump", write_dump(damage(small_export())))


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<id>1</id>", f"<id>{LONG}</id>"),
        ("<ns>0</ns>", f"<ns>{LONG}</ns>"),
        ('key="10"', f'key="{LONG}"'),
        ("Albedo</title>\n    <ns>0</ns>", f"{LONG}</title>"),
    ],
)
def test_a_refusal_shows_the_beginning_of_a_long_value(old, new, write_dump, output, capsys):
    damaged = small_export()
    assert old in damaged
    assert output.make("--dump", write_dump(damaged.replace(old, new, 1))) == 1
    assert len(capsys.readouterr().err) < 500


def test_a_file_of_another_size_than_listed_is_refused_with_both_sums(write_dump, output, capsys):
    folder = write_dump(small_export())
    size = (folder / NAME).stat().st_size
    listed = "9f3c" * 10
    part = {"name": NAME, "sha1": listed, "size": size + 1000}
    (folder / "dump.json").write_text(json.dumps({"parts": [part]}))
    message = f"has {size:,} bytes where the mirror listed {size + 1000:,} (sha1 of the mirror's list: {listed}, of the"
    assert_refused(output, capsys, message, "--dump", folder)


def test_a_stream_without_its_end_is_refused(write_dump, output, capsys, monkeypatch):
    class Endless:
        """Decompresses whole files, and never reports their end."""

        eof, unused_data = False, b""

        def __init__(self) -> None:
            self.decompress = BZ2Decompressor().decompress

    monkeypatch.setattr(bz2, "BZ2Decompressor", Endless)
    folder = write_dump(small_export())
    assert_refused(output, capsys, "ends in the middle of a bz2 block at byte ", "--dump", folder)


def test_bytes_after_the_end_of_the_stream_are_named(write_dump, output, capsys):
    folder = write_dump(small_export())
    size = (folder / NAME).stat().st_size
    for tail, what in ((bytes(512), "zero bytes"), (b"<html>", "an HTML page, '<html>'")):
        (folder / NAME).write_bytes(bz2.compress(small_export().encode()) + tail)
        all_bytes = size + len(tail)
        message = f"goes on after the end of its last bz2 stream, at byte {size:,} of {all_bytes:,}, with {what}."
        advice = f"If the dump is whole without them, keep its first {size:,} bytes."
        assert_refused(output, capsys, f"{message} {advice}", "--dump", folder)


def test_text_after_the_export_is_named(write_dump, output, capsys):
    folder = write_dump(small_export() + small_export())
    message = "goes on after </mediawiki>, at line "
    assert_refused(output, capsys, message, "--dump", folder)


@pytest.mark.parametrize("version", ["0.3", "0.5"])
def test_an_export_of_an_old_schema_is_named_as_one(version, write_dump, output, capsys):
    old = small_export().replace('version="0.10"', f'version="{version}"')
    for namespace in (0, 1, 10):
        old = old.replace(f"    <ns>{namespace}</ns>\n", "")
    message = f"is a MediaWiki export of schema {version}, whose pages do not say their namespace (<ns>)"
    assert_refused(output, capsys, message, "--dump", write_dump(old))


def test_a_dump_that_is_not_what_was_downloaded_is_refused(write_dump, output, capsys):
    folder = write_dump(small_export())
    (folder / "dump.json").write_text(json.dumps({"parts": [{"name": NAME, "sha1": "0" * 40}]}))
    assert_refused(output, capsys, "is not what was downloaded", "--dump", folder)


def test_a_missing_part_is_named(write_dump, output, capsys):
    folder = write_dump(small_export())
    (folder / "dump.json").write_text(json.dumps({"parts": [{"name": "other.bz2", "sha1": "0" * 40}]}))
    assert_refused(output, capsys, "lacks other.bz2", "--dump", folder)


def test_a_missing_dump_is_named(output, tmp_path, capsys):
    assert_refused(output, capsys, "nowhere: no such file or folder", "--dump", tmp_path / "nowhere")


def test_an_invalid_share_to_hold_out_is_refused(output, tmp_path, capsys):
    (tmp_path / "own.txt").write_text("text\n")
    assert output.make("--text", tmp_path / "own.txt", held_out=7) == 1
    assert "--held-out: expected a share between 0 and 1; found 7" in capsys.readouterr().err


def test_an_empty_folder_is_refused(output, tmp_path, capsys):
    assert_refused(output, capsys, "holds no dump", "--dump", tmp_path)


@pytest.mark.parametrize("name", ["flipped-byte", "truncated-xml", "utf16", "html-instead-of-dump"])
def test_each_real_broken_dump_gives_one_line_and_no_output(name, output, capsys):
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    assert_refused(output, capsys, f"{name}.xml.bz2: ", "--dump", f"{data}/broken/{name}.xml.bz2")


@pytest.mark.slow
def test_no_article_of_a_real_dump_is_lost(output):
    assert output.make("--dump", real_data() / "dumps/viwiki/20230501", workers=2) == 0
    counted = output.statistics()["pages"]
    assert counted.pop("pages") == sum(counted.values()) == 970
    assert (counted["lost"], counted["empty"]) == (0, 1)


def test_articles_wait_beside_the_documents_to_come_and_not_among_temporary_files(write_dump, output):
    output.folder.mkdir()
    documents = Wikipedia(1, None, beside=output.documents).documents([write_dump(small_export())])
    next(documents)
    assert [(draft / "articles").exists() for draft in drafts_of(output)] == [True]
    list(documents)
    assert drafts_of(output) == []


def test_articles_that_a_killed_job_left_go_with_the_next_run(write_dump, output):
    left = output.folder / f".{output.documents.name}.abcd.draft"
    left.mkdir(parents=True)
    (left / "articles").write_bytes(b"half")
    assert output.make("--dump", write_dump(small_export())) == 0
    assert drafts_of(output) == []


@pytest.mark.slow
@pytest.mark.parametrize("wikis", ["dumps/*/*", "minidumps/[a-f]*", "minidumps/[g-m]*", "minidumps/[n-z]*"])
def test_the_pages_of_every_real_dump_are_those_of_another_count_of_its_xml(wikis):
    dumps = sorted(real_data().glob(wikis))
    assert len(dumps) > 5
    for dump in dumps:
        wikipedia = Wikipedia(1, None)
        documents = list(wikipedia.documents([dump]))
        expected = _pages_counted(sorted(dump.glob("*.bz2")) if dump.is_dir() else [dump])
        counts = wikipedia.counts
        assert (counts.pages, counts.redirect, counts.other_namespace) == expected, dump
        assert counts.extracted == len(documents), dump
        assert counts.pages == sum(counts.as_dict().values()) - counts.pages, dump
        assert not any(document.text.startswith("\n") or "\n\n" in document.text for document in documents), dump
        limit = max(1, 0.002 * len(documents))
        assert wikipedia.markup.documents_with_markup_left <= limit, (dump, wikipedia.markup.left_in)


def _pages_counted(paths: list[Path]) -> tuple[int, int, int]:
    """Return the numbers of pages, of articles that redirect, and of pages that are no articles."""
    pages = redirects = others = 0
    for path in paths:
        with bz2.open(path) as stream:
            for _, element in ElementTree.iterparse(stream):
                if element.tag.endswith("}page"):
                    article = element.findtext("{*}ns") == "0"
                    pages += 1
                    others += not article
                    redirects += article and element.find("{*}redirect") is not None
                    element.clear()
    return pages, redirects, others
