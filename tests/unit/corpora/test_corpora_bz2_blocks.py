"""Tests of bz2 that several threads decompress: the same bytes as in order, and the same complaints."""

import bz2
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from smelt.corpora import bz2_blocks
from smelt.corpora.bz2_blocks import NotInBlocks, decompress_blocks
from smelt.corpora.dump import DumpFile, decompress
from smelt.errors import SmeltError


def in_pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def several_blocks(streams: int = 1, level: int = 1) -> bytes:
    draw = random.Random(1)
    return b"".join(bz2.compress(draw.randbytes(150_000) + b"a" * 9_999, level) for _ in range(streams))


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 18])
@pytest.mark.parametrize("streams", [1, 3])
def test_short_streams_are_read_from_pieces_of_any_size(streams, size):
    draw = random.Random(size)
    for _ in range(50):
        texts = [bytes(draw.choices(b"ab\0", k=draw.choice([1, 30, 900]))) for _ in range(streams)]
        raw = b"".join(bz2.compress(text, draw.randint(1, 9)) for text in texts)
        assert b"".join(decompress_blocks(in_pieces(raw, size), 2)) == b"".join(texts)


@pytest.mark.parametrize("size", [5000, 1 << 18])
def test_blocks_begin_at_any_bit(size):
    raw = several_blocks(streams=8)
    blocks = list(decompress_blocks(in_pieces(raw, size), 2))
    assert len(blocks) >= 16
    assert b"".join(blocks) == bz2.decompress(raw)


def test_what_looks_like_a_block_by_chance_changes_nothing(tmp_path, monkeypatch):
    raw, marks = several_blocks(streams=4), bz2_blocks._marks

    def with_a_false_one(data: bytes, searched: int) -> list[int]:
        found = marks(data, searched)
        return sorted([*found, found[-2] + 8005]) if len(found) > 1 else found

    monkeypatch.setattr(bz2_blocks, "_marks", with_a_false_one)
    with pytest.raises(NotInBlocks):
        list(decompress_blocks([raw], 2))
    path = tmp_path / "dump.bz2"
    path.write_bytes(raw)
    assert b"".join(decompress(DumpFile(path), 2)) == bz2.decompress(raw)


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: flipped(raw, len(raw) // 2),
        lambda raw: flipped(raw, 6),  # in the first mark
        lambda raw: flipped(raw, len(raw) - 2),  # in the sum of the last stream
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0\0\0",
        lambda raw: raw + b"more",
        lambda raw: raw[:4],
        lambda raw: b"<html>" + raw,
        lambda raw: raw[:4] + b"\0" * 5_000_000,
    ],
)
def test_a_damaged_file_gets_the_same_message_as_in_order(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "dump.bz2"
    path.write_bytes(damage(several_blocks(streams=2)))
    messages = []
    for threads in (1, 2):
        with pytest.raises(SmeltError) as error:
            list(decompress(DumpFile(path), threads))
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_streams_without_text_are_passed_over(tmp_path):
    path = tmp_path / "dump.bz2"
    path.write_bytes(bz2.compress(b"") + bz2.compress(b"one") + bz2.compress(b"") + bz2.compress(b"two"))
    assert b"".join(decompress(DumpFile(path), 2)) == b"onetwo"


def test_the_sum_of_the_mirror_is_checked_by_several_threads_too(tmp_path):
    path, raw = tmp_path / "dump.bz2", several_blocks()
    path.write_bytes(raw)
    right, wrong = hashlib.sha1(raw).hexdigest(), "0" * 40
    assert b"".join(decompress(DumpFile(path, right), 2)) == bz2.decompress(raw)
    with pytest.raises(SmeltError, match="is not what was downloaded"):
        list(decompress(DumpFile(path, wrong), 2))


def test_blocks_are_given_while_the_file_is_still_read():
    raw, read = several_blocks(streams=40), []

    def pieces():
        for piece in in_pieces(raw, 20_000):
            read.append(piece)
            yield piece

    blocks = decompress_blocks(pieces(), 2)
    next(blocks)
    assert sum(map(len, read)) < len(raw) / 4
    assert b"".join(blocks) in bz2.decompress(raw)
