"""Tables of materials that only the page shows: tokenizers, tasks and models, and proofs of reductions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import layers_and_width
from smelt.report.records import CURVE, ModelRecord, TaskRecord, read_validation
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row

if TYPE_CHECKING:
    import pandas as pd

_FINAL = {
    "mlm_loss": ("MLM loss", ".3f"),
    "mlm_accuracy": ("MLM accuracy", ".1%"),
    "sop_loss": ("SOP loss", ".3f"),
    "sop_accuracy": ("SOP accuracy", ".1%"),
}


def tokenizer_table(folders: Sequence[Path]) -> PaperTable:
    """Return vocabulary and fertility of each tokenizer: a row a language, a column a tokenizer."""
    found = {folder.name: _statistics(folder) for folder in folders}
    languages = list(dict.fromkeys(language for statistics in found.values() for language in statistics["languages"]))
    rows = [
        Row(language, [Cell(_fertility(statistics["languages"].get(language))) for statistics in found.values()])
        for language in languages
    ]
    heads = [f"{name} ({statistics['settings']['vocabulary']:,} pieces)" for name, statistics in found.items()]
    notes = ["Fertility: pieces per word between white space, on held-out lines. Lower means less splitting."]
    return PaperTable("tokenizers", "Fertility of the tokenizers", [Grid("Language", heads, [Group(rows)])], notes)


def task_table(tasks: Sequence[TaskRecord]) -> PaperTable:
    """Return the sizes of each task's splits, and how many examples stand in two of them."""
    columns = ["Test languages", "Training", "Validation", "Test"]
    columns += ["Validation in training", "Test in training", "Test in validation"]
    contexts = any(task.contexts_in_train for task in tasks)
    if contexts:
        columns += [
            "Validation on contexts of training",
            "Test on contexts of training",
            "Test on contexts of validation",
        ]
    rows = []
    for task in tasks:
        sizes = [Cell(f"{count:,}") for count in (task.languages, *task.examples.values())]
        pairs = [(task.in_train, "validation"), (task.in_train, "test"), (task.in_validation, "test")]
        if contexts:
            pairs += [(task.contexts_in_train, "validation"), (task.contexts_in_train, "test")]
            pairs += [(task.contexts_in_validation, "test")]
        rows.append(Row(task.name, [*sizes, *(_repeated_cell(task, found, split) for found, split in pairs)]))
    notes = [
        f"Counts of examples. The {'columns behind Test' if contexts else 'last three columns'} count those that also "
        "stand in an earlier split, word for word and in the same language"
        f"{', and questions about a context that does' if contexts else ''}: a model may remember them, so scores on "
        "them are too high. To leave them out of training, set repeats: drop in the task file."
    ]
    return PaperTable("tasks", "Tasks", [Grid("Task", columns, [Group(rows)])], notes)


def model_table(models: Sequence[ModelRecord], makers: Mapping[str, str], curves: Sequence[Path]) -> PaperTable:
    """Return maker, size and last validation of each model."""
    curve_of = {path.name.removesuffix(CURVE): path for path in curves}
    columns = ["Maker", "Vocabulary", "Layers × width", "Parameters", "Steps", *(head for head, _ in _FINAL.values())]
    rows = [Row(model.name, [*_shape(model, makers), *_final(curve_of.get(model.name))]) for model in models]
    notes = [
        "Parameters are those in the model's file, heads included, tied ones once. "
        "MLM: masked language modelling; SOP: sentence order prediction; both on held-out documents at the last step."
    ]
    return PaperTable("models", "Models", [Grid("Model", columns, [Group(rows)])], notes)


def _statistics(folder: Path) -> dict[str, Any]:
    path = folder / "statistics.json"
    statistics: dict[str, Any] = read_json(path)
    if "vocabulary" not in statistics.get("settings", {}) or "languages" not in statistics:
        raise SmeltError(path, "has no settings.vocabulary or no languages: expected the statistics of a tokenizer")
    return statistics


def _fertility(language: Mapping[str, Any] | None) -> str:
    value = language.get("fertility") if language else None
    return NONE if value is None else f"{value:.2f}"


def _repeated_cell(task: TaskRecord, found: Mapping[str, int], split: str) -> Cell:
    if split not in found:
        return Cell(NONE)
    count = found[split]
    return Cell(f"{count:,}", detail=f"({count / task.examples[split]:.1%})" if count else "")


def _shape(model: ModelRecord, makers: Mapping[str, str]) -> list[Cell]:
    config = model.config
    vocabulary = f"{config['vocab_size']:,}" if "vocab_size" in config else NONE
    layers, width = (NONE if size is None else size for size in layers_and_width(config))
    parameters = NONE if model.parameters is None else f"{model.parameters:,}"
    texts = [makers.get(model.name, NONE), vocabulary, f"{layers} × {width}", parameters]
    return [Cell(text) for text in texts]


def _final(curve: Path | None) -> list[Cell]:
    """Return the last step and the validation figures there; adopted models have none."""
    if curve is None:
        return [Cell(NONE)] * (1 + len(_FINAL))
    rows = read_validation(curve)
    last = rows[rows["step"] == rows["step"].max()]
    return [
        Cell(f"{last['step'].iloc[0]:,}"),
        *(Cell(_value(last, metric, form)) for metric, (_, form) in _FINAL.items()),
    ]


def _value(rows: "pd.DataFrame", metric: str, form: str) -> str:
    values = rows[rows["metric"] == metric].set_index("language")["value"]
    if values.empty:
        return NONE
    return format(float(values.get("all", values.iloc[0])), form)


# ---- Proofs of reductions

_REDUCTION = "reduction.json"
_PROOF_COLUMNS = [
    "Lines",
    "Of kept pieces",
    "Cut differently",
    "Pieces a word before",
    "Pieces a word after",
    "Unknown before",
    "Unknown after",
    "States compared",
    "Largest difference of a logit",
]
_PROOF_NOTES = [
    "Proof of each reduction, on held-out lines. Every line whose pieces are all kept is cut as before, except that a "
    "word unknown to WordPiece may become known. States compared: lines among these whose hidden states were compared "
    "in every layer, all equal bit for bit; the last column compares the logits of kept pieces on them. A reduction "
    "that fails this proof is not written. Unknown: share of pieces that are the unknown token."
]


def reduction_table(folders: Sequence[Path]) -> PaperTable | None:
    """Return the proofs of all reduced models, a group a model and a row a language; None where there is none."""
    groups = [_proofs(folder) for folder in folders if (folder / _REDUCTION).is_file()]
    caption = "Reduced vocabularies and their proofs"
    if not groups:
        return None
    return PaperTable("reductions", caption, [Grid("Language", _PROOF_COLUMNS, groups)], _PROOF_NOTES)


def _proofs(folder: Path) -> Group:
    record = read_json(folder / _REDUCTION)
    try:
        kept = f"{folder.name}: {record['pieces']:,} of {record['pieces_before']:,} pieces"
        return Group([_proof(language, row) for language, row in record["proof"]["languages"].items()], kept)
    except (KeyError, TypeError):
        raise SmeltError(folder / _REDUCTION, "is no record of a reduction: make the model again") from None


def _proof(language: str, row: Mapping[str, Any]) -> Row:
    before, after, states = row["before"], row["after"], row["states"]
    texts = [
        f"{row['lines']:,}",
        f"{row['lines_whose_pieces_are_all_kept']:,}",
        _percent(row["share_of_lines_that_tokenise_differently"]),
        _three_digits(before["fertility"]),
        _three_digits(after["fertility"]),
        _percent(before["unknown_share"]),
        _percent(after["unknown_share"]),
        f"{states['hidden_states_equal_bit_for_bit']:,}",
        _difference(states),
    ]
    return Row(language, [Cell(text) for text in texts])


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _three_digits(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _difference(states: Mapping[str, Any]) -> str:
    value = states.get("largest_difference")  # a model without a head has none
    return NONE if value is None else f"{value:.1g}"
