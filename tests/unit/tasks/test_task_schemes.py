"""IOB1, IOB2 and BILOU in, IOB2 out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.tasks.schemes import ImpossibleTagError, convert_to_iob2


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("iob1", "I-PER I-PER O I-LOC B-LOC", "B-PER I-PER O B-LOC B-LOC"),
        ("iob1", "I-PER I-LOC I-LOC", "B-PER B-LOC I-LOC"),
        ("iob2", "B-PER I-PER B-PER O", "B-PER I-PER B-PER O"),
        ("bilou", "U-PER B-LOC I-LOC L-LOC O U-LOC", "B-PER B-LOC I-LOC I-LOC O B-LOC"),
    ],
)
def test_valid_sequences_mark_the_same_spans_in_iob2(scheme, tags, expected):
    assert convert_to_iob2(tags.split(), scheme) == (expected.split(), 0)


@pytest.mark.parametrize(
    ("scheme", "tags", "expected", "repaired"),
    [
        ("iob2", "O I-PER I-PER", "O B-PER I-PER", 1),
        ("iob2", "B-PER I-LOC", "B-PER B-LOC", 1),
        ("iob1", "O B-PER", "O B-PER", 1),
        ("bilou", "L-PER O", "B-PER O", 1),
        ("bilou", "B-PER O", "B-PER O", 1),
        ("bilou", "B-PER", "B-PER", 1),
        ("bilou", "U-PER I-PER", "B-PER B-PER", 2),
    ],
)
def test_sequences_that_break_their_scheme_are_repaired_and_counted(scheme, tags, expected, repaired):
    assert convert_to_iob2(tags.split(), scheme) == (expected.split(), repaired)


@pytest.mark.parametrize("tag", ["B", "X-PER", "L-PER", "PER", "B-", "", "BI-PER"])
def test_impossible_tags_are_errors_with_their_position(tag):
    with pytest.raises(ImpossibleTagError) as caught:
        convert_to_iob2(["O", tag], "iob2")
    assert caught.value.position == 1


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=12), st.sampled_from(["iob1", "iob2"]))
def test_whatever_comes_in_valid_iob2_comes_out(tags, scheme):
    converted, _ = convert_to_iob2(tags, scheme)
    assert convert_to_iob2(converted, "iob2") == (converted, 0)
    assert [tag == "O" for tag in converted] == [tag == "O" for tag in tags]
