"""The first weights of a student's embedding: from the teacher's, from word vectors, or random.

XtremeDistil, section 4.2 and Table 7. Word vectors are text, a line each: the format of FastText (whose first line
counts them) and of GloVe.
"""

import gzip
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from smelt.errors import SmeltError, absent
from smelt.files import lines_of
from smelt.finetuning.compression.random_streams import derive_seed
from smelt.study.compression import EmbeddingStart

SPREAD = 0.1  # rows that come from nowhere are uniform in (-0.1, 0.1)
WHERE = "student.embedding"
# Prefixes of pieces that continue a word, or that begin one, by tokenizer.
MARKS = ("##", "▁", "Ġ")
Facts = dict[str, Any]


def start(
    settings: EmbeddingStart,
    rows: int,
    width: int,
    teacher_embedding: Tensor | None,
    pieces: Sequence[str],
    seed: int,
) -> tuple[Tensor, Facts]:
    """Return the first embedding, float32, shape (rows, width), and facts about it for metrics.json.

    Args:
        settings: which start.
        rows: pieces with a row of their own.
        width: of the student's embedding, E.
        teacher_embedding: the teacher's rows of the same pieces, (rows, D); needed where the start uses them.
        pieces: of each row, as the tokenizer writes it; read where vectors come from a file.
        seed: draws what is random.

    Raises:
        SmeltError: the teacher's embedding or the file does not give vectors of this width.
    """
    facts: Facts = {"start": settings.start}
    if not settings.from_teacher:
        drawn = random_rows(rows, width, seed)
        if not settings.files:
            return drawn, facts
        return _from_files(settings.paths, drawn, pieces, facts)
    if teacher_embedding is None or len(teacher_embedding) != rows:
        found = None if teacher_embedding is None else len(teacher_embedding)
        raise ValueError(f"start {settings.start}: found {found} rows of the teacher, expected {rows}")
    facts |= {"of": settings.of, "teacher_width": teacher_embedding.shape[1]}
    teacher = teacher_embedding.detach().cpu()
    _check_width(settings.start, width, tuple(teacher.shape))
    if settings.start == "full":
        return teacher.float().clone(), facts
    if settings.start == "svd":
        made, kept = truncated_svd(teacher, width)
        return made, facts | {"kept": kept}
    removed = settings.directions
    if removed > width:
        raise SmeltError("embeddings.removed", f"found {removed}, expected at most {WHERE}, {width}")
    made, kept = reduce_by_ppa(teacher, width, removed)
    return made, facts | {"removed": removed, "kept": kept}


def random_rows(rows: int, width: int, seed: int) -> Tensor:
    """Return rows that are uniform in (-0.1, 0.1), shape (rows, width)."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "embedding rows"))
    return torch.empty(rows, width).uniform_(-SPREAD, SPREAD, generator=generator)


def truncated_svd(matrix: Tensor, width: int) -> tuple[Tensor, float]:
    """Return U_E S_E of a matrix U S V', shape (rows, width), and the share of its squared norm that this keeps.

    U_E S_E is the matrix times the first right singular vectors, which are eigenvectors of a product as small as the
    matrix is wide. Each has the sign that makes its largest number positive; otherwise the sign would be arbitrary.
    """
    product, mean = _product(matrix, centred=False)
    directions, share = _first(product, width)
    return _project(matrix, mean, directions), share


def reduce_by_ppa(matrix: Tensor, width: int, removed: int) -> tuple[Tensor, float]:
    """Return a matrix of fewer dimensions, shape (rows, width), as Raunak et al. 2019 make it, and the variance kept.

    Algorithm 2 there: post-processing, principal components, post-processing again. Post-processing (algorithm 1, of
    Mu and Viswanath 2018) removes the first principal components from centred vectors.
    """
    processed = post_process(matrix, removed)
    product, mean = _product(processed, centred=True)
    directions, share = _first(product, width)
    return post_process(_project(processed, mean, directions), removed), share


def post_process(matrix: Tensor, removed: int) -> Tensor:
    """Return vectors, float32, without their mean and their first `removed` principal components."""
    product, mean = _product(matrix, centred=True)
    directions, _ = _first(product, removed)
    centred = matrix.double() - mean
    return (centred - centred @ directions @ directions.T).float()


def _product(matrix: Tensor, centred: bool, chunk: int = 8192) -> tuple[Tensor, Tensor]:
    """Return the product of a matrix's transpose with it, float64, (D, D), and the mean that was subtracted first."""
    width = matrix.shape[1]
    mean = matrix.double().mean(0) if centred else torch.zeros(width, dtype=torch.float64)
    product = torch.zeros((width, width), dtype=torch.float64)
    for part in torch.split(matrix, chunk):
        rows = part.double() - mean
        product += rows.T @ rows
    return product, mean


def _first(product: Tensor, count: int) -> tuple[Tensor, float]:
    """Return the eigenvectors of the largest eigenvalues as columns, (D, count), and these values' share of all."""
    values, vectors = torch.linalg.eigh(product)  # from the smallest value on
    values, vectors = values.clamp(min=0).flip(0), vectors.flip(1)[:, :count]
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))  # (1, count)
    share = values[:count].sum() / values.sum().clamp(min=1e-300)
    return vectors * torch.where(largest < 0, -1.0, 1.0), float(share)


def _project(matrix: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    return torch.cat([(part.double() - mean) @ directions for part in torch.split(matrix, 8192)]).float()


def _check_width(start_: str, width: int, shape: tuple[int, ...]) -> None:
    """Refuse a student's embedding that the teacher's, of this shape, cannot give."""
    if start_ == "full" and width != shape[1]:
        raise SmeltError(WHERE, f"found {width}, expected the teacher's own width, {shape[1]}, with start: full")
    if width > min(shape):
        counted = f"{shape[0]:,} pieces and {shape[1]} dimensions of the teacher's"
        raise SmeltError(WHERE, f"found {width}, expected with start: {start_} no more than {counted}")


def _from_files(paths: Sequence[Path], drawn: Tensor, pieces: Sequence[str], facts: Facts) -> tuple[Tensor, Facts]:
    """Return rows that files of word vectors give, the others as they were drawn, and how many they have."""
    spelled = [spelling_of(piece) for piece in pieces]
    wanted = {word for spelling in spelled for word in (spelling, spelling.lower()) if word}
    vectors: dict[str, Tensor] = {}
    for path in paths:
        vectors = read_vectors(path, wanted, drawn.shape[1]) | vectors  # the first file that has a word counts
    exact = lower = 0
    for row, spelling in enumerate(spelled):
        vector = _vector(vectors, spelling)
        if vector is not None:
            exact, lower = exact + (spelling in vectors), lower + (spelling not in vectors)
            drawn[row] = vector
    found = exact + lower
    overlap = {"found": found, "missing": len(spelled) - found, "overlap": found / max(1, len(spelled))}
    names = [path.name for path in paths]
    return drawn, facts | {"files": names, **overlap, "found_in_lower_case": lower}


def _vector(vectors: Mapping[str, Tensor], spelling: str) -> Tensor | None:
    """Return the vector of a spelling, or else of the same in lower case: some files know no capitals."""
    return vectors.get(spelling, vectors.get(spelling.lower()))


def spelling_of(piece: str) -> str:
    """Return a piece without its tokenizer's mark, as a file of words may list it."""
    return next((piece.removeprefix(mark) for mark in MARKS if piece.startswith(mark)), piece)


def read_vectors(path: Path, wanted: Collection[str], width: int) -> dict[str, Tensor]:
    """Return the vectors, float32, shape (width,), of those of the wanted words that a file has.

    Numbers of other words are not parsed, so a file of two million words takes seconds.

    Raises:
        SmeltError: the file is missing, has vectors of another width, a line that is not a word with that many
            numbers, or not as many lines as its first one says.
    """
    keys = {word.encode(): word for word in wanted}
    found: dict[str, Tensor] = {}
    with _open_vectors(path) as stream:
        for number, line in _lines(stream, path, width):
            # A word may hold spaces, as some of GloVe's do; its numbers do not.
            fields = line.rsplit(b" ", width)
            if len(fields) != width + 1 or not fields[0]:
                count = max(0, len(fields) - 1)
                raise SmeltError(f"{path}:{number}", f"found {count} numbers after a word, expected {width}")
            word = keys.get(fields[0])
            if word is not None and word not in found:
                found[word] = _numbers(fields[1:], f"{path}:{number}")
    return found


def _open_vectors(path: Path) -> IO[bytes]:
    try:
        return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except FileNotFoundError:
        raise absent(path, expected="word vectors as text") from None


def _lines(stream: IO[bytes], path: Path, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of vectors, numbered from 1; check width and count where a first line gives them."""
    counted = None
    read = 0
    try:
        for number, raw in enumerate(lines_of(stream, path), start=1):
            line = raw.rstrip()
            if number == 1:
                counted = _header(line)
                stated = counted[1] if counted else line.count(b" ")
                if stated != width:
                    raise SmeltError(
                        path, f"holds vectors of {stated} numbers, expected {width}, the width of the embedding"
                    )
                if counted:
                    continue
            read += 1
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SmeltError(path, f"cannot be unpacked ({error})") from None
    if not read or (counted and counted[0] != read):
        expected = f"{counted[0]:,}, as its first line says" if counted else "at least one"
        raise SmeltError(path, f"holds {read:,} vectors, expected {expected}; is it cut off?")


def _header(line: bytes) -> tuple[int, int] | None:
    """Return count and width, where a line is FastText's first one."""
    fields = line.split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 and all(map(bytes.isdigit, fields)) else None


def _numbers(fields: list[bytes], where: str) -> Tensor:
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise SmeltError(where, f"found something that is not a number ({error})") from None
    if not all(map(math.isfinite, values)):
        raise SmeltError(where, "found a number that is not finite")
    return torch.tensor(values)
