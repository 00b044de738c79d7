"""bz2 decompressed by several threads: the blocks of a stream are independent of each other, but begin at any bit.

Each block is made a stream of its own, by a head before it and an end after it, and goes to Python's bz2, which works
without Python's lock (layout: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf).
"""

import bz2
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

_BLOCK, _END = 0x314159265359, 0x177245385090  # marks: before a block, and before the sum of a stream
_MARK, _SUM, _HEAD = 48, 32, 32  # bits
_LEVEL = re.compile(rb"BZh[1-9]")
_LARGEST = 2_000_000  # bytes; no compressed block is larger
_MOST_OF_BLOCK = 8_000_000  # bytes that a block may say; most say 900,000, and runs of one byte up to fifty times that
# The five bytes that a mark fills, after those in which it begins, by how many bits of that one are not its own.
_FILLED = [(_BLOCK << (8 - shift)).to_bytes(7)[1:6] for shift in range(8)]


class NotInBlocks(Exception):
    """The bytes are no whole bz2, hold by chance what looks like a block's begin, or a block that says too much."""


def decompress_blocks(pieces: Iterable[bytes], threads: int) -> Iterator[bytes]:
    """Yield what the pieces of a bz2 file say, block by block; it may consist of several streams.

    Raises:
        NotInBlocks: they cannot be read in this way; what was yielded is right.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[bytes]] = deque()
        for stream in _single_blocks(pieces):
            waiting.append(pool.submit(_decompress, stream))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _decompress(stream: bytes) -> bytes:
    decompressor = bz2.BZ2Decompressor()
    try:
        text = decompressor.decompress(stream, _MOST_OF_BLOCK)
    except OSError as error:
        raise NotInBlocks from error
    if not decompressor.eof or decompressor.unused_data:
        raise NotInBlocks
    return text


def _single_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each block as a stream of its own; check the sum of each stream that they come from."""
    data, begin, searched, stream_sum = b"", -1, 0, 0
    for piece in pieces:
        data += piece
        for mark in _marks(data, searched):
            if begin < 0 and (mark != _HEAD or not _LEVEL.match(data)):
                raise NotInBlocks
            if begin >= 0 and mark > begin:
                block, stream_sum = _cut(data, begin, mark, stream_sum)
                yield block
            begin = max(begin, mark)
        done = max(begin, 0) // 8
        data, begin = data[done:], begin - 8 * done
        searched = max(len(data) - _MARK // 8, 0)
        if len(data) > _LARGEST + len(piece):
            raise NotInBlocks
    if begin < 0:
        raise NotInBlocks
    yield _cut(data, begin, None, stream_sum)[0]


def _marks(data: bytes, searched: int) -> list[int]:
    """Return the bits at which blocks begin, from about byte `searched`."""
    found = []
    for shift, filled in enumerate(_FILLED):
        place = data.find(filled, searched)
        while place >= 0:
            bit = 8 * (place - 1) + shift
            if 0 <= bit <= 8 * len(data) - _MARK and _bits(data, bit, _MARK) == _BLOCK:
                found.append(bit)
            place = data.find(filled, place + 1)
    return sorted(found)


def _cut(data: bytes, begin: int, following: int | None, stream_sum: int) -> tuple[bytes, int]:
    """Return the block that begins at a bit as a stream, and the sum of its stream so far, 0 where that ends with it.

    `following` is where the next block begins, after the end of a stream and the head of another or not.
    """
    end = 8 * len(data) if following is None else following
    own_sum = _bits(data, begin + _MARK, _SUM)
    stream_sum = ((stream_sum << 1 | stream_sum >> 31) & 0xFFFFFFFF) ^ own_sum
    head = following is not None and following % 8 == 0 and _LEVEL.match(data, (following - _HEAD) // 8)
    if following is None or head:
        end = _end_of_stream(data, end - _HEAD if head else end)
        if _bits(data, end + _MARK, _SUM) != stream_sum:
            raise NotInBlocks
        stream_sum = 0
    length = end - begin + _MARK + _SUM
    block = _bits(data, begin, end - begin) << (_MARK + _SUM) | _END << _SUM | own_sum
    return b"BZh9" + (block << -length % 8).to_bytes(-(-length // 8)), stream_sum


def _end_of_stream(data: bytes, end: int) -> int:
    """Return the bit at which the mark of a stream's end begins; after the sum, it is filled up to a whole byte."""
    for place in range(end - _SUM - _MARK, end - _SUM - _MARK - 8, -1):
        if place > 0 and _bits(data, place, _MARK) == _END:
            return place
    raise NotInBlocks


def _bits(data: bytes, begin: int, length: int) -> int:
    end = begin + length
    return int.from_bytes(data[begin // 8 : -(-end // 8)]) >> -end % 8 & (1 << length) - 1
