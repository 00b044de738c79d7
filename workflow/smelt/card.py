"""The model card: README.md beside a model's weights, as the hub reads it (Mitchell et al. 2019).

What a job knows of its model stands here as it ends, and stays as it is, because the folder is what others are made
from. `smelt publish` completes a copy: scores, licence, data and their dates, energy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smelt.licences import OtherLicence, fields_of_card

CardValue = str | int | float
TOKENS = "tokens trained on"
"""The name, among a card's facts, of how much text a training has seen."""
RECORD = "How it was made, to the digit: `provenance.json`."
"""The last line of every card."""


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
    base_models: Sequence[str] = ()
    """Models of the hub that it is made from."""
    relation: str | None = None
    """What it is to them: `finetune` or `quantized`, as the hub calls it; None where the hub has no word for it."""
    licence: str | OtherLicence | None = None
    use: str | None = None
    """How to use it, in Markdown; by default as its pipeline is used."""
    library: str = "transformers"
    """The library that loads it, by the hub's name."""
    pipeline: str | None = None
    """Its pipeline, by the hub's name; by default the one that fills_masks implies."""
    citation: str | None = None
    """How to cite the model that it was made from, in BibTeX."""

    @property
    def pipeline_tag(self) -> str:
        """Its pipeline, by the hub's name."""
        return self.pipeline or ("fill-mask" if self.fills_masks else "feature-extraction")


def write_card(folder: Path, card: Card) -> None:
    """Write README.md into a model's folder."""
    (folder / "README.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: Card) -> str:
    """Return the card as Markdown with the front matter that the hub indexes."""
    parts = [_front_matter(card), f"# {card.name}", card.summary, "## Model", _facts(card.facts)]
    for heading, rows in card.tables.items():
        parts += [f"## {heading}", table_text(rows)] if rows else []
    parts += ["## Use", card.use or how_to_use(card.pipeline_tag, place_of(card.name))]
    parts += ["## Limits", card.limits] if card.limits else []
    parts += ["## Citation", f"```bibtex\n{card.citation}\n```"] if card.citation else []
    parts += [RECORD]
    return "\n\n".join(parts) + "\n"


def _front_matter(card: Card) -> str:
    from huggingface_hub import ModelCardData

    # Norwegian's code is `no`, which is written in quotes, so that readers do not take it for false.
    data = ModelCardData(
        library_name=card.library,
        pipeline_tag=card.pipeline_tag,
        language=card.languages or None,
        **fields_of_card(card.licence),
        base_model=one_or_all(card.base_models),
        base_model_relation=card.relation,
        tags=["smelt"],
    )
    return f"---\n{data.to_yaml()}\n---"


def one_or_all(values: Sequence[str]) -> str | list[str] | None:
    """Return what the front matter has for names: one by itself, several as a list, None for none."""
    return values[0] if len(values) == 1 else list(values) or None


def _facts(facts: Mapping[str, CardValue]) -> str:
    return table_text([{"": name, "value": value} for name, value in facts.items()])


def table_text(rows: Sequence[Mapping[str, CardValue]]) -> str:
    """Return rows with the same keys as a table in Markdown."""
    columns = list(rows[0])
    lines = [columns, ["---" if isinstance(rows[0][column], str) else "---:" for column in columns]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: CardValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else re.sub(r"([|<])", r"\\\1", " ".join(value.split()))


def place_of(name: str) -> str:
    """Return what stands in lines of Python for a model's folder; its place on the hub once it is published."""
    return f"path/to/{name}"


def how_to_use(pipeline: str, place: str, own_class: bool = False) -> str:
    """Return lines of Python that load a model and use it, in Markdown.

    Args:
        pipeline: its pipeline, by the hub's name.
        place: its folder, or its name on the hub.
        own_class: whether its folder holds the class of the model, which loading runs.
    """
    trust = ", trust_remote_code=True" if own_class else ""
    code = _USES.get(pipeline, _LABELS).format(place=place, pipeline=pipeline, trust=trust)
    return f"```python\n{code}\n```"


_LABELS = """\
from transformers import pipeline

classify = pipeline("{pipeline}", model="{place}"{trust})
print(classify("A text."))"""
_USES = {
    "fill-mask": """\
from transformers import pipeline

fill = pipeline("fill-mask", model="{place}")
for guess in fill(f"A text with a {{fill.tokenizer.mask_token}} in it."):
    print(guess["token_str"], guess["score"])""",
    "feature-extraction": """\
from transformers import AutoModel, AutoTokenizer

tokenizer, model = AutoTokenizer.from_pretrained("{place}"), AutoModel.from_pretrained("{place}")
states = model(**tokenizer("A text.", return_tensors="pt")).last_hidden_state
print(states.shape)""",
    "sentence-similarity": """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{place}")
embeddings = model.encode(["A text.", "Another one."])
print(model.similarity(embeddings, embeddings))""",
    "question-answering": """\
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer, model = (each.from_pretrained("{place}") for each in (AutoTokenizer, AutoModelForQuestionAnswering))
tokens = tokenizer("Who asks?", "The answer stands here.", return_tensors="pt")
first, last = (int(scores.argmax()) for scores in model(**tokens)[:2])
print(tokenizer.decode(tokens["input_ids"][0, first : last + 1]))""",
}
