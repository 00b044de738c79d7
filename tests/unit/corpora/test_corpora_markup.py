"""What extraction keeps of wikitext, drops and counts: templates, lists, headings, variants, markup that is left."""

import pytest
from made_documents import NAME
from small_dumps import ALBEDO, export, page, small_export


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
