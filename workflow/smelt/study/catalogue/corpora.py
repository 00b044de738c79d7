"""Where corpora come from, and where their documents stand."""

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from smelt.study.catalogue.base import Base
from smelt.study.languages import wiki_of
from smelt.study.schema import Corpus


def local_folder(mirror: str) -> str | None:
    """Return the folder that a mirror is; None for a server."""
    if mirror.startswith("file://"):
        return url2pathname(urlsplit(mirror).path)
    return None if "://" in mirror else mirror


class Corpora(Base):
    """Dumps, texts and documents."""

    @cached_property
    def languages(self) -> list[str]:
        """All languages of all corpora."""
        return sorted({language for corpus in self.study.corpora.values() for language in corpus.languages})

    @cached_property
    def mirrors(self) -> dict[tuple[str, str], str]:
        """The mirror of each (wiki, date) that a corpus reads."""
        return {
            (wiki_of(language), corpus.wikipedia.date): corpus.wikipedia.mirror
            for corpus in self.study.corpora.values()
            if corpus.wikipedia
            for language in corpus.wikipedia.languages
        }

    def mirror(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that Snakemake does not compare it
        """Return the mirror of {wiki} and {date}.

        Another mirror has the same files, which are verified: a dump that is here is not downloaded again, nor is
        everything made again that rests on it.
        """
        return self.mirrors[wildcards.wiki, wildcards.date]

    def mirrored_folder(self, wildcards: Any) -> list[str]:
        """Return the mirror's own folder of {wiki} and {date} where it is local, so that a change there is seen."""
        mirror = local_folder(self.mirrors[wildcards.wiki, wildcards.date])
        folder = f"{wildcards.wiki}/{wildcards.date}"
        return self.sources([f"{mirror}/{folder}"], f"resources/dumps/{folder}") if mirror else []

    def dumps(self, wildcards: Any) -> list[str]:
        """Return the folder of {language}'s dump in {corpus}, if the corpus has one."""
        source = self.corpus(wildcards).wikipedia
        if source is None or wildcards.language not in source.languages:
            return []
        return [f"resources/dumps/{wiki_of(wildcards.language)}/{source.date}"]

    def texts(self, wildcards: Any) -> list[str]:
        """Return the text files of {language} in {corpus}; the job itself names missing ones."""
        files = self.corpus(wildcards).texts(wildcards.language)
        made = f"{self.results}/corpora/{wildcards.corpus}/{wildcards.language}/documents.parquet"
        return self.sources(files, made)

    def named_texts(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that it is not compared
        """Return the text files of {language} in {corpus}, missing ones among them."""
        return self.corpus(wildcards).texts(wildcards.language)

    def held_out(self, wildcards: Any) -> float:
        """Return the share of {corpus} that is kept for validation."""
        return self.corpus(wildcards).held_out

    def corpus(self, wildcards: Any) -> Corpus:
        """Return the entry of {corpus}."""
        return self.study.corpora[wildcards.corpus]

    def documents(self, corpus: str) -> list[str]:
        """Return the document files of a corpus, one a language."""
        languages = self.study.corpora[corpus].languages
        return [f"{self.results}/corpora/{corpus}/{language}/documents.parquet" for language in languages]

    def corpus_statistics(self) -> list[str]:
        """Return the statistics of every corpus and language."""
        return [
            f"{self.results}/corpora/{name}/{language}/statistics.json"
            for name, corpus in self.study.corpora.items()
            for language in corpus.languages
        ]
