"""From dumps to Parquet and statistics: every page is accounted for, whatever the dump's parts and copies."""

import bz2
from pathlib import Path

import pytest
from made_documents import NAME, Output, assert_refused
from small_dumps import ALBEDO, export, page, small_export

from smelt.corpora.wikipedia import Wikipedia


def drafts_of(output: Output) -> list[Path]:
    return list(output.folder.glob(f".{output.documents.name}.*.draft"))


def test_every_page_of_a_dump_is_accounted_for(write_dump, output):
    assert output.make("--dump", write_dump(small_export())) == 0
    pages = {"pages": 6, "extracted": 2, "redirect": 1, "other_namespace": 2, "empty": 1}
    assert output.statistics()["pages"] == pages | {
        "duplicate": 0,
        "differing": 0,
        "skipped": 0,
        "too_long": 0,
        "lost": 0,
    }
    assert [(row["id"], row["title"]) for row in output.rows()] == [
        ("wikipedia:1", "Albedo"),
        ("wikipedia:5", "Basalt"),
    ]


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
def test_identical_copies_of_a_page_count_once(write_dump, output):
    copies = [page(1, "Albedo", ALBEDO), page(2, "Template:Of", "of", namespace=10), page(3, "Talk:A", "", namespace=1)]
    write_dump(export(*copies, page(4, "Basalt", "A rock {{of}} fire.")), NAME.replace("articles", "articles1"))
    folder = write_dump(export(*copies, copies[0]), NAME.replace("articles", "articles2"))
    assert output.make("--dump", folder) == 0
    assert [row["id"] for row in output.rows()] == ["wikipedia:1", "wikipedia:4"]
    assert output.texts()["Basalt"] == "A rock of fire."
    pages = {"pages": 8, "extracted": 2, "redirect": 0, "other_namespace": 2, "empty": 0}
    assert output.statistics()["pages"] == pages | {
        "duplicate": 4,
        "differing": 0,
        "skipped": 0,
        "too_long": 0,
        "lost": 0,
    }


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


def test_articles_wait_beside_the_documents_to_come_and_not_among_temporary_files(write_dump, output):
    output.folder.mkdir()
    documents = Wikipedia(1, beside=output.documents).documents([write_dump(small_export())])
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
