"""The rule that chooses example sentences."""

import os
from pathlib import Path

import pandas as pd
import pytest
from small_results import MODELS, Results

from smelt.errors import SmeltError
from smelt.report.tables.example import EXAMPLE_RULE, choose_examples, find_example


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


SENTENCE = [
    "the",
    "acquisition",
    "of",
    "Daniels",
    "Pharmaceuticals",
    "Inc",
    "of",
    "St.",
    "Petersburg",
    ",",
    "Fla.",
    ",",
    "for",
    "shares",
]
PART = "acquisition of Daniels Pharmaceuticals Inc of St. Petersburg, Fla."  # as mALBERT's text spells it


def sentence(words: list[str], pieces: int) -> pd.DataFrame:
    row = {"example": 7, "language": "en", "words": words, "gold": ["O"] * len(words)}
    return pd.DataFrame(
        [row | {"predicted": row["gold"], "pieces": [[f"{word}-{piece}" for piece in range(pieces)] for word in words]}]
    )


def test_a_part_of_a_sentence_is_found_whatever_the_blanks() -> None:
    other = sentence(["Daniels", "manufactures"], 1)
    frames = {name: pd.concat([other, sentence(SENTENCE, pieces)]) for name, pieces in (("fine", 3), ("coarse", 1))}
    shown, note = find_example(frames, PART, "validation")
    assert shown.words == SENTENCE[1:11]
    assert (shown.start, len(shown.readings["fine"].pieces), shown.readings["fine"].pieces[2][0]) == (
        1,
        10,
        "Daniels-0",
    )
    assert note == "Example 7 of the validation set, words 2 to 11 of 14. The study names it."


def test_words_count_whole_and_the_first_of_several_sentences_is_shown() -> None:
    frames = {"only": pd.concat([sentence(["an", "Inca", "of"], 1), sentence(["Inc", "of"], 1), sentence(SENTENCE, 1)])}
    shown, note = find_example(frames, "Inc of", "test")
    assert (shown.words, shown.start) == (["Inc", "of"], 0)
    assert note == "Example 7 of the test set; 1 more sentences hold these words. The study names it."


def test_a_text_that_no_sentence_holds_is_one_line_with_the_nearest() -> None:
    frames = {"only": pd.concat([sentence(["Daniels", "manufactures"], 1), sentence(SENTENCE, 1)])}
    with pytest.raises(SmeltError) as error:
        find_example(frames, "acquisition of Daniel Pharmaceutical Inc", "test")
    assert str(error.value) == (
        "text 'acquisition of Daniel Pharmaceutical Inc': no test sentence holds these words one after the other;"
        " the nearest: 'acquisition of Daniels Pharmaceuticals Inc' (example 7)"
    )
    with pytest.raises(SmeltError, match="one after the other; none resembles it"):
        find_example(frames, "xyz", "test")


def test_malbert_s_sentence_stands_in_conll_2003_s_development_set() -> None:
    if "SMELT_DATA" not in os.environ:
        pytest.skip("SMELT_DATA names no folder of data")
    path = Path(os.environ["SMELT_DATA"], "tasks/conll2003/eng.testa")
    if not path.exists():
        pytest.skip(f"no {path}")
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    words = [[line.split(" ")[0] for line in block.splitlines()] for block in blocks if block.strip()]
    frame = pd.concat([sentence(each, 1) for each in words if len(each) > 1][:3400], ignore_index=True)
    shown, _ = find_example({"only": frame}, PART, "test")
    assert shown.words == SENTENCE[1:11]


def test_predictions_for_validation_lie_beside_those_for_test(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    assert results.example_table(split="validation", text="Ωmega #1") == 1
    missing = results.path("finetuned", MODELS[0], "ner", "seed-1", "predictions-validation.parquet")
    found = "is not there: earlier versions kept no predictions for validation. Delete its folder, and run again"
    assert f"smelt: {missing}: {found}" in capsys.readouterr().err
    for model in MODELS[:2]:
        folder = results.path("finetuned", model, "ner", "seed-1")
        frame = pd.read_parquet(folder / "predictions.parquet").assign(example=41)
        frame.to_parquet(folder / "predictions-validation.parquet")
    assert results.example_table(split="validation", text="Ωmega #1") == 0
    text = results.read("tables", "table_3.md").replace("\\", "")
    assert "| Text | Ωmega | #1 |" in text
    assert "Example 41 of the validation set, words 7 to 8 of 8. The study names it." in text
    numbers = pd.read_csv(results.path("tables", "table_3.csv"))
    assert numbers["position"].tolist() == [6, 7, 6, 7]
