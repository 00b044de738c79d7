"""`smelt check <study.yaml>`: validate a study, and print what it will build, without Snakemake."""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from smelt.cli import add_examples
from smelt.environment import VARIABLE, fill_in
from smelt.errors import NO_INPUT, SmeltError
from smelt.languages import wiki_of
from smelt.report.render import two_digits
from smelt.study.catalogue import Catalogue
from smelt.study.corpora import WikipediaSource, local_folder, local_root
from smelt.study.data_sets import DataSet
from smelt.study.finetuning import TaskOptions
from smelt.study.jobs import count_jobs
from smelt.study.makers.base import list_languages
from smelt.study.paths import is_generated
from smelt.study.plan import planned_stages, total
from smelt.study.revisions import unpinned

MOST_NAMED = 4  # folders in a line
WIDTH = 120  # columns that the tables need at least; a narrower terminal folds the lines itself


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file."""
    parser.add_argument("study", type=Path, help="a study file, such as config/config.yaml")
    add_examples(
        parser,
        "my-study.yaml",
    )


class SourcesMissing(SmeltError):
    """The study is as it should be, and some of its sources are not there."""

    exit_code = NO_INPUT


def run(arguments: argparse.Namespace) -> None:
    """Print corpora, tokenizers, models, tasks and the number of jobs.

    Raises:
        SourcesMissing: after that, where local sources are not there; each has been printed.
    """
    catalogue = Catalogue.load(arguments.study)
    console = Console(width=max(Console().width, WIDTH), soft_wrap=True, markup=False, emoji=False)
    console.print(Text.assemble((catalogue.study.study, "bold"), " ", catalogue.study.title), highlight=False)
    for table in (_corpora(catalogue), _tokenizers(catalogue), _models(catalogue), _tasks(catalogue)):
        if table.row_count:
            console.print(table)
    missing, no_commit = missing_sources(catalogue), unpinned(catalogue.study.models)
    for line in warnings(missing, no_commit):
        console.print(line, highlight=False)
    for line in left_over(catalogue):
        console.print(line, highlight=False)
    jobs = count_jobs(catalogue)
    parts = ", ".join(f"{number} {name}" for name, number in jobs.items() if number)
    console.print(f"{sum(jobs.values())} jobs: {parts}", highlight=False)
    results, tried = len(catalogue.finetune.results()), len(catalogue.finetune.tried())
    if results:
        grids = f", chosen from {tried:,} runs of grids" if tried else ""
        console.print(f"{_count(results, 'fine-tuning')}{grids}", highlight=False)
    if stages := planned_stages(catalogue):
        whole = total(stages)
        sizes = f"{two_digits(whole.disk / 1e9)} GB of disk, {two_digits(whole.memory / 1e3)} GB of memory"
        hours = f"{two_digits(whole.cpu_seconds / 3600)} hours of a core without GPUs"
        console.print(f"by estimate {hours}, {sizes}; `smelt plan` shows each stage", highlight=False)
        for line in catalogue.shapes.assumptions():
            console.print(line, highlight=False)
    if missing or no_commit:
        number = len(missing) + len(no_commit)
        found = f"{_count(number, 'source')} {'is' if number == 1 else 'are'} missing (see above)"
        raise SourcesMissing(arguments.study, f"the file is right, but {found}. What needs none of them can be made")


def missing_sources(catalogue: Catalogue) -> dict[str, list[str]]:
    """Return the local files and folders that are neither there nor generated, each with the keys that name it.

    A folder in the place of a file is not that file, nor the other way round.
    """
    named: dict[str, list[str]] = {}
    sources = [(key, file, False) for key, file in _files(catalogue)]
    sources += [(key, folder, True) for key, folder in _folders(catalogue)]
    for key, written, is_folder in sources:
        source = fill_in(written)
        path = Path(source)
        if not is_generated(source) and (not path.exists() or path.is_dir() != is_folder):
            named.setdefault(source, []).append(key)
    return named


def left_over(catalogue: Catalogue) -> list[str]:
    """Return a line on what runs of grids have left that the study no longer has; nothing where there is nothing.

    What is left of a grid that the study has is removed when its best run is chosen.
    """
    paths, grids = catalogue.paths, catalogue.finetune.grids()
    weights = [folder for folder in Path(paths.grid_weights("")).glob("*/*/seed-*") if _run_of(folder) not in grids]
    stopped = [
        folder
        for folder in Path(paths.grid_checkpoints("")).glob("*/*/seed-*/*")
        if folder.name not in grids.get(_run_of(folder.parent), {})
    ]
    if not (found := [*weights, *stopped]):
        return []
    size = sum(file.stat().st_size for folder in found for file in folder.rglob("*") if file.is_file())
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    named = ", ".join(map(str, found[:MOST_NAMED])) + more
    runs = f"weights of runs of grids that the study no longer has, {two_digits(size / 1e9)} GB"
    return [f"{runs}: {named}; delete what you do not need"]


def _run_of(folder: Path) -> str:
    """Return the run that a folder is named after: <model>/<task>/seed-<n>."""
    return "/".join(folder.parts[-3:])


def _folders(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the local folders that the study reads, each with the key that names it."""
    for name, corpus in catalogue.study.corpora.items():
        if corpus.wikipedia:
            yield from ((f"corpora.{name}.wikipedia.mirror", folder) for folder in _dump_folders(corpus.wikipedia))
        for key, source in corpus.datasets.items():
            place = f"corpora.{name}.datasets.{key}"
            yield from ((f"{place}.{part}", folder) for part, folder in _data_set_folders(source))
    for name, model in catalogue.study.models.items():
        yield from ((f"models.{name}.{key}", folder) for key, folder in model.local_folders.items())


def _files(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Yield the local files that the study reads, each with the key that names it."""
    for name, corpus in catalogue.study.corpora.items():
        for language in corpus.text:
            yield from ((f"corpora.{name}.text.{language}", file) for file in corpus.texts(language))
        for key, source in corpus.datasets.items():
            place = f"corpora.{name}.datasets.{key}.files"
            yield from ((f"{place}.{language}", file) for language, file in _unmatched(source))
    for name, model in catalogue.study.models.items():
        for key, folder in model.local_folders.items():
            if Path(fill_in(folder)).is_dir():
                yield f"models.{name}.{key}", f"{folder}/config.json"
        for _, task in catalogue.runs.pairs(model=name):
            found = model.local_files(catalogue.runs.tasks[task].languages_of("train"))
            yield from ((f"models.{name}.{key}", file) for key, files in found.items() for file in files)
    for name, definition in catalogue.tasks.files.items():
        yield from ((f"tasks.{name}", file) for file in definition.local_files())


def _dump_folders(source: WikipediaSource) -> Iterator[str]:
    """Yield the folders that dumps are read from, as far as no other mirror, or an earlier run, has them."""
    if missing := _needed_folders(source.mirrors):
        yield from missing
        return
    for wiki in map(wiki_of, source.languages):
        folders = [local_folder(mirror, wiki, source.date) for mirror in source.mirrors]
        there = [f"resources/dumps/{wiki}/{source.date}", *filter(None, folders)]
        if all(folders) and not any(Path(folder).exists() or is_generated(folder) for folder in there):
            yield there[1]


def _data_set_folders(source: DataSet) -> Iterator[tuple[str, str]]:
    """Yield the folder of a data set, and those of its configurations where no card says otherwise, each with its key.

    A folder within one that is not there is not named.
    """
    if source.folder is None:
        return
    yield "folder", source.folder
    folder = Path(fill_in(source.folder))
    if folder.is_dir() and not (folder / "README.md").exists():
        yield from ((f"configs.{language}", f"{source.folder}/{name}") for language, name in source.configs.items())


def _unmatched(source: DataSet) -> Iterator[tuple[str, str]]:
    """Yield the patterns of a data set's folder that no file matches, each with its language."""
    folder = Path(fill_in(source.folder)) if source.folder else None
    if folder is not None and folder.is_dir():
        for language, named in source.files.items():
            for pattern in [named] if isinstance(named, str) else named:
                if not any(path.is_file() for path in folder.glob(pattern)):
                    yield language, f"{source.folder}/{pattern}"


def _needed_folders(mirrors: list[str]) -> list[str]:
    """Return the folders that mirrors are, unless one of them can be read or is reached over a network."""
    folders = [local_root(mirror) or "" for mirror in mirrors]
    missing = [folder or mirror for folder, mirror in zip(folders, mirrors, strict=True) if _lacks(folder, mirror)]
    return missing if len(missing) == len(mirrors) else []


def _lacks(folder: str, mirror: str) -> bool:
    """Return whether a local mirror is not there, or the address of another names a variable that is not set."""
    if folder:
        return not is_generated(folder) and not Path(folder).exists()
    return VARIABLE.search(fill_in(mirror)) is not None


def warnings(missing: Mapping[str, list[str]], no_commit: Sequence[str] = ()) -> list[str]:
    """Return a line for each key whose sources are not there, and for each environment variable that is not set.

    Args:
        missing: local sources, each with the keys that name it.
        no_commit: models of the hub whose commits are not pinned yet, which are one line.
    """
    unset = Counter(name for source in missing for name in VARIABLE.findall(source))
    lines = [
        f"not set: {name}, under which {_count(count, 'source')} {'lies' if count == 1 else 'lie'}"
        for name, count in unset.items()
    ]
    by_key: dict[tuple[str, str], list[str]] = {}
    for source, keys in missing.items():
        if "${" not in source:
            by_key.setdefault((keys[0], _fault(Path(source))), []).append(str(Path(source).absolute()))
    if no_commit:
        named = f"{no_commit[0]}{f' and {len(no_commit) - 1} more' if no_commit[1:] else ''}"
        lines.append(f"no commit pinned: {named}; `smelt pin <study file>` looks {_count(len(no_commit), 'model')} up")
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


def _corpora(catalogue: Catalogue) -> Table:
    table = _table("Corpora", "name", "languages", "sources", "alpha")
    for name, corpus in catalogue.study.corpora.items():
        dumps = f"dumps of {corpus.wikipedia.date}" if corpus.wikipedia else ""
        texts = f"{len(corpus.text)} languages of text files" if corpus.text else ""
        sources = ", ".join(filter(None, [dumps, *map(_data_set, corpus.datasets.values()), texts]))
        table.add_row(
            name, f"{len(corpus.languages)}: {' '.join(corpus.languages)}", sources, f"{corpus.sampling.alpha:g}"
        )
    return table


def _data_set(source: DataSet) -> str:
    first = f"the first {source.limit:,} rows of " if source.limit else ""
    return f"{first}{source.hub or source.folder}"


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
        table.add_row(name, model.maker, *model.describe(catalogue.study.definitions))
    return table


def _training_examples(options: TaskOptions) -> str:
    """Return how many training examples there are."""
    per = f" per {options.per}" if options.per else ""
    return f"{options.limit:,}{per}" if options.limit else "all"


def _tasks(catalogue: Catalogue) -> Table:
    table = _table("Tasks", "name", "kind", "languages", "metric", "training examples", "models x seeds")
    for name, task in catalogue.tasks.files.items():
        options = catalogue.study.options(name)
        pairs = catalogue.runs.pairs(task=name)
        seeds = [str(len(catalogue.runs.seeds_of(*pair))) for pair in pairs]
        table.add_row(
            name,
            task.kind,
            list_languages(task.languages),
            task.metric,
            _training_examples(options),
            f"{len(pairs)} x {' or '.join(dict.fromkeys(seeds)) or len(catalogue.runs.seeds)}",
        )
    return table
