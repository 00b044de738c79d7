"""The card that is published: the model's own, with scores, data and their dates, licence, energy and citation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smelt.card import RECORD, one_or_all, place_of, table_text
from smelt.errors import not_found
from smelt.languages import iso_codes
from smelt.licences import fields_of_card
from smelt.model_folder import name_of, read_citation, read_published_card
from smelt.publish.scores import PublishedScore, scores_of
from smelt.publish.sources import (
    Cost,
    Terms,
    costs_of,
    data_rows,
    emissions,
    hub_models,
    languages_of,
    relation_of,
    terms_of,
    tokens_trained_on,
    trained_languages,
    training_texts,
)
from smelt.publish.subject import CARD, PublishedModel
from smelt.tasks.kinds import kind_of

if TYPE_CHECKING:
    from huggingface_hub import ModelCard, ModelCardData

ORDER = ("Use", "Scores", "Model", "Data")
"""Sections that stand first; those of the model's own card follow, then LAST."""
LAST = ("Limits", "Energy", "Licence", "Citation")
ONE_RUN = "In percent, of this one fine-tuning. The best epoch was chosen on validation; test sets chose nothing."
FINETUNED = (
    "In percent, each the mean over the seeds of fine-tuning; the interval is Student's t over these seeds, and holds"
    " neither another pretraining nor other test examples. The best epoch was chosen on validation; test sets chose"
    " nothing."
)
AS_IT_IS = "In percent, of the model as it is, without fine-tuning; test sets chose nothing."


@dataclass(frozen=True)
class PublishedCard:
    """A card, and what it lacks."""

    card: "ModelCard"
    terms: Terms
    missing: Sequence[str]
    """Lines on what a reader of it would look for in vain."""


def make_card(published: PublishedModel, repository: str) -> PublishedCard:
    """Return the card of a model that goes to `repository`, owner/name on the hub."""
    from huggingface_hub import ModelCard

    scores, costs, terms = scores_of(published), costs_of(published), terms_of(published)
    data = _metadata(published, repository, scores, costs, terms)
    title, sections = _own_sections(published, repository)
    sections |= {
        "Scores": _scores(scores),
        "Data": _data(published),
        "Limits": _limits(published, scores, sections.get("Limits", "")),
        "Energy": _energy(costs),
        "Licence": terms.sentences(),
        "Citation": _citation(published, repository),
    }
    own = [name for name in sections if name not in (*ORDER, *LAST)]
    body = [title, *(f"## {name}\n\n{sections[name]}" for name in (*ORDER, *own, *LAST) if sections.get(name)), RECORD]
    text = "\n\n".join([f"---\n{data.to_yaml()}\n---", *body]) + "\n"
    return PublishedCard(ModelCard(text), terms, _missing(data, scores, costs, terms))


def _metadata(
    published: PublishedModel,
    repository: str,
    scores: Sequence[PublishedScore],
    costs: Sequence[Cost],
    terms: Terms,
) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    own, results = read_published_card(published.folder), [score.result() for score in scores]
    bases, task = hub_models(published), published.task_file
    texts = [part.hub for parts in training_texts(published).values() for part in parts if part.hub]
    learnt = [task.source.hub] if task and task.source.hub else []
    return ModelCardData(
        language=languages_of(published) or None,
        **fields_of_card(terms.licence),
        library_name=own.get("library_name", "transformers"),
        pipeline_tag=kind_of(task).pipeline if task else own.get("pipeline_tag"),
        base_model=one_or_all(bases),
        base_model_relation=relation_of(published) if bases else None,
        datasets=list(dict.fromkeys([*texts, *learnt])) or None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        tags=["smelt"],
        co2_eq_emissions=emissions(list(costs), published.run is not None),
        model_name=repository.partition("/")[2] if results else None,
        eval_results=results or None,
    )


def _own_sections(published: PublishedModel, repository: str) -> tuple[str, dict[str, str]]:
    """Return the title with the summary, and the sections by their headings, of the card in the model's folder."""
    path = published.folder / CARD
    if not path.is_file():
        raise not_found(path, expected="the card that every model gets")
    text = (
        re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).replace(RECORD, "").strip()
    )
    title, *rest = re.split(r"^## (.+)\n+", text, flags=re.MULTILINE)
    sections = {name: part.strip() for name, part in zip(rest[::2], rest[1::2], strict=True)}
    sections["Use"] = re.sub(re.escape(place_of("")) + r"[\w.-]+", repository, sections.get("Use", ""))
    if published.run:
        sections.pop("Test", None)  # they are among the scores
    return re.sub(r"\A# .*", f"# {name_of(published.folder)}", title.strip()), sections


def _scores(scores: Sequence[PublishedScore]) -> str:
    parts = []
    of_one = all(len(score.values) == 1 for score in scores)
    for learnt, note in ((True, ONE_RUN if of_one else FINETUNED), (False, AS_IT_IS)):
        if rows := [score.row() for score in scores if score.learnt is learnt]:
            parts += [table_text(rows), note]
    return "\n\n".join(parts)


def _data(published: PublishedModel) -> str:
    rows = data_rows(published)
    counted = [f"{name} was trained on {tokens} tokens" for name, tokens in tokens_trained_on(published).items()]
    notes = [f"{'; '.join(counted)}: repeated text counts each time."] if counted else []
    if bases := hub_models(published):
        notes.append(f"What {' and '.join(bases)} learnt from is said on their own cards.")
    return "\n\n".join([*([table_text(rows)] if rows else []), *notes])


def _limits(published: PublishedModel, scores: Sequence[PublishedScore], own: str) -> str:
    """Return the limits that the model's own card states, and what is not known or was not tested."""
    found = []
    tested = set(iso_codes(code for score in scores for code in score.languages))
    trained = iso_codes(trained_languages(published))
    if not scores:
        found.append("No score of it is known: it was tested on no task.")
    elif untested := [code for code in trained if code not in tested]:
        found.append(f"Its texts are in {' '.join(untested)} as well, in which it was not tested.")
    if not published.run and (
        once := [score.task.title for score in scores if len(score.values) == 1 and score.learnt]
    ):
        listed = ", ".join(dict.fromkeys(once))
        found.append(f"One seed of fine-tuning on {listed}: how much another one would differ is not known.")
    corpora = published.catalogue.study.corpora
    read = [entry.blocks.corpus for _, entry, _ in published.made_from() if entry.blocks]
    if scores and any(corpora[name].cleaning.test_examples is None for name in read):
        found.append("Whether examples of the test sets stand in its training texts was not looked for.")
    found.append("Bias, harmful content and personal data in its texts or its predictions were not examined.")
    return "\n".join([*([own, ""] if own else []), *(f"- {line}" for line in found)])


def _energy(costs: Sequence[Cost]) -> str:
    if not costs:
        return ""
    note = "Not in it: corpora, tokenizers, the fine-tunings behind the scores, and what models of the hub took."
    ways = {f"{part}: {how}" for cost in costs for part, how in cost.energy.get("known_by", {}).items() if cost.energy}
    known = ["How it was known:", "\n".join(f"- {way}" for way in sorted(ways))] if ways else []
    return "\n\n".join([table_text([cost.row() for cost in costs]), note, *known])


def _citation(published: PublishedModel, repository: str) -> str:
    owner, _, name = repository.partition("/")
    finished = str(published.provenance.get("finished", ""))[:4]
    own = (
        f"@misc{{{re.sub('[^a-z0-9]+', '-', name.lower())},\n  author = {{{owner}}},\n  title = {{{name}}},\n"
        f"  year = {{{finished}}},\n  url = {{https://huggingface.co/{repository}}},\n  note = {{made with smelt}}\n}}"
    )
    folders = [folder for _, _, folder in published.made_from()]
    cited = [found for folder in folders if (found := read_citation(folder))]
    return "```bibtex\n" + "\n\n".join(dict.fromkeys([own, *cited])) + "\n```"


def _missing(data: "ModelCardData", scores: Sequence[PublishedScore], costs: Sequence[Cost], terms: Terms) -> list[str]:
    lines = {
        "license": f"licence: {terms.why} Set `licence` of the model or of the study",
        "language": "language: none is known",
        "co2_eq_emissions": "emissions: the study named no `country`, or the energy was not measured",
    }
    found = [line for key, line in lines.items() if not data.get(key)]
    if not any(cost.trained for cost in costs):
        found = [line for line in found if line != lines["co2_eq_emissions"]]
    return found + ([] if scores else ["scores: it was tested on no task here"])
