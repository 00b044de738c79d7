"""The model card: README.md beside a model's weights, as the hub reads it (Mitchell et al. 2019)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

CardValue = str | int | float


@dataclass(frozen=True)
class Card:
    """The content of a model's card."""

    name: str
    summary: str
    """How the model was made, in a sentence or two."""
    languages: list[str]
    """Codes of ISO 639, as the hub wants them."""
    facts: Mapping[str, CardValue]
    """Architecture and size: a table of name and value."""
    tables: Mapping[str, list[Mapping[str, CardValue]]] = field(default_factory=dict)
    """Further sections by heading, each a table of rows with the same keys: languages, recipe, validation."""
    limits: str = ""
    """Uses that the model does not suit, and what was not checked."""
    fills_masks: bool = True
    """Whether it keeps a masked-language-model head."""
    base_model: str | None = None
    licence: str | None = None
    use: str | None = None
    """How to use it, in Markdown; by transformers by default."""
    library: str = "transformers"
    """The library that loads it, by the hub's name."""
    pipeline: str | None = None
    """Its pipeline, by the hub's name; by default the one that fills_masks implies."""
    citation: str | None = None
    """How to cite the model that it was made from, in BibTeX."""


def write_card(folder: Path, card: Card) -> None:
    """Write README.md into a model's folder."""
    (folder / "README.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: Card) -> str:
    """Return the card as Markdown with the front matter that the hub indexes."""
    parts = [_front_matter(card), f"# {card.name}", card.summary, "## Model", _facts(card.facts)]
    for heading, rows in card.tables.items():
        parts += [f"## {heading}", _table(rows)] if rows else []
    parts += ["## Use", _use(card)]
    parts += ["## Limits", card.limits] if card.limits else []
    parts += ["## Citation", f"```bibtex\n{card.citation}\n```"] if card.citation else []
    parts += ["How it was made, to the digit: `provenance.json`."]
    return "\n\n".join(parts) + "\n"


def _front_matter(card: Card) -> str:
    fields = {
        "library_name": card.library,
        "pipeline_tag": card.pipeline or ("fill-mask" if card.fills_masks else "feature-extraction"),
        "language": card.languages,
        "license": card.licence,
        "base_model": card.base_model,
        "tags": ["smelt"],
    }
    kept = {key: value for key, value in fields.items() if value}
    # Norwegian's code is `no`: PyYAML quotes it, so that readers do not take it for false.
    return f"---\n{yaml.safe_dump(kept, allow_unicode=True, sort_keys=False)}---"


def _facts(facts: Mapping[str, CardValue]) -> str:
    return _table([{"": name, "value": value} for name, value in facts.items()])


def _table(rows: list[Mapping[str, CardValue]]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---" if isinstance(rows[0][column], str) else "---:" for column in columns]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: CardValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else re.sub(r"([|<])", r"\\\1", " ".join(value.split()))


def _use(card: Card) -> str:
    if card.use is not None:
        return card.use
    kind = "AutoModelForMaskedLM" if card.fills_masks else "AutoModel"
    return (
        f"```python\nfrom transformers import {kind}, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("path/to/{card.name}")\n'
        f'model = {kind}.from_pretrained("path/to/{card.name}")\n```'
    )
