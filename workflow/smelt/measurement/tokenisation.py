"""Measure how a tokenizer cuts the words of a task, and whether split words are missed (mALBERT, section 3.3).

The file written for a model and a task holds:

    model, task, scheme, languages, runs (the seeds' folders), sentences, words, words_without_pieces
    segmentation  a row a language ("all" first, then each where there are several) and population: language,
                  population, words, pieces, fertility (pieces a word), added_segmentation (percent: 100 *
                  (pieces / words - 1)), words_kept_whole, share_kept_whole
    correlations  a row a population and set of conditions: see smelt.measurement.correlations
    by_pieces     a row a population and number of pieces: population, pieces, words, missed, share_missed, low, high,
                  examples (the words that are missed most often)

Populations are "entity words" (gold label not O), "other words" and "all words"; a task whose labels are no spans,
such as part of speech, has "all words" only. A value that does not exist is null.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.measurement.correlations import correlate_pieces_and_misses, count_missed_by_pieces
from smelt.measurement.words import add_training_frequency, measure_segmentation, read_words
from smelt.report.significance import Significance
from smelt.tasks.kinds import KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files read and written."""
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions.parquet, one a seed")
    parser.add_argument("--task", type=Path, required=True, help="folder with train.parquet and task.json")
    parser.add_argument(
        "--settings",
        action=KeyValues,
        kind=Significance,
        required=True,
        help="confidence, resamples and seed of intervals",
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    add_examples(
        parser,
        "--model models/mbert --predictions predictions.parquet --task sst2 --settings seed=1 --output words.json",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the tokenisation study of one model on one task."""
    study = measure(arguments.predictions, arguments.task, arguments.settings)
    write_json(arguments.output, {"model": arguments.model} | study)
    print(f"{arguments.model} on {study['task']}: {study['words']} words of {study['sentences']} sentences measured")


def measure(predictions: list[Path], folder: Path, settings: Significance) -> dict[str, Any]:
    """Return the study of one model's predictions, one file a seed, on the task of a folder.

    Raises:
        SmeltError: a file is missing or not of a token task, or the files do not hold the same words.
    """
    task = read_labels(folder)
    words = add_training_frequency(read_words(predictions), folder / "train.parquet")
    whole = words[words["pieces"] > 0]
    return {
        "task": task.name,
        "scheme": task.scheme,
        "languages": sorted(set(words["language"])),
        "runs": [path.parent.name for path in predictions],
        "sentences": int(words["sentence"].nunique()),
        "words": len(words),
        "words_without_pieces": len(words) - len(whole),
        "segmentation": measure_segmentation(whole, task.spans),
        "correlations": correlate_pieces_and_misses(whole, task.spans, settings),
        "by_pieces": count_missed_by_pieces(whole, task.spans, settings.confidence),
    }


@dataclass(frozen=True)
class WordLabels:
    """A task of labelled words, and the scheme of its labels."""

    name: str
    scheme: str | None

    @property
    def spans(self) -> bool:
        """Whether labels are spans, so that entity words differ from others."""
        return self.scheme is not None


def read_labels(folder: Path) -> WordLabels:
    """Return the task of a folder.

    Raises:
        SmeltError: task.json is missing, or not of a task whose words have labels.
    """
    task = read_json(folder / "task.json")
    if missing := [key for key in ("name", "kind", "scheme") if key not in task]:
        raise SmeltError(folder / "task.json", f"lacks {', '.join(missing)}: expected what `smelt task` writes")
    if (kind := KINDS.get(str(task["kind"]))) is None or not kind.labels_words:
        raise SmeltError(folder / "task.json", f"is a {task['kind']} task: only words with labels can be studied")
    return WordLabels(task["name"], task["scheme"])
