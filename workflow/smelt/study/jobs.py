"""How many jobs a study takes, from nothing to its report."""

from smelt.study.catalogue import Catalogue
from smelt.study.paths import GENERATED
from smelt.study.rules import finetune_jobs


def count_jobs(catalogue: Catalogue, gpus: bool = False) -> dict[str, int]:
    """Return the number of jobs of each kind that the study takes from nothing to its report.

    gpus: whether jobs that ask for a GPU get one, so that they make more of what is short there.
    """
    study, further = catalogue.study, [maker.further_jobs() for maker in catalogue.makers.values()]
    tuning, trying = finetune_jobs.count_jobs(catalogue.finetune, gpus)
    return {
        "generated sources": len(generated_sources(catalogue)),
        "downloads": len(catalogue.corpora.mirrors) + len(catalogue.corpora.fetched),
        "corpora": len(catalogue.corpora.statistics()),
        "tokenizers": len(study.tokenizers),
        "block sets": len(catalogue.tokenizers.blocks()),
        "models": len(study.models),
        **{name: number for jobs in further for name, number in jobs.items()},
        "int8 exports to weigh": len(catalogue.efficiency.int8()),
        "efficiency": 1 if catalogue.efficiency.figures() else 0,
        "tasks": len(catalogue.tasks.files),
        "of fine-tuning": tuning,
        "of runs of grids": trying,
        "tokenisation studies": len(catalogue.report.tokenisations()),
        "correlations over models": len(catalogue.report.pooling_tables()),
        "tables": len(study.tables),
        "scores and comparisons": 2 if study.tasks else 0,
        "comparisons over examples": len(catalogue.report.examples()),
        "figures": len(catalogue.report.figures()),
        "plan and costs": 2,
        "page": 1,
    }


def generated_sources(catalogue: Catalogue) -> list[str]:
    """Return the dumps and tasks that the project generates for the study."""
    dumps = [
        f"{wiki} {date}"
        for (wiki, date), mirrors in catalogue.corpora.mirrors.items()
        if any(mirror.startswith(GENERATED) for mirror in mirrors)
    ]
    return dumps + [
        name
        for name, task in catalogue.tasks.files.items()
        if any(file.startswith(GENERATED) for file in task.local_files())
    ]
