"""predictions.parquet: what a fine-tuned model said of every word, or text, of the test split."""

from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet

from smelt.tasks.prepared import Examples, Task

TEXTS = arrow.list_(arrow.string())
SENTENCE_PREDICTIONS = arrow.schema(
    [
        ("example", arrow.int64()),
        ("language", arrow.string()),
        ("words", TEXTS),
        ("gold", TEXTS),
        ("predicted", TEXTS),
        ("pieces", arrow.list_(TEXTS)),
    ]
)
TEXT_PREDICTIONS = arrow.schema(
    [
        ("example", arrow.int64()),
        ("language", arrow.string()),
        ("text", arrow.string()),
        ("gold", arrow.string()),
        ("predicted", arrow.string()),
        ("probability", arrow.float64()),
    ]
)
PAIR_PREDICTIONS = TEXT_PREDICTIONS.insert(3, arrow.field("pair", arrow.string()))


def write_predictions(
    path: Path,
    task: Task,
    examples: Examples,
    predicted: list[list[str]],
    pieces: list[list[list[str]]],
    probabilities: list[list[float]],
) -> None:
    """Write a row an example.

    Args:
        path: the file to write.
        task: decides the columns, by its kind.
        examples: the split.
        predicted: labels of each example, one a word, or a list of one for a text.
        pieces: pieces of each word of each sentence; unused for texts.
        probabilities: of the predicted label of each text, in the order of the examples; unused for sentences.
    """
    columns = {"example": examples.ids, "language": examples.languages}
    if task.by_word:
        columns |= {"words": examples.words, "gold": examples.gold, "predicted": predicted, "pieces": pieces}
    else:
        columns |= {
            "text": examples.texts,
            "gold": [gold for (gold,) in examples.gold],
            "predicted": [label for (label,) in predicted],
            "probability": [probability for (probability,) in probabilities],
        }
        columns |= {"pair": examples.pairs} if task.pairs else {}
    schema = SENTENCE_PREDICTIONS if task.by_word else PAIR_PREDICTIONS if task.pairs else TEXT_PREDICTIONS
    parquet.write_table(arrow.table(columns, schema=schema), path, compression="zstd")
