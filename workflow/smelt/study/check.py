"""`python -m smelt check <study.yaml>`: validate a study, and print what it will build, without Snakemake."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from smelt.errors import NO_INPUT, SmeltError
from smelt.study.catalogue import GENERATED, Catalogue
from smelt.study.makers import Adopt, Amplify, Compress, Distil, Export, Pretrain, Reduce, Trained
from smelt.study.mirrors import local_root
from smelt.study.schema import TaskOptions

WIDTH = 120  # columns that the tables need at least; a narrower terminal folds the lines itself


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file."""
    parser.add_argument("study", type=Path, help="a study file, such as config/config.yaml")


class SourcesMissing(SmeltError):
    """The study is as it should be, and some of its sources are not there."""

    exit_code = NO_INPUT


def run(arguments: argparse.Namespace) -> None:
    """Print corpora, tokenizers, models, tasks and the number of jobs.

    Raises:
        SourcesMissing: after that, where local sources are not there; each has been printed.
    """
    catalogue = Catalogue.load(arguments.study)
    console = Console(width=max(Console().width, WIDTH), soft_wrap=True)
    console.print(f"[bold]{catalogue.study.study}[/bold] {catalogue.study.title}".rstrip(), highlight=False)
    for table in (_corpora(catalogue), _tokenizers(catalogue), _models(catalogue), _tasks(catalogue)):
        if table.row_count:
            console.print(table)
    missing = missing_sources(catalogue)
    for line in warnings(missing):
        console.print(line, highlight=False)
    jobs = count_jobs(catalogue)
    parts = ", ".join(f"{number} {name}" for name, number in jobs.items() if number)
    console.print(f"{sum(jobs.values())} jobs: {parts}", highlight=False)
    if missing:
        found = f"{_count(len(missing), 'source')} {'is' if len(missing) == 1 else 'are'} missing (see above)"
        raise SourcesMissing(arguments.study, f"the file is right, but {found}. What needs none of them can be made")


def count_jobs(catalogue: Catalogue) -> dict[str, int]:
    """Return the number of jobs of each kind that the study takes from nothing to its report."""
    study = catalogue.study
    return {
        "generated sources": len(generated_sources(catalogue)),
        "downloads": len(catalogue.mirrors),
        "corpora": len(catalogue.corpus_statistics()),
        "tokenizers": len(study.tokenizers),
        "block sets": len(catalogue.blocks()),
        "counts": len(catalogue.counts()),
        "models": len(study.models),
        "int8 exports to weigh": len(catalogue.int8_exports()),
        "efficiency": 1 if catalogue.efficiencies() else 0,
        "tasks": len(catalogue.tasks),
        "fine-tunings": len({*catalogue.finetuned(), *catalogue.teacher_runs()}),
        "signals": len(catalogue.signals()),
        "tokenisation studies": len(catalogue.tokenisations()),
        "tables": len(study.tables),
        "scores and comparisons": 2 if study.tasks else 0,
        "figures": len(catalogue.figures()),
        "page": 1,
    }


def generated_sources(catalogue: Catalogue) -> list[str]:
    """Return the dumps and tasks that the project generates for the study."""
    dumps = [
        f"{wiki} {date}"
        for (wiki, date), mirrors in catalogue.mirrors.items()
        if any(mirror.startswith(GENERATED) for mirror in mirrors)
    ]
    return dumps + [
        name for name, task in catalogue.tasks.items() if any(file.startswith(GENERATED) for file in task.local_files())
    ]


def missing_sources(catalogue: Catalogue) -> dict[str, list[str]]:
    """Return the local files and folders that are neither there nor generated, each with the keys that name it.

    A folder in the place of a file is not that file, nor the other way round.
    """
    named: dict[str, list[str]] = {}
    sources = [(key, file, False) for key, file in _files(catalogue)]
    sources += [(key, folder, True) for key, folder in _folders(catalogue)]
    for key, source, is_folder in sources:
        path = Path(source)
        if not source.startswith(GENERATED) and (not path.exists() or path.is_dir() != is_folder):
            named.setdefault(source, []).append(key)
    return named


def _folders(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the local folders that the study reads, each with the key that names it."""
    for name, corpus in catalogue.study.corpora.items():
        if corpus.wikipedia:
            yield from ((f"corpora.{name}.wikipedia.mirror", folder) for folder in _needed(corpus.wikipedia.mirrors))
    for name, model in catalogue.study.models.items():
        if isinstance(model, Adopt) and model.folder:
            yield f"models.{name}.folder", model.folder


def _files(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the local files that the study reads, each with the key that names it."""
    for name, corpus in catalogue.study.corpora.items():
        for language in corpus.text:
            yield from ((f"corpora.{name}.text.{language}", file) for file in corpus.texts(language))
    for name, model in catalogue.study.models.items():
        if isinstance(model, Compress):
            for _, task in catalogue.runs(model=name):
                languages = catalogue.tasks[task].languages_of("train")
                files = model.embeddings.in_languages(languages).files
                yield from ((f"models.{name}.embeddings.file", file) for file in files)
    for name, definition in catalogue.tasks.items():
        yield from ((f"tasks.{name}", file) for file in definition.local_files())


def _needed(mirrors: list[str]) -> list[str]:
    """Return the folders that mirrors are, unless one of them can be read or is reached over a network."""
    folders = [folder for mirror in mirrors if (folder := local_root(mirror)) is not None]
    usable = [folder for folder in folders if folder.startswith(GENERATED) or Path(folder).exists()]
    return folders if len(folders) == len(mirrors) and not usable else []


def warnings(missing: Mapping[str, list[str]]) -> list[str]:
    """Return a line for each key whose sources are not there, and for each environment variable that is not set."""
    unset = Counter(name for source in missing for name in re.findall(r"\$\{(\w+)\}", source))
    lines = [
        f"not set: {name}, under which {_count(count, 'source')} {'lies' if count == 1 else 'lie'}"
        for name, count in unset.items()
    ]
    by_key: dict[tuple[str, str], list[str]] = {}
    for source, keys in missing.items():
        if "${" not in source:
            by_key.setdefault((keys[0], _fault(Path(source))), []).append(str(Path(source).absolute()))
    return lines + [
        f"{fault}: {files[0]}{f' and {len(files) - 1} more' if files[1:] else ''} ({key})"
        for (key, fault), files in by_key.items()
    ]


def _fault(missing: Path) -> str:
    """Return why a path is not the file or folder that is expected."""
    if not missing.exists():
        return "not there"
    return "a folder, where a file is expected" if missing.is_dir() else "a file, where a folder is expected"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)


def _listed(languages: list[str]) -> str:
    """Return the codes of a few languages, or the number of many."""
    return " ".join(languages) if len(languages) <= 20 else f"{len(languages)} languages"


def _corpora(catalogue: Catalogue) -> Table:
    table = _table("Corpora", "name", "languages", "sources", "alpha")
    for name, corpus in catalogue.study.corpora.items():
        dumps = f"dumps of {corpus.wikipedia.date}" if corpus.wikipedia else ""
        texts = f"{len(corpus.text)} languages of text files" if corpus.text else ""
        sources = ", ".join(filter(None, [dumps, texts]))
        table.add_row(
            name, f"{len(corpus.languages)}: {' '.join(corpus.languages)}", sources, f"{corpus.sampling.alpha:g}"
        )
    return table


def _tokenizers(catalogue: Catalogue) -> Table:
    table = _table("Tokenizers", "name", "algorithm", "vocabulary", "corpus", "sample")
    for name, tokenizer in catalogue.study.tokenizers.items():
        table.add_row(
            name, tokenizer.algorithm, f"{tokenizer.vocabulary:,}", tokenizer.corpus, f"{tokenizer.sample:,} lines"
        )
    return table


def _models(catalogue: Catalogue) -> Table:
    table = _table("Models", "name", "maker", "from", "training or pieces kept")
    for name, model in catalogue.study.models.items():
        if isinstance(model, Pretrain):
            shape = model.architecture if isinstance(model.architecture, str) else "own shape"
            table.add_row(name, model.maker, f"{shape}, {model.tokenizer}, {model.corpus}", _training(model))
        elif isinstance(model, Distil):
            languages = _listed(catalogue.languages_of_trained(model))
            layers = "1 layer" if model.student.layers == 1 else f"{model.student.layers} layers"
            training = f"{layers}: {languages}; {_training(model)}"
            table.add_row(name, model.maker, f"{', '.join(model.teachers)}, {model.corpus}", training)
        elif isinstance(model, Reduce):
            kept = f"size {model.size:,}" if model.size else f"threshold {model.share:g}"
            languages = _listed(catalogue.languages_of_reduced(name))
            table.add_row(name, model.maker, f"{model.source}, {model.corpus}", f"{kept} of {model.of}: {languages}")
        elif isinstance(model, Amplify):
            languages = _listed(catalogue.languages_of_amplified(name))
            table.add_row(name, model.maker, f"{model.source}, {model.corpus}", f"{model.pieces:,} more: {languages}")
        elif isinstance(model, Export):
            table.add_row(name, model.maker, model.source, model.format)
        elif isinstance(model, Compress):
            table.add_row(name, model.maker, model.teacher, f"{model.student}: {_strategy(model)}")
        else:
            source = f"{model.hub} at {model.revision}" if model.hub else str(model.folder)
            table.add_row(name, model.maker, source, "")
    return table


def _drawn(options: TaskOptions) -> str:
    """Return how many training examples there are."""
    per = f" per {options.per}" if options.per else ""
    return f"{options.limit:,}{per}" if options.limit else "all"


def _strategy(model: Compress) -> str:
    stages = "1 stage" if len(model.stages) == 1 else f"{len(model.stages)} stages"
    return model.strategy if isinstance(model.strategy, str) else stages


def _training(model: Trained) -> str:
    recipe = model.training
    return f"{model.recipe}: {recipe.duration} of {recipe.batch} x {recipe.length} tokens"


def _tasks(catalogue: Catalogue) -> Table:
    table = _table("Tasks", "name", "kind", "languages", "metric", "training examples", "models x seeds")
    for name, task in catalogue.tasks.items():
        options = catalogue.study.options(name)
        models = len(catalogue.runs(task=name))
        table.add_row(
            name,
            task.kind,
            _listed(task.languages),
            task.metric,
            _drawn(options),
            f"{models} x {len(catalogue.seeds)}",
        )
    return table
