"""`smelt plan <study.yaml>`: what a study takes, before it runs: jobs, hours, disk, memory and energy of each stage.

Sizes of sources are those of the files that are here; those of dumps elsewhere are asked of their mirror, or given with
`--text`. Rates come from a file, corrected, with `--like`, by a study that this machine has finished.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from smelt.cli import DEMO, KeyValues, add_examples, natural
from smelt.errors import SmeltError, expected_one_of
from smelt.files import write_json
from smelt.report.render import two_digits
from smelt.study.catalogue import Catalogue
from smelt.study.measured import MeasuredStage, measure, ratios
from smelt.study.paths import GENERATED
from smelt.study.plan import StagePlan, StudyPlan, planned_stages, total
from smelt.study.rates import RATES, Rates, read_rates
from smelt.study.schema import check_study
from smelt.study.sizes import Sizes, known_sizes
from smelt.study.workflow import catalogue_of

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
SIZE = re.compile(r"(?P<corpus>[^=/]+)(?:/(?P<language>[^=]+))?=(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[kMGT]?B)")
WIDTH = 112  # columns that the table needs at least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("studies", metavar="study", type=Path, nargs="*", help=f"a study file; by default {DEMO}")
    parser.add_argument(
        "--text",
        nargs="+",
        default=[],
        metavar="CORPUS=SIZE",
        help="text of a corpus, or of CORPUS/LANGUAGE, where it is not here yet, such as wiki=91GB, in equal parts for"
        " the languages whose size is not known; then no mirror is asked",
    )
    parser.add_argument(
        "--rates", type=Path, default=RATES, help="file of a machine's rates; by default config/rates.yaml"
    )
    parser.add_argument(
        "--like",
        type=Path,
        metavar="STUDY",
        help="a study file whose study has run in this folder: its measured times correct the rates of its stages",
    )
    parser.add_argument("--cores", type=natural, default=0, help="cores of the machines, for the days that it takes")
    parser.add_argument("--gpus", type=natural, default=0, help="their GPUs; without any, processors do everything")
    parser.add_argument("--output", type=Path, help="JSON file to write as well")
    parser.add_argument(
        "--written",
        action=KeyValues,
        keys=("study", "models"),
        help="a study as it is written, in place of its file",
    )
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders of its own task files")
    add_examples(
        parser,
        "my-study.yaml",
        "my-study.yaml --text wiki=91GB --cores 64 --gpus 8  # before anything is downloaded",
        "my-study.yaml --like config/studies/mini.yaml",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print what each stage takes.

    Raises:
        SmeltError: the size of a corpus is not known, or a flag is not as it should be.
    """
    catalogue = written(arguments) if arguments.written else catalogue_of(arguments.studies, {})
    measured = measure(catalogue)
    rates = read_rates(arguments.rates)
    if not arguments.gpus and not any(stage.gpu_seconds for stage in measured.values()):
        rates = rates.of_processors()
    sizes = known_sizes(catalogue)
    given = add_given(arguments.text, catalogue, sizes, rates)
    if StudyPlan(catalogue, sizes, rates).unknown():
        ask_mirrors(catalogue, sizes)
    if unknown := StudyPlan(catalogue, sizes, rates).unknown():
        (corpus, language), number = unknown[0], len(unknown)
        where = f"{corpus}/{language}{f' and {number - 1} more' if number > 1 else ''}"
        raise SmeltError(where, f"the size of the text is not known: give it, as in --text {corpus}=10GB")
    factors = factors_of(arguments.like, rates) if arguments.like else {}
    stages = [
        replace(stage, cpu_seconds=stage.cpu_seconds * factors.get(stage.name, 1.0))
        for stage in planned_stages(catalogue, rates, sizes)
    ]
    show(catalogue, stages, measured, rates, factors, arguments)
    if arguments.output:
        plan = describe(stages, measured, rates, sizes, given, factors)
        write_json(arguments.output, plan | {"assumed": catalogue.shapes.assumed})


def written(arguments: argparse.Namespace) -> Catalogue:
    """Return the catalogue of a study that is given as JSON."""
    folders = [folder.parent for folder in arguments.folder]
    return Catalogue(check_study(arguments.written, "--written", folders), *arguments.folder)


def add_given(words: Iterable[str], catalogue: Catalogue, sizes: Sizes, rates: Rates) -> list[str]:
    """Take sizes of text from words such as wiki=91GB and wiki/fr=5GB; return the words.

    Raises:
        SmeltError: one is no size, or names no corpus or language of the study.
    """
    for word in words:
        match = SIZE.fullmatch(word)
        if match is None:
            raise SmeltError("--text", f"expected a size such as wiki=91GB or wiki/fr=5GB, found {word}")
        corpus, language = match["corpus"], match["language"]
        known = catalogue.study.corpora
        if corpus not in known:
            raise SmeltError("--text", f"no corpus is called {corpus!r}: {expected_one_of(corpus, known)}")
        languages = known[corpus].languages
        if language is not None and language not in languages:
            raise SmeltError("--text", f"{corpus} has no language {language!r}: {expected_one_of(language, languages)}")
        whole = float(match["number"]) * UNITS[match["unit"]]
        unknown = [where for where in StudyPlan(catalogue, sizes, rates).unknown() if where[0] == corpus]
        chosen = [(corpus, language)] if language else unknown
        if not chosen:
            raise SmeltError("--text", f"{corpus}: the size of each language is known; name one, as in {corpus}/fr=5GB")
        if language is None:
            whole -= sum(StudyPlan(catalogue, sizes, rates).text_bytes(corpus, [each]) for each in languages)
            if whole <= 0:
                raise SmeltError("--text", f"{word}: the text of {corpus} that is here has more already")
        sizes.text.update(dict.fromkeys(chosen, whole / len(chosen)))
    return list(words)


def ask_mirrors(catalogue: Catalogue, sizes: Sizes) -> None:
    """Ask mirrors for the sizes of dumps that are not here, until one of them cannot be had."""
    from smelt.corpora.download import from_first
    from smelt.corpora.mirror import Patience

    for (wiki, date), mirrors in catalogue.corpora.mirrors.items():
        if (wiki, date) in sizes.dumps or any(mirror.startswith(GENERATED) for mirror in mirrors):
            continue
        try:
            parts = from_first(mirrors, Patience(attempts=1), wiki, date, lambda _, listed: listed)
        except SmeltError:  # its lines are those of a download; what is missing then is said at the end
            print(f"no mirror gives the size of {wiki} {date}", file=sys.stderr)
            return
        sizes.dumps[wiki, date] = float(sum(part.size for part in parts))


def factors_of(study: Path, rates: Rates) -> dict[str, float]:
    """Return how much longer the stages of a study took than planned, by their processor time.

    Args:
        study: its file; it has run in this folder, on processors.
        rates: of the plan.

    Raises:
        SmeltError: nothing of it was measured here.
    """
    catalogue = catalogue_of([study], {})
    found = ratios(planned_stages(catalogue, rates.of_processors()), measure(catalogue))
    if not found:
        raise SmeltError(study, f"no stage of it was measured to its end below {catalogue.paths.benchmarks}")
    return found


def show(
    catalogue: Catalogue,
    stages: list[StagePlan],
    measured: Mapping[str, MeasuredStage],
    rates: Rates,
    factors: Mapping[str, float],
    arguments: argparse.Namespace,
) -> None:
    """Print a row for each stage, their sum, what was measured of them, and what the figures rest on."""
    console = Console(markup=False, emoji=False, highlight=False, width=max(Console().width, WIDTH), soft_wrap=True)
    table = Table(title=f"{catalogue.study.study}: what it takes, by estimate", title_justify="left", box=None)
    table.add_column("stage", no_wrap=True)
    for column in ("jobs", "CPU hours", *(["GPU hours"] if rates.gpu else []), "disk, GB", "memory, GB", "kWh"):
        table.add_column(column, justify="right")
    for column in ("jobs measured", "their CPU hours", "ratio") if measured else ():
        table.add_column(column, justify="right")
    ratio = ratios(stages, measured)
    for stage in [*stages, total(stages)]:
        mark = " *" if stage.name in factors else ""
        hours = [stage.cpu_seconds / 3600, *([stage.gpu_seconds / 3600] if rates.gpu else [])]
        figures = [*hours, stage.disk / 1e9, stage.memory / 1e3, stage.kwh(rates)]
        took = measured.get(stage.name)
        compared = [f"{took.jobs:,}", two_digits(took.cpu_seconds / 3600)] if took else ["", ""]
        compared += [f"{ratio[stage.name]:.2f}" if stage.name in ratio else ""]
        cells = [f"{stage.jobs:,}", *map(two_digits, figures), *(compared if measured else [])]
        table.add_row(f"{stage.name}{mark}", *cells)
    console.print(table)
    console.print(f"Rates: {rates.machine} ({arguments.rates.name}).")
    if rates.gpu:
        console.print(f"GPU: {rates.gpu.name}.")
    if factors:
        console.print(f"* corrected by the times of {arguments.like}.")
    if measured:
        console.print(
            f"Measured: below {catalogue.paths.benchmarks}; ratio: of CPU hours, where all jobs were measured."
        )
    if arguments.cores:
        gpus = f" and {arguments.gpus} GPUs" if arguments.gpus else ""
        console.print(f"On {arguments.cores} cores{gpus}: {days(stages, arguments)}, if none of them waits.")
    if passing := total(stages).checkpoints:
        console.print(f"Beside it, checkpoints take up to {two_digits(passing / 1e9)} GB until the workflow has ended.")
    for line in catalogue.shapes.assumptions():
        console.print(line)
    console.print("Memory is that of the largest job; compressions are counted with all the epochs that they may take.")


def days(stages: Iterable[StagePlan], arguments: argparse.Namespace) -> str:
    """Return the time that it takes if cores and GPUs never wait, in words."""
    whole = total(list(stages))
    seconds = max(whole.cpu_seconds / arguments.cores, whole.gpu_seconds / max(arguments.gpus, 1))
    return f"{two_digits(seconds / 86400)} days" if seconds > 2 * 86400 else f"{two_digits(seconds / 3600)} hours"


def describe(
    stages: list[StagePlan],
    measured: Mapping[str, MeasuredStage],
    rates: Rates,
    sizes: Sizes,
    given: list[str],
    factors: Mapping[str, float],
) -> dict[str, object]:
    """Return the plan as JSON, and beside it what was measured."""
    took = {name: vars(stage) for name, stage in measured.items()}
    ratio = ratios(stages, measured)
    compared = {stage.name: {"ratio": ratio.get(stage.name), "measured": took.get(stage.name)} for stage in stages}
    return {
        "stages": [vars(stage) | {"kwh": stage.kwh(rates)} | compared[stage.name] for stage in stages],
        "rates": rates.model_dump(),
        "factors": dict(factors),
        "dumps": {f"{wiki}-{date}": size for (wiki, date), size in sizes.dumps.items()},
        "text": {f"{corpus}/{language}": size for (corpus, language), size in sizes.text.items()},
        "given": given,
    }
