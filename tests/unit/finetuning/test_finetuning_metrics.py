"""Scores by hand, and that the test split chooses nothing."""

import math
import random

import pytest
import torch

from smelt.errors import SmeltError
from smelt.finetuning.batches import predict
from smelt.finetuning.outcome import Scorer, print_scores
from smelt.report.scores import own_metric
from smelt.tasks.kinds import KINDS, METRICS
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.metrics import MetricValues
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import Encoded, Window


def numbers(*labels: int) -> WindowPredictions:
    """Return predictions of a label for each text."""
    return WindowPredictions([[label] for label in labels], [[1.0] for _ in labels])


def scored(metric: str, gold: list[list[str]], predicted: list[list[str]]) -> MetricValues:
    """Return the scores of English examples."""
    return METRICS[metric].score(gold, predicted, ["en"] * len(gold))


def test_spans_count_where_borders_and_type_are_right():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predicted = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "I-LOC"]]
    found = scored("seqeval-f1", gold, predicted)
    assert found == {
        "f1": pytest.approx(1 / 3),
        "precision": pytest.approx(1 / 3),
        "recall": pytest.approx(1 / 3),
        "accuracy": pytest.approx(4 / 6),
    }


def test_a_predicted_inside_tag_that_continues_nothing_begins_a_span():
    assert scored("seqeval-f1", [["B-PER", "I-PER"]], [["I-PER", "I-PER"]])["f1"] == 1.0


def test_no_span_at_all_is_a_score_of_zero_without_an_error():
    assert scored("seqeval-f1", [["O", "O"]], [["O", "O"]])["f1"] == 0.0


def test_accuracy_and_macro_f1_of_classes():
    found = scored("accuracy", [["a"], ["a"], ["b"], ["c"]], [["a"], ["b"], ["b"], ["b"]])
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)


def test_a_task_judged_by_macro_f1_names_its_accuracy_micro_f1_so_that_tables_know_its_metric():
    task = Task("t", "sequence-classification", "macro-f1", None, ["a", "b"])
    scorer = Scorer(task, Examples([], [], {}, []), Encoded([]))
    gold = [["a"]] * 8 + [["b"]] * 2
    blind = scored("macro-f1", gold, [["a"]] * 10)
    fair = scored("macro-f1", gold, [["b"]] * 3 + [["a"]] * 5 + [["b"]] * 2)
    assert set(blind) == {"macro_f1", "micro_f1"}
    assert (blind["micro_f1"], fair["micro_f1"]) == (0.8, 0.7)
    assert scorer.better(fair, blind)
    assert own_metric(set(blind)) == "macro_f1"


def test_macro_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    gold, predicted = list("aabbccddab"), list("abbbcadeaa")
    ours = scored("accuracy", [[label] for label in gold], [[label] for label in predicted])["macro_f1"]
    assert ours == pytest.approx(f1_score(gold, predicted, average="macro"))


def test_details_name_every_type_with_its_support():
    report = METRICS["seqeval-f1"].details([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]])
    assert report["PER"]["f1-score"] == 1.0
    assert report["LOC"] == {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 1}


def test_details_of_no_span_at_all_are_none_rather_than_averages_that_are_not_numbers():
    assert METRICS["seqeval-f1"].details([["O", "O"]], [["O", "O"]]) == {}
    found = METRICS["seqeval-f1"].details([["O", "O"]], [["B-LOC", "O"]])
    assert all(math.isfinite(value) for values in found.values() for value in values.values())


def test_a_set_without_a_span_is_named_beside_its_f1(capsys):
    task = Task("t", "token-classification", "seqeval-f1", "iob2", ["O", "B-X"])
    examples = Examples([0, 1], ["en", "fr"], {"words": [["a"], ["b"]]}, [["B-X"], ["O"]])
    row = {"split": "test", "metric": "f1"}
    print_scores(
        [row | {"language": "en", "value": 1.0}, row | {"language": "fr", "value": 0.0}], task, {"test": examples}
    )
    assert capsys.readouterr().out.splitlines() == [
        "test: en: f1 1.0000 (1)",
        "test: fr: f1 0.0000 (1; no span in them, so F1 is 0 whatever the model)",
    ]


def test_predictions_of_a_model_whose_outputs_are_not_numbers_are_refused():
    window = Window(0, [5], [0], [0])
    kind, nothing = KINDS["sequence-classification"], torch.tensor([[math.nan, 0.0]])
    with pytest.raises(SmeltError, match="outputs are not numbers: its training has diverged"):
        predict(kind, lambda _: nothing, Encoded([window], [[0]]), 1, 0, torch.device("cpu"))


def test_languages_are_scored_apart_and_together():
    task = Task("t", "sequence-classification", "accuracy", None, ["a", "b"])
    examples = Examples([0, 1, 2], ["en", "fr", "fr"], {"text": ["x", "y", "z"]}, [["a"], ["b"], ["b"]])
    encoded = Encoded([Window(number, [], [0], [0]) for number in range(3)])
    scores = dict(Scorer(task, examples, encoded).by_language(numbers(0, 0, 1)))
    assert {language: values["accuracy"] for language, values in scores.items()} == {
        "en": 1.0,
        "fr": 0.5,
        "all": pytest.approx(2 / 3),
        "mean": 0.75,
        "deviation": pytest.approx(0.125**0.5),
    }


def test_a_task_that_averages_over_languages_is_judged_by_their_mean():
    task = Task("t", "sequence-classification", "accuracy", None, ["a", "b"], average="languages")
    examples = Examples([0, 1, 2], ["en", "fr", "fr"], {"text": ["x", "y", "z"]}, [["a"], ["b"], ["b"]])
    scorer = Scorer(task, examples, Encoded([Window(number, [], [0], [0]) for number in range(3)]))
    assert scorer(numbers(0, 0, 1))["accuracy"] == 0.75
    assert [language for language, _ in scorer.by_language(numbers(0, 0, 1))] == ["en", "fr", "mean", "deviation"]
    # Both say 2 of 3 right; over examples they would be equal.
    assert scorer.better(scorer(numbers(0, 0, 1)), scorer(numbers(1, 1, 1)))


def conll_spans(labels: list[str]) -> set[tuple[int, int, str]]:
    """Return (first word, behind the last, type) of each span of well-formed IOB2, as conlleval counts them."""
    begins = [place for place, label in enumerate(labels) if label.startswith("B-")]
    found = set()
    for begin in begins:
        end = begin + 1
        while end < len(labels) and labels[end] == f"I-{labels[begin][2:]}":
            end += 1
        found.add((begin, end, labels[begin][2:]))
    return found


def test_span_f1_is_that_of_conlleval_s_counts_on_well_formed_labels():
    draw = random.Random(0)

    def labels(count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            kind = draw.choice(["PER", "LOC", "O"])
            found += ["O"] if kind == "O" else [f"B-{kind}", *[f"I-{kind}"] * draw.randint(0, 2)]
        return found[:count]

    for _ in range(300):
        lengths = [draw.randint(1, 8) for _ in range(draw.randint(1, 4))]
        gold, predicted = ([labels(length) for length in lengths] for _ in range(2))
        right = sum(len(conll_spans(a) & conll_spans(b)) for a, b in zip(gold, predicted, strict=True))
        wanted, given = (sum(len(conll_spans(sentence)) for sentence in side) for side in (gold, predicted))
        f1 = 2 * right / (wanted + given) if right else 0.0
        assert scored("seqeval-f1", gold, predicted)["f1"] == pytest.approx(f1)


def test_seqeval_takes_first_letters_of_bare_tags_for_marks():
    gold = [["DET", "NOUN", "NOUN", "VERB"], ["INTJ"]]
    # The two nouns are one span of type OUN, so that one wrong noun loses both; INTJ is the inside of a span NTJ.
    found = scored("seqeval-f1-of-tags", gold, [["DET", "NOUN", "ADJ", "VERB"], ["INTJ"]])
    assert found["micro_f1"] == pytest.approx(4 / 5)
    assert found["tag_f1"] == pytest.approx(2 * 3 / (4 + 5))
    assert own_metric(set(found)) == "tag_f1"
    assert METRICS["seqeval-f1-of-tags"].details(gold, gold)["NOUN"]["support"] == 2


@pytest.mark.parametrize(
    ("metric", "scheme", "key", "labels"),
    [
        ("seqeval-f1-of-pieces", "iob2", "piece_f1", ["B-PER", "O"]),
        ("seqeval-f1-of-tag-pieces", None, "tag_piece_f1", ["NOUN", "VERB"]),
    ],
)
def test_every_piece_counts_where_pieces_are_scored(model_folder, metric, scheme, key, labels):
    task = Task("t", "token-classification", metric, scheme, labels, label_pieces="all")
    examples = Examples([0], ["en"], {"words": [["anna", "sees", "lima"]]}, [[labels[0], labels[1], labels[0]]])
    encoded = encode(examples, task, load_pieces(model_folder), 32)
    (window,) = encoded.windows
    # ▁ a n n a, ▁sees, ▁ l i m a: each piece has the label of its word, and learns it.
    assert window.words == [0] * 5 + [1] + [2] * 5
    assert encoded.targets == [[0] * 5 + [1] + [0] * 5]
    scorer = Scorer(task, examples, encoded)
    found = WindowPredictions([[0] * 4 + [1] * 2 + [0] * 5], [[1.0] * 11])
    scores = scorer(found)
    assert own_metric(set(scores)) == key
    assert scores["piece_accuracy"] == pytest.approx(10 / 11)
    assert scorer.answers(found) == [[labels[0], labels[1], labels[0]]]  # the first piece decides about its word


def test_words_are_scored_where_all_pieces_are_learnt(model_folder):
    task = Task("t", "token-classification", "seqeval-f1", "iob2", ["B-PER", "O"], label_pieces="all")
    examples = Examples([0], ["en"], {"words": [["anna", "sees"]]}, [["B-PER", "O"]])
    encoded = encode(examples, task, load_pieces(model_folder), 32)
    assert Scorer(task, examples, encoded)(WindowPredictions([[0, 1, 1, 1, 1, 1]], [[1.0] * 6]))["f1"] == 1.0


def test_words_in_several_windows_have_all_their_pieces_once(model_folder):
    task = Task("t", "token-classification", "seqeval-f1-of-pieces", "iob2", ["B-PER", "O"], label_pieces="all")
    words = ["anna", "sees", "the", "lima"] * 8
    examples = Examples([0], ["en"], {"words": [words]}, [["B-PER", "O", "O", "O"] * 8])
    encoded = encode(examples, task, load_pieces(model_folder), 20)
    assert len(encoded.windows) > 3
    assert [word for window in encoded.windows for word in window.words] == [
        word for word, pieces in enumerate(encoded.pieces[0]) for _ in pieces
    ]
