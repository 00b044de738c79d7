"""Text files become documents, and what is no text is refused."""

import pytest
from made_documents import assert_refused


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
