"""What a model was made from: texts with their dates, licences, models of the hub, and the energy that it took."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.card import TOKENS, CardValue
from smelt.files import read_json
from smelt.languages import iso_codes
from smelt.licences import LICENCES, OtherLicence, hub_licence, licence_of_card, licence_of_wikipedia, shared_licence
from smelt.model_folder import read_published_card
from smelt.publish.subject import CARD, PROVENANCE, PublishedModel
from smelt.report.runs import machines_in_words, read_cost
from smelt.study.corpora import Corpus
from smelt.study.makers.adopt import Adopt
from smelt.study.makers.base import BlocksRead, TextsRead
from smelt.study.paths import is_generated

GENERATED, UNKNOWN = "texts that smelt generates", "not known"


@dataclass(frozen=True)
class CorpusPart:
    """A part of a corpus, as a card names it."""

    name: str
    languages: list[str]
    version: str
    """The date of a dump, or the commit of a data set."""
    licence: str | OtherLicence | None
    hub: str | None = None
    """The data set on the hub."""


@dataclass(frozen=True)
class Terms:
    """The licence of a model, and where it comes from."""

    licence: str | OtherLicence | None
    why: str
    """A sentence."""

    def sentences(self) -> str:
        """The licence and where it comes from, for a card."""
        shown = f"`{self.licence}`" if isinstance(self.licence, str) else self.licence
        return f"{shown}. {self.why}" if shown else self.why


def text_sources(corpus: Corpus, languages: list[str]) -> Iterator[CorpusPart]:
    """Yield the parts of a corpus that hold some of these languages; paths of this machine are not named."""
    if (dumps := corpus.wikipedia) and (codes := [code for code in dumps.languages if code in languages]):
        day = f"{dumps.date[:4]}-{dumps.date[4:6]}-{dumps.date[6:]}"
        if all(is_generated(mirror) for mirror in dumps.mirrors):
            yield CorpusPart(GENERATED, codes, day, "mit")
        else:
            yield CorpusPart("Wikipedia's dumps", codes, day, licence_of_wikipedia(dumps.date))
    for name, source in corpus.datasets.items():
        if codes := [code for code in source.languages if code in languages]:
            address = f"[{source.hub}](https://huggingface.co/datasets/{source.hub})"
            title = address if source.hub else f"data set {name} of the study"
            limit = f", the first {source.limit:,} rows of each language" if source.limit else ""
            revision = f"commit {source.revision}{limit}" if source.revision else f"{UNKNOWN}{limit}"
            yield CorpusPart(title, codes, revision, source.licence, source.hub)
    if codes := [code for code in corpus.text if code in languages]:
        yield CorpusPart("text files of the study", codes, UNKNOWN, corpus.text_licence)


def training_texts(published: PublishedModel) -> dict[str, list[CorpusPart]]:
    """Return the texts that it and its sources were trained on, by the model that was."""
    found = {name: _parts(published, entry.blocks) for name, entry, _ in published.made_from()}
    return {name: parts for name, parts in found.items() if parts}


def piece_texts(published: PublishedModel) -> dict[str, list[CorpusPart]]:
    """Return the texts by which pieces of it and of its sources were chosen, by the model with these pieces."""
    found = {}
    for name, entry, _ in published.made_from():
        read = entry.texts
        if tokenizer := entry.trained_tokenizer:
            read = TextsRead(published.catalogue.study.tokenizers[tokenizer].corpus, None)
        found[name] = _parts(published, read)
    return {name: parts for name, parts in found.items() if parts}


def _parts(published: PublishedModel, read: BlocksRead | TextsRead | None) -> list[CorpusPart]:
    if read is None:
        return []
    study = published.catalogue.study
    languages = study.definitions.languages(read.corpus, read.languages)
    return list(text_sources(study.corpora[read.corpus], languages))


def data_rows(published: PublishedModel) -> list[Mapping[str, CardValue]]:
    """Return the rows of the card's table of data."""
    used = {}
    if task := published.task_file:
        languages = task.languages_of("train") or task.languages_of("test")
        version = f"commit {task.source.revision}" if task.source.revision else UNKNOWN
        used[f"fine-tuning on {published.task}"] = [CorpusPart(task.title, languages, version, task.licence)]
    used |= {f"training of {model}": parts for model, parts in training_texts(published).items()}
    used |= {f"pieces of {model}": parts for model, parts in piece_texts(published).items()}
    return [
        {
            "used for": use,
            "texts": part.name,
            "date or version": part.version,
            "languages": " ".join(part.languages),
            "licence": str(part.licence or "not stated"),
        }
        for use, parts in used.items()
        for part in parts
    ]


def tokens_trained_on(published: PublishedModel) -> dict[str, str]:
    """Return how many tokens it and its sources were trained on, by the model that was, from their own cards."""
    found = {}
    for name in training_texts(published):
        path = Path(published.catalogue.paths.model(name)) / CARD
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if row := re.search(rf"^\| {TOKENS} \| ([\d,]+) \|$", text, re.MULTILINE):
            found[name] = row[1]
    return found


def hub_models(published: PublishedModel) -> list[str]:
    """Return the models of the hub that it was made from."""
    entries = [entry for _, entry, _ in published.made_from()]
    return [entry.hub for entry in entries if isinstance(entry, Adopt) and entry.hub]


def relation_of(published: PublishedModel) -> str | None:
    """Return what it is to the models of the hub, as the hub calls it; None where the hub has no word for it."""
    trained = any(entry.blocks for _, entry, _ in published.made_from())
    return published.entry.relation or ("finetune" if published.run or trained else None)


def terms_of(published: PublishedModel) -> Terms:
    """Return its licence: the study's own word, or the one that all it was made from share."""
    study = published.catalogue.study
    if stated := published.entry.licence or study.licence:
        return Terms(stated, "Its makers chose this licence.")
    found = dict(_licences(published, published.model))
    if task := published.task_file:
        found[f"the data of {task.title} ({task.licence})"] = hub_licence(task.licence)
    licences = list(found.values())
    listed = "; ".join(f"{what}: {licence or UNKNOWN}" for what, licence in found.items())
    if shared := shared_licence(licences):
        by_name = ", by its name" if len({str(licence) for licence in licences}) > 1 else ""
        return Terms(shared, f"It is the licence that all it was made from share{by_name} ({listed}).")
    reason = "not all licences of what it was made from are known" if None in licences else "they differ"
    return Terms(None, f"No licence is stated, because {reason} ({listed}).")


def _licences(published: PublishedModel, name: str) -> Iterator[tuple[str, str | OtherLicence | None]]:
    """Yield what a model was made from, each with its licence."""
    study = published.catalogue.study
    entry = study.models[name]
    if name != published.model and entry.licence:
        yield name, entry.licence
        return
    if isinstance(entry, Adopt):
        stated = licence_of_card(read_published_card(Path(published.catalogue.paths.model(name))))
        yield entry.hub or name, stated if isinstance(stated, OtherLicence) or stated in LICENCES else None
    for source in entry.sources:
        yield from _licences(published, source)
    for part in _parts(published, entry.blocks):
        yield part.name if part.version == UNKNOWN else f"{part.name} of {part.version}", part.licence


def languages_of(published: PublishedModel) -> list[str]:
    """Return its languages in ISO 639: those of its own card, or those that it was trained on."""
    stated = read_published_card(published.folder).get("language", [])
    trained = [code for parts in training_texts(published).values() for part in parts for code in part.languages]
    return [stated] if isinstance(stated, str) else list(stated) or iso_codes(trained)


def trained_languages(published: PublishedModel) -> list[str]:
    """Return the languages that it, or the first of its sources that was, was trained on."""
    parts = next(iter(training_texts(published).values()), [])
    return list(dict.fromkeys(code for part in parts for code in part.languages))


# ---- Energy


@dataclass(frozen=True)
class Cost:
    """What the job that made a model took."""

    name: str
    trained: bool
    record: Mapping[str, Any]
    """Its provenance."""
    machine: str
    hours: float

    @property
    def energy(self) -> Mapping[str, Any]:
        """Its energy; empty where it was not measured."""
        return self.record.get("energy") or {}

    def row(self) -> dict[str, CardValue]:
        """Return the row of the card's table."""
        kwh, emitted = self.energy.get("kwh"), self.energy.get("kg_co2e")
        return {
            "model": self.name,
            "made by": str(self.record.get("command", "")),
            "hours": f"{self.hours:.3g}",
            "machine": self.machine,
            "kWh": "not measured" if kwh is None else f"{kwh:.3g}",
            "kg CO2e": UNKNOWN if emitted is None else f"{emitted:.3g}",
        }


def costs_of(published: PublishedModel) -> list[Cost]:
    """Return what it and each of its sources took, as far as they were made here."""
    made: list[tuple[str, bool, Path]] = []
    if published.run and published.task is not None and published.seed is not None:
        made.append((f"{published.model} on {published.task}", not published.entry.selects_pieces, published.run))
        if teacher := published.entry.finetuned_teacher(published.task, published.seed):
            made.append((teacher, True, Path(published.catalogue.paths.finetuned(teacher))))
    made += [
        (name, entry.blocks is not None, folder)
        for name, entry, folder in published.made_from()
        if not entry.makes_finetuned  # the run itself is counted
    ]
    costs = []
    for name, trained, folder in made:
        if (folder / PROVENANCE).is_file():
            cost = read_cost(folder)
            machine = machines_in_words({name: cost})
            costs.append(Cost(name, trained, read_json(folder / PROVENANCE), machine, cost.hours))
    return costs


def emissions(costs: list[Cost], finetuned: bool) -> dict[str, Any] | None:
    """Return the emissions of all trainings as the hub wants them, in grams; None where one is not known."""
    trainings = [cost for cost in costs if cost.trained]
    if not trainings or any(cost.energy.get("kg_co2e") is None for cost in trainings):
        return None
    of = ", ".join(cost.name for cost in trainings)
    return {
        "emissions": float(f"{1000 * sum(cost.energy['kg_co2e'] for cost in trainings):.4g}"),
        "source": f"codecarbon {trainings[0].energy.get('codecarbon', '')}: the trainings of {of}",
        "training_type": "fine-tuning" if finetuned else "pre-training",
        "geographical_location": ", ".join(dict.fromkeys(str(cost.energy["country"]) for cost in trainings)),
        "hardware_used": "; ".join(dict.fromkeys(cost.machine for cost in trainings)),
    }
