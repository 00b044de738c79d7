"""The rule that chooses example sentences."""

import pandas as pd
import pytest

from smelt.errors import SmeltError
from smelt.report.tables.example import EXAMPLE_RULE, choose_examples


def predictions(sentences: list[tuple[list[int], list[str]]]) -> pd.DataFrame:
    """Return predictions of sentences given as (pieces of each word, gold label of each word)."""
    rows = [
        {
            "example": 100 + number,
            "language": "en",
            "words": [f"w{number}-{place}" for place in range(len(counts))],
            "gold": gold,
            "predicted": ["O"] * len(gold),
            "pieces": [[f"p{piece}" for piece in range(count)] for count in counts],
        }
        for number, (counts, gold) in enumerate(sentences)
    ]
    return pd.DataFrame(rows)


GOLD = ["B-LOC", "O", "O", "O", "O", "O"]
COARSE = predictions([([1] * 6, GOLD), ([1] * 6, GOLD), ([1] * 5, GOLD[:5]), ([1] * 6, ["O"] * 6), ([1] * 6, GOLD)])
FINE = predictions(
    [
        ([2, 1, 1, 1, 1, 1], GOLD),
        ([4, 1, 1, 1, 1, 1], GOLD),
        ([9, 1, 1, 1, 1], GOLD[:5]),  # too short
        ([9, 9, 9, 9, 9, 9], ["O"] * 6),  # no entity
        ([1, 9, 9, 9, 9, 9], GOLD),  # only other words differ
    ]
)


def test_the_sentence_whose_entity_words_differ_most_comes_first() -> None:
    chosen = choose_examples({"fine": FINE, "coarse": COARSE}, 5)
    assert [(example.example, example.difference) for example in chosen] == [(101, 3), (100, 1), (104, 0)]


def test_an_example_holds_each_models_reading_in_the_order_given() -> None:
    (example,) = choose_examples({"fine": FINE, "coarse": COARSE})
    assert list(example.readings) == ["fine", "coarse"]
    assert example.readings["fine"].pieces[0] == ["p0", "p1", "p2", "p3"]
    assert (example.words[0], example.gold, example.language) == ("w1-0", GOLD, "en")


def test_predictions_play_no_part_in_the_choice() -> None:
    right = FINE.assign(predicted=FINE["gold"])
    ours = choose_examples({"fine": right, "coarse": COARSE}, 3)
    theirs = choose_examples({"fine": FINE, "coarse": COARSE}, 3)
    assert [example.example for example in ours] == [example.example for example in theirs]
    assert "no part" in EXAMPLE_RULE


def test_ties_go_by_position_and_a_repeated_sentence_counts_once() -> None:
    twice = pd.concat([FINE.iloc[[1, 0]], FINE.iloc[[1]]])
    plain = pd.concat([COARSE.iloc[[1, 0]], COARSE.iloc[[1]]])
    assert [example.example for example in choose_examples({"fine": twice, "coarse": plain}, 3)] == [101, 100]
    assert [example.example for example in choose_examples({"coarse": COARSE}, 3)] == [100, 101, 104]


def test_models_that_read_other_sentences_are_refused_by_name() -> None:
    with pytest.raises(
        SmeltError, match="predictions of coarse: hold other sentences or gold labels than those of fine"
    ):
        choose_examples({"fine": FINE, "coarse": COARSE.iloc[::-1]})


def test_a_test_set_without_entities_has_no_examples() -> None:
    assert choose_examples({"fine": FINE.iloc[[3]]}) == []
