"""Dumps that are damaged, old or not what was downloaded are refused in one line, with nothing written."""

import bz2
import json
from bz2 import BZ2Decompressor

import pytest
from made_documents import NAME, assert_refused
from small_dumps import export, page, small_export

from smelt.corpora import census, dump, pages


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

        eof, unused_data, needs_input = False, b"", True

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


def test_a_page_whose_text_is_too_long_is_left_out_by_name_and_counted(write_dump, output, capsys, monkeypatch):
    monkeypatch.setattr(pages, "LONGEST_TEXT", 1000)
    monkeypatch.setattr(census, "LONGEST_TEXT", 1000)
    dump = write_dump(export(page(1, "Snow", "It is cold."), page(2, "Rain", "drop " * 300), page(3, "Ice", "Water.")))
    assert output.make("--dump", dump) == 0
    assert "'Rain' (id 2) has more than 1,000 characters of text: left out" in capsys.readouterr().out
    counted = output.statistics()["pages"]
    assert (counted["pages"], counted["extracted"], counted["too_long"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<id>1</id>", f"<id>{LONG}</id>", "a <id> of more than 1,000 characters; in page 'Albedo'"),
        ("<id>1</id>", f'<redirect title="{LONG * 9}"/>', "a tag of more than 1,000 bytes; in page 'Albedo'"),
        ("<id>1</id>", "<a>" * 30, "elements within each other, 21 deep; in page 'Albedo'"),
    ],
)
def test_a_dump_with_an_endless_part_is_refused_by_its_page(old, new, message, write_dump, output, capsys, monkeypatch):
    monkeypatch.setattr(pages, "LONGEST_PART", 1000)
    monkeypatch.setattr(dump, "MOST_AT_ONCE", 1000)
    assert_refused(output, capsys, message, "--dump", write_dump(small_export().replace(old, new, 1)))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_few_bytes_stand_for_is_decompressed_a_little_at_a_time(tmp_path, threads):
    text = b"a" * 30_000_000  # 46 bytes of bz2
    path = tmp_path / "run.bz2"
    path.write_bytes(bz2.compress(text) + bz2.compress(b"end"))
    pieces = list(dump.decompress(dump.DumpFile(path), threads))
    assert max(map(len, pieces)) <= dump.MOST_AT_ONCE
    assert b"".join(pieces) == text + b"end"
