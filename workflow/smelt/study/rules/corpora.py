"""Where corpora come from, and where their documents stand."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, expected_one_of
from smelt.languages import wiki_of
from smelt.study.corpora import Corpus, local_folder
from smelt.study.data_sets import DataSetPart
from smelt.study.paths import Paths, is_generated, outside_sources
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile

EXTRACTION_VERSION = 1
"""Of what is made of pages: a change of it extracts every dump again."""


class CorporaRules:
    """Answers to `rules/corpora.smk`: about dumps, texts and documents."""

    def __init__(self, study: Study, paths: Paths, tasks: Mapping[str, TaskFile]) -> None:
        """Take a checked study and its tasks.

        Raises:
            SmeltError: a corpus is to be cleaned of the test examples of a task that the study lacks.
        """
        self.study = study
        self.paths = paths
        self.tasks = tasks
        for name, corpus in study.corpora.items():
            chosen = corpus.cleaning.test_examples
            for task in chosen.tasks or [] if chosen else []:
                if task not in tasks:
                    found = f"no task is called {task!r}: {expected_one_of(task, tasks)}"
                    raise SmeltError(paths.where, f"corpora.{name}.cleaning.test_examples.tasks: {found}")

    @cached_property
    def languages(self) -> list[str]:
        """All languages of all corpora."""
        return sorted({language for corpus in self.study.corpora.values() for language in corpus.languages})

    @cached_property
    def mirrors(self) -> dict[tuple[str, str], list[str]]:
        """The mirrors of each (wiki, date) that a corpus reads, in the order in which they are tried."""
        return {
            (wiki_of(language), corpus.wikipedia.date): corpus.wikipedia.mirrors
            for corpus in self.study.corpora.values()
            if corpus.wikipedia
            for language in corpus.wikipedia.languages
        }

    def mirror(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that Snakemake does not compare it
        """Return the mirrors of {wiki} and {date}, in the order in which they are tried.

        Another mirror has the same files, which are verified: a dump that is here is not downloaded again, nor is
        everything made again that rests on it.
        """
        return self.mirrors[wildcards.wiki, wildcards.date]

    def mirrored_folder(self, wildcards: Any) -> list[str]:
        """Return the dump's own folder on local mirrors of {wiki} and {date}, so that a change there is seen."""
        wiki, date = wildcards.wiki, wildcards.date
        folders = list(filter(None, (local_folder(mirror, wiki, date) for mirror in self.mirrors[wiki, date])))
        # Of several mirrors those that lack the dump play no part, even where the dump is here already.
        there = [folder for folder in folders if Path(folder).exists() or is_generated(folder)]
        return outside_sources(there or folders, f"resources/dumps/{wiki}/{date}")

    def dumps(self, wildcards: Any) -> list[str]:
        """Return the folder of {language}'s dump in {corpus}, if the corpus has one."""
        source = self.corpus(wildcards).wikipedia
        if source is None or wildcards.language not in source.languages:
            return []
        return [f"resources/dumps/{wiki_of(wildcards.language)}/{source.date}"]

    @cached_property
    def fetched(self) -> dict[str, DataSetPart]:
        """What is brought here from the hub, by its path below the folder of all data sets."""
        parts = [
            part
            for name, corpus in self.study.corpora.items()
            for language in corpus.languages
            for part in self._parts(name, language)
            if part.hub
        ]
        return {part.fetched_as: part for part in parts}

    def _parts(self, corpus: str, language: str) -> list[DataSetPart]:
        """Return the data sets that a corpus reads for a language."""
        sources = self.study.corpora[corpus].datasets
        return [source.part(name, language) for name, source in sources.items() if language in source.languages]

    def fetching(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that Snakemake does not compare it
        """Return what to bring here as {fetched}, as JSON.

        Its path says what decides the result. Names in studies do not: all of them share what is here.
        """
        return self.fetched[wildcards.fetched].model_dump_json(exclude_defaults=True)

    def fetched_folders(self, wildcards: Any) -> list[str]:
        """Return the folders of what was brought here from the hub for {language} in {corpus}."""
        parts = self._parts(wildcards.corpus, wildcards.language)
        return [f"resources/datasets/{part.fetched_as}" for part in parts if part.hub]

    def data_set_folders(self, wildcards: Any) -> list[str]:
        """Return the local folders of data sets of {language} in {corpus}; the job itself names missing ones."""
        parts = self._parts(wildcards.corpus, wildcards.language)
        return outside_sources([part.folder for part in parts if part.folder], self._documents(wildcards))

    def data_sets(self, wildcards: Any) -> list[str]:
        """Return the data sets of {language} in {corpus}, each as JSON."""
        parts = self._parts(wildcards.corpus, wildcards.language)
        return [part.model_dump_json(exclude_defaults=True) for part in parts]

    def _documents(self, wildcards: Any) -> str:
        return f"{self.paths.results}/corpora/{wildcards.corpus}/{wildcards.language}/documents.parquet"

    def texts(self, wildcards: Any) -> list[str]:
        """Return the text files of {language} in {corpus}; the job itself names missing ones."""
        files = self.corpus(wildcards).texts(wildcards.language)
        return outside_sources(files, self._documents(wildcards))

    def named_texts(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that it is not compared
        """Return the text files of {language} in {corpus}, missing ones among them."""
        return self.corpus(wildcards).texts(wildcards.language)

    def held_out(self, wildcards: Any) -> float:
        """Return the share of {corpus} that is kept for validation."""
        return self.corpus(wildcards).held_out

    def reading(self, wildcards: Any) -> list[str]:
        """Return the flags that say how {corpus} reads the pages of {language}; none where it has no dump of it."""
        source = self.corpus(wildcards).wikipedia
        if source is None or wildcards.language not in source.languages:
            return []
        flags = {"lists": source.lists, "headings": source.headings, "variant": source.variant(wildcards.language)}
        return [word for name, value in flags.items() if value for word in (f"--{name}", value)]

    def extraction_version(self, wildcards: Any) -> int:
        """Return the version of what is made of pages; 0 where {corpus} has no dump of {language}."""
        return EXTRACTION_VERSION if self.reading(wildcards) else 0

    def skipped_pages(self, wildcards: Any) -> str:
        """Return the pages of {language}'s wiki that {corpus} leaves out, as JSON."""
        source = self.corpus(wildcards).wikipedia
        pages = source.skip_pages.get(wildcards.language, []) if source else []
        return json.dumps(pages, ensure_ascii=False)

    def cleaning(self, wildcards: Any) -> str:
        """Return the steps of cleaning of {corpus}, as JSON."""
        return self.corpus(wildcards).cleaning.model_dump_json(exclude_defaults=True)

    def tested(self, wildcards: Any) -> dict[str, str]:
        """Return the prepared tasks, by name, whose test examples {corpus} is cleaned of in {language}."""
        chosen = self.corpus(wildcards).cleaning.test_examples
        names = (chosen.tasks or list(self.tasks)) if chosen else []
        return {
            name: self.paths.task(name) for name in names if wildcards.language in self.tasks[name].languages_of("test")
        }

    def tests(self, wildcards: Any) -> list[str]:
        """Return the files of these tasks that the job reads."""
        folders = self.tested(wildcards).values()
        return [f"{folder}/{file}" for folder in folders for file in ("task.json", "test.parquet")]

    def named_tests(self, wildcards: Any) -> list[str]:
        """Return these tasks as words of the command."""
        return [f"{name}={folder}" for name, folder in self.tested(wildcards).items()]

    def corpus(self, wildcards: Any) -> Corpus:
        """Return the entry of {corpus}."""
        return self.study.corpora[wildcards.corpus]

    def statistics(self) -> list[str]:
        """Return the statistics of every corpus and language."""
        return [
            f"{self.paths.results}/corpora/{name}/{language}/statistics.json"
            for name, corpus in self.study.corpora.items()
            for language in corpus.languages
        ]
