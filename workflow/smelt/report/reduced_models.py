"""What reduced models score, weigh and take, read from scores, records of efficiency, models and their fine-tunings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.changes import change_of
from smelt.report.comparisons import AgainstBaseline
from smelt.report.measures import read_records
from smelt.report.notes import rank
from smelt.report.places import Place, PlaceScores
from smelt.report.runs import ModelCost, machines_in_words, read_cost
from smelt.report.significance import Significance
from smelt.report.statistics import Score
from smelt.report.vocabularies import VocabularyPieces

REDUCTION = "reduction.json"
SCORE_COLUMNS = {
    "language": "language",
    "task": "task",
    "metric": "metric",
    "n": "n",
    "mean": "mean",
    "standard_deviation": "deviation_over_seeds",
    "difference": "difference",
    "difference_deviation": "difference_deviation",
    "p": "p",
    "p_corrected": "p_corrected",
}
"""Columns of the CSV about scores, with the fields of `Score` that they hold."""


@dataclass(frozen=True)
class Cuts:
    """How a reduced tokenizer cuts the held-out lines of a language; None where there are no lines."""

    changed: float | None
    """Share of lines that it cuts otherwise than the whole one."""
    before: float | None
    """Pieces a word of the whole one."""
    after: float | None


@dataclass(frozen=True)
class ReducedModel:
    """A model of a table: what it scores on each task, weighs and takes."""

    model: str
    pieces: int
    """Those of its tokenizer; its embeddings may have more rows."""
    parameters: int
    bytes_fp32: float
    seconds: float
    """Latency, the median."""
    scores: Mapping[str, Score]
    """By task."""
    by_language: Mapping[str, Mapping[str, Score]]
    """By task and language, untested."""
    made: float
    """Hours that making it took, from the whole model on."""
    hours: Mapping[str, float]
    """Hours to one score of each task: those, and one fine-tuning with its evaluation."""
    cuts: Mapping[str, Cuts]
    """How its tokenizer cuts held-out lines of each language; empty where it was not reduced."""

    def rows(self, way: str) -> list[dict[str, Any]]:
        """Return the rows of the CSV: one for each task, and for each language of it."""
        sizes = {"pieces": self.pieces, "parameters": self.parameters, "bytes_fp32": self.bytes_fp32}
        what = {"way": way, "model": self.model} | sizes | {"latency_seconds": self.seconds}
        rows = []
        for task, whole in self.scores.items():
            for code, score in {"": whole, **self.by_language.get(task, {})}.items():
                cut = self.cuts.get(code, Cuts(None, None, None))
                own: dict[str, float | None] = {"hours_made": None, "hours": None}
                own |= {} if code else {"hours_made": self.made, "hours": self.hours[task]}
                own |= {"changed_lines": cut.changed, "pieces_a_word": cut.after, "pieces_a_word_whole": cut.before}
                rows.append(what | score.numbers(SCORE_COLUMNS) | {"task": task, "language": code} | own)
        return rows


@dataclass(frozen=True)
class ReducedModels:
    """The models of a table, and how they were compared and measured."""

    models: Mapping[str, ReducedModel]
    comparison: AgainstBaseline
    processor: str
    """That of the latencies."""
    machines: str
    """Those that the models were made and fine-tuned on."""


@dataclass(frozen=True)
class Shown:
    """What a table shows."""

    models: Sequence[str]
    whole: str
    """The model among them that the others are compared with."""
    tasks: Sequence[str]
    languages: Sequence[str]
    """Those whose scores are wanted one by one."""
    chains: Mapping[str, Sequence[str]]
    """What is made on the way from the whole model to each model, itself first."""
    finetuned_from: Mapping[str, str]
    """The models that are reduced after fine-tuning, each with the one that was fine-tuned."""
    latency: tuple[int, int]
    """Rows and tokens of the passes that were timed."""


def read_reduced_models(sources: Sequence[Path], shown: Shown, significance: Significance) -> ReducedModels:
    """Return the models of a table in its order.

    Args:
        sources: scores.csv first; then records of efficiency, folders of models, metrics of fine-tunings.
        shown: what the table shows.
        significance: how scores are compared.

    Raises:
        SmeltError: a source is missing, or is not what its place says.
    """
    if not sources:
        raise SmeltError("--sources", "expected scores.csv, records of efficiency, models and metrics, found nothing")
    scores = PlaceScores(sources[0])
    comparison = AgainstBaseline(scores, significance, shown.whole)
    records = {str(record["model"]): record for record in read_records(_of(sources, "efficiency"))}
    folders = {path.name: path for path in _of(sources, "models")}
    for model in shown.models:
        if model not in records or model not in folders:
            raise SmeltError("--sources", f"hold no efficiency or folder of the model {model!r}: expected both of each")
    costs = {model: read_cost(folders[model]) for chain in shown.chains.values() for model in chain}
    runs = FinetuningTimes([path for path in sources if path.name == "metrics.json"])
    compared = {task: _compared(scores, comparison, shown.models, task) for task in shown.tasks}
    found = {}
    for model in shown.models:
        chain = shown.chains[model]
        made, after = sum(costs[each].hours for each in chain), shown.finetuned_from.get(model)
        found[model] = ReducedModel(
            model,
            len(VocabularyPieces(folders[model])),
            records[model]["parameters"]["total"],
            records[model]["bytes"]["fp32"],
            _seconds(records[model], *shown.latency),
            {task: compared[task][model] for task in shown.tasks},
            {task: _languages(scores, shown.whole, model, task, shown.languages) for task in shown.tasks},
            made,
            {task: made + runs.hours(model, task, after) for task in shown.tasks},
            _cuts([folders[each] for each in (model, *chain)], shown.languages),
        )
    processor = records[shown.whole]["machine"]["processor"]
    return ReducedModels(found, comparison, processor, machines_in_words(costs | runs.costs))


def _of(paths: Sequence[Path], folder: str) -> list[Path]:
    return [path for path in paths if path.parent.name == folder]


def _compared(scores: PlaceScores, comparison: AgainstBaseline, models: Sequence[str], task: str) -> dict[str, Score]:
    """Return the score of each model on a task, with its difference from the whole model's and its test."""
    line = {model: Place(model, task, model, task) for model in models}
    found, p_values = [], comparison.p_values(line)
    for model, place in line.items():
        score = scores.score(place)
        if model in p_values:
            p, corrected = p_values[model]
            score = replace(score, p=p, p_corrected=corrected)
        found.append(_against(scores, score, place, line[comparison.baseline]))
    return {score.row: score for score in rank(found, lambda _: task, comparison.significance.alpha)}


def _languages(scores: PlaceScores, whole: str, model: str, task: str, codes: Sequence[str]) -> dict[str, Score]:
    """Return the score of a model in each language that a task tests, with its difference from the whole model's."""
    found = {}
    for code in codes:
        own, other = (Place(row, code, row, task, language=code) for row in (model, whole))
        if scores.whole(own):
            found[code] = _against(scores, scores.score(own), own, other)
    return found


def _against(scores: PlaceScores, score: Score, own: Place, other: Place) -> Score:
    if own.model == other.model or not score.n:
        return score
    change = change_of(scores.whole(own), scores.whole(other))
    return replace(
        score,
        reference=other.model,
        difference=change.difference,
        difference_deviation=change.deviation,
        kept=change.kept,
    )


def _seconds(record: Mapping[str, Any], batch: int, length: int) -> float:
    for entry in record["devices"].get("cpu", {}).get("latency", []):
        if (entry["batch"], entry["length"]) == (batch, length):
            return float(entry["seconds"]["median"])
    what = f"{record['model']!r} has no latency of {batch} × {length} tokens on cpu"
    raise SmeltError("--sources", f"{what}: measure it, or show what was")


def _cuts(folders: Sequence[Path], languages: Sequence[str]) -> dict[str, Cuts]:
    """Return how the tokenizer of the first reduced model cuts held-out lines of languages; none where none is."""
    path = next((folder / REDUCTION for folder in folders if (folder / REDUCTION).is_file()), None)
    if path is None:
        return {}
    try:
        proof = read_json(path)["proof"]["languages"]
        shares = {code: proof[code]["share_of_lines_that_tokenise_differently"] for code in languages if code in proof}
        words = {code: [proof[code][when]["fertility"] for when in ("before", "after")] for code in shares}
    except (KeyError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected what `smelt reduce` writes") from None
    return {code: Cuts(share, *words[code]) for code, share in shares.items()}


class FinetuningTimes:
    """What fine-tunings took, by model and task."""

    def __init__(self, metrics: Sequence[Path]) -> None:
        """Take metrics.json of each run, beside which its provenance stands."""
        self._folders: dict[tuple[str, str], list[Path]] = {}
        self.costs: dict[str, ModelCost] = {}
        for path in metrics:
            _, task, model = (parent.name for parent in list(path.parents)[:3])
            self._folders.setdefault((model, task), []).append(path.parent)

    def hours(self, model: str, task: str, source: str | None) -> float:
        """Return the hours of a run to its score, mean over seeds; nan where it was not run.

        source: the model whose fine-tuning was reduced, where that was done afterwards: a run of the model is then the
            evaluation alone, and the reduction stands in the folder `model` of it.
        """
        folders = self._folders.get((model, task), [])
        hours = self._mean(model, folders)
        if source is None:
            return hours
        reduction = self._mean(model, [folder / "model" for folder in folders])
        return self._mean(source, self._folders.get((source, task), [])) + reduction + hours

    def _mean(self, model: str, folders: Sequence[Path]) -> float:
        if not folders:
            return float("nan")
        costs = [read_cost(folder) for folder in folders]
        self.costs[model] = costs[0]
        return fmean(cost.hours for cost in costs)
