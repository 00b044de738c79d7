"""The first embedding of a compressed student: of its teacher's, of a file, or of chance."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from smelt.errors import SmeltError
from smelt.finetuning.compression.embeddings import start
from smelt.study.compression import EmbeddingStart

PIECES = ["[PAD]", "[UNK]", "the", "##ing", "▁Haus", "Ärger", "xqz"]
FASTTEXT = "5 3\nthe 1 2 3 \ning 4 5 6 \nhaus 7 8 9 \nÄrger -1e-2 0 .5 \nother 0 0 0 \n"


def teacher(rows: int = 500, width: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    scales = torch.linspace(3, 0.1, width)
    return torch.randn(rows, width, generator=generator) * scales + torch.linspace(-1, 1, width)


def of_teacher(width: int, matrix: torch.Tensor, **settings: object) -> tuple[torch.Tensor, dict]:
    return start(EmbeddingStart(**settings), len(matrix), width, matrix, [], 1)


def from_file(path: Path, width: int = 3, seed: int = 1) -> tuple[torch.Tensor, dict]:
    return start(EmbeddingStart(start="file", file=str(path)), len(PIECES), width, None, PIECES, seed)


def written(folder: Path, text: str) -> Path:
    path = folder / "vectors.vec"
    path.write_text(text, encoding="utf-8")
    return path


def test_svd_is_the_truncated_product_of_the_first_singular_vectors_and_values() -> None:
    matrix = teacher()
    made, facts = of_teacher(6, matrix, start="svd")
    left, values, _ = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    product = left[:, :6] * values[:6]
    signs = np.sign((product * made.numpy()).sum(0))  # which no decomposition determines
    np.testing.assert_allclose(made.numpy(), product * signs, atol=1e-5)
    assert facts["kept"] == pytest.approx((values[:6] ** 2).sum() / (values**2).sum())
    assert made.dtype == torch.float32


def test_svd_of_all_dimensions_keeps_all_products() -> None:
    matrix = teacher()
    made, facts = of_teacher(24, matrix, start="svd")
    torch.testing.assert_close(made @ made.T, matrix @ matrix.T, rtol=1e-4, atol=1e-4)
    assert facts["kept"] == pytest.approx(1.0)


def principal_components(matrix: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal components as rows, by a singular value decomposition of the centred matrix."""
    return np.linalg.svd(matrix - matrix.mean(0), full_matrices=False)[2][:count]


def published_post_processing(matrix: np.ndarray, removed: int) -> np.ndarray:
    """Return algorithm 1 of Raunak et al. 2019, vector by vector as it stands there."""
    centred = matrix - matrix.mean(0)
    components = principal_components(matrix, removed)
    return np.stack([v - sum((u @ v) * u for u in components) for v in centred])


def test_ppa_is_the_published_algorithm() -> None:
    matrix = teacher()
    made, facts = of_teacher(10, matrix, start="ppa", removed=3)
    processed = published_post_processing(matrix.double().numpy(), 3)
    reduced = (processed - processed.mean(0)) @ principal_components(processed, 10).T
    expected = published_post_processing(reduced, 3)
    signs = np.sign((expected * made.numpy()).sum(0))
    np.testing.assert_allclose(made.numpy(), expected * signs, atol=1e-4)
    assert facts["removed"] == 3
    assert of_teacher(20, matrix, start="ppa")[1]["removed"] == 14


def test_full_is_the_teachers_own_and_nothing_that_training_would_change_there() -> None:
    matrix = teacher()
    made, _ = of_teacher(24, matrix, start="full")
    assert torch.equal(made, matrix)
    made += 1
    assert not torch.equal(made, matrix)


def test_random_rows_are_small_and_the_seeds() -> None:
    one, again, other = (start(EmbeddingStart(start="random"), 300, 20, None, [], seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert 0.09 < float(one.abs().max()) < 0.1
    assert abs(float(one.mean())) < 0.005


def test_a_files_vectors_are_found_by_the_spelling_of_pieces_and_counted(tmp_path: Path) -> None:
    made, facts = from_file(written(tmp_path, FASTTEXT))
    expected = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-0.01, 0, 0.5]])
    torch.testing.assert_close(made[2:6], expected)
    assert made[[0, 1, 6]].abs().max() < 0.1
    assert facts == {
        "start": "file",
        "files": ["vectors.vec"],
        "found": 4,
        "missing": 3,
        "overlap": pytest.approx(4 / 7),
        "found_in_lower_case": 1,
    }
    again, _ = from_file(tmp_path / "vectors.vec")
    assert torch.equal(made, again)


def test_the_first_of_several_files_that_has_a_word_counts(tmp_path: Path) -> None:
    alone, of_one = from_file(written(tmp_path, FASTTEXT))
    (tmp_path / "second.vec").write_text("the 9 9 9\nxqz 4 5 6\n")
    files = [str(tmp_path / name) for name in ("vectors.vec", "second.vec")]
    made, facts = start(EmbeddingStart(start="file", file=files), len(PIECES), 3, None, PIECES, 1)
    assert torch.equal(made[:6], alone[:6])
    assert made[6].tolist() == [4, 5, 6]
    assert (facts["files"], facts["found"]) == (["vectors.vec", "second.vec"], of_one["found"] + 1)


def test_a_file_of_each_language_is_read_in_the_tasks_order() -> None:
    start_ = EmbeddingStart(start="file", file="wiki.{language}.vec").in_languages(["sw", "af"])
    assert start_.files == ["wiki.sw.vec", "wiki.af.vec"]
    assert EmbeddingStart(start="file", file="glove.txt").in_languages(["sw", "af"]).files == ["glove.txt"]
    assert EmbeddingStart().in_languages(["sw"]) == EmbeddingStart()


def test_glove_has_no_first_line_and_words_with_spaces_and_may_be_packed(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("the 1 2 3\n. . . 9 9 9\nxqz 4 5 6\n")
    made, facts = from_file(path)
    assert made[[2, 6]].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert facts["found"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FASTTEXT.replace("5 3", "5 4"), "vectors.vec: holds vectors of 4 numbers, expected 3, the width of the embed"),
        ("the 1 2 3 4\n", "vectors.vec: holds vectors of 4 numbers, expected 3, the width of the embedding"),
        (FASTTEXT.replace("7 8 9", "7 8"), "vectors.vec:4: found 2 numbers after a word, expected 3"),
        (
            FASTTEXT.replace("7 8 9", "7 eight 9"),
            "vectors.vec:4: found something that is not a number (could not convert",
        ),
        (FASTTEXT.replace("7 8 9", "7 nan 9"), "vectors.vec:4: found a number that is not finite"),
        (FASTTEXT.replace("5 3", "6 3"), "vectors.vec: holds 5 vectors, expected 6, as its first line says; is it cut"),
        ("", "vectors.vec: holds 0 vectors, expected at least one"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SmeltError) as caught:
        from_file(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_cut_off_while_packed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match="no such file: expected word vectors"):
        from_file(tmp_path / "none.vec")
    whole = gzip.compress(FASTTEXT.encode())
    (tmp_path / "cut.gz").write_bytes(whole[:-12])
    (tmp_path / "spoilt.gz").write_bytes(whole[:12] + bytes(len(whole) - 20) + whole[-8:])
    for name in ("cut", "spoilt"):
        with pytest.raises(SmeltError, match=rf"{name}\.gz: cannot be unpacked") as caught:
            from_file(tmp_path / f"{name}.gz")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "width", "message"),
    [
        ({"start": "svd"}, 25, "student.embedding: found 25, expected with start: svd no more than 500 pieces and 24"),
        ({"start": "full"}, 23, "student.embedding: found 23, expected the teacher's own width, 24, with start: full"),
        ({"start": "ppa", "removed": 12}, 11, "embeddings.removed: found 12, expected at most student.embedding, 11"),
    ],
)
def test_a_width_that_the_teacher_cannot_give_is_one_line(settings: dict, width: int, message: str) -> None:
    with pytest.raises(SmeltError) as caught:
        of_teacher(width, teacher(), **settings)
    assert str(caught.value).startswith(message)
