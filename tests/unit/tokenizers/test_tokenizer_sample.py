import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.errors import SmeltError
from smelt.mixture import Mixture
from smelt.tokenizers.sample import draw, lines, quotas, split_long

Documents = Callable[[str, list[str]], Path]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(1, 50), st.integers(1, 10**6)), min_size=1),
    st.integers(1, 400),
)
def test_quotas_add_up_and_give_no_language_more_than_it_has(languages: dict[str, tuple[int, int]], size: int) -> None:
    available = {name: count for name, (count, _) in languages.items()}
    given_lines = quotas(available, {name: words**0.5 for name, (_, words) in languages.items()}, size)
    assert sum(given_lines.values()) == min(size, sum(available.values()))
    assert all(given_lines[name] <= available[name] for name in available)


def test_quotas_follow_the_weights_to_the_line() -> None:
    assert quotas({"a": 1000, "b": 1000, "c": 1000}, {"a": 4.0, "b": 2.0, "c": 1.0}, 70) == {"a": 40, "b": 20, "c": 10}


def test_what_a_small_language_lacks_goes_to_the_others_by_weight() -> None:
    assert quotas({"a": 1000, "b": 1000, "c": 3}, {"a": 2.0, "b": 1.0, "c": 3.0}, 63) == {"a": 40, "b": 20, "c": 3}


def test_alpha_raises_the_share_of_small_languages(documents: Documents) -> None:
    files = [documents("big", ["one two three four"] * 900), documents("small", ["one two three four"] * 100)]
    natural, flat = draw(files, 80, Mixture(), 1), draw(files, 80, Mixture(alpha=0), 1)
    assert [natural.shares[name].drawn for name in ("big", "small")] == [72, 8]
    assert [flat.shares[name].drawn for name in ("big", "small")] == [40, 40]


def test_a_largest_share_leaves_more_lines_to_the_others(documents: Documents) -> None:
    sizes = {"big": 900, "middle": 200, "small": 100}
    files = [documents(name, ["one two three four"] * size) for name, size in sizes.items()]
    capped = draw(files, 60, Mixture(max_share=0.4), 1)
    assert {name: share.drawn for name, share in capped.shares.items()} == {"big": 24, "middle": 24, "small": 12}


def test_held_out_documents_are_never_drawn(documents: Documents) -> None:
    file = documents("xx", [f"document {number}" for number in range(50)])
    drawn = draw([file], 1000, Mixture(), 1).lines
    assert set(drawn).isdisjoint(lines(file, held_out=True))
    assert sorted(drawn) == sorted(lines(file, held_out=False))


def test_a_seed_draws_the_same_lines_again_and_another_draws_others(documents: Documents) -> None:
    file = documents("xx", [f"first {number}\nsecond {number}" for number in range(200)])
    first, again, other = (draw([file], 50, Mixture(), seed).lines for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 50


def test_adding_a_language_keeps_the_order_of_draws_of_the_others(documents: Documents) -> None:
    texts = [f"line {number}" for number in range(100)]
    one, two = documents("one", texts), documents("two", texts)
    together = draw([one, two], 40, Mixture(), 3)
    assert together.lines[:20] == draw([one], 20, Mixture(), 3).lines


@given(st.text(st.sampled_from("ab .。\n\u00e9日😀"), max_size=300), st.integers(8, 60))
def test_long_lines_are_split_into_short_ones_without_loss(line: str, limit: int) -> None:
    parts = split_long(line, limit)
    assert all(0 < len(part.encode()) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(line.split())


def test_long_lines_are_cut_after_sentences_then_words_then_characters() -> None:
    assert split_long("One two. Three four. Five", 21) == ["One two. Three four.", "Five"]
    assert split_long("one two three four", 10) == ["one two", "three four"]
    assert split_long("日本。語語語語", 12) == ["日本。", "語語語語"]
    assert split_long("語" * 5, 7) == ["語語", "語語", "語"]


def test_long_lines_are_counted_not_dropped(documents: Documents) -> None:
    generator = random.Random(1)
    long = " ".join("".join(generator.choices("abcde", k=5)) for _ in range(3000))
    sample = draw([documents("xx", ["held out", long, "short"])], 10, Mixture(), 1)
    assert sample.split == 1
    assert " ".join(sample.lines) == long + " short"


def test_a_corpus_without_training_lines_is_refused(documents: Documents) -> None:
    with pytest.raises(SmeltError, match="no training line"):
        draw([documents("xx", ["held out only"])], 10, Mixture(), 1)


def test_two_files_of_one_language_are_refused(documents: Documents) -> None:
    file = documents("xx", ["a", "b"])
    with pytest.raises(SmeltError, match="a second file of 'xx'"):
        draw([file, file], 10, Mixture(), 1)
