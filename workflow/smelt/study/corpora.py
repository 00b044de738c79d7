"""Corpora in a study file, and how the address of a mirror names its dumps."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import Field, StrictInt, StrictStr, StringConstraints, field_validator, model_validator

from smelt.complaints import explain
from smelt.entry import Distinct, Entry, Name, SourcePath, check_path, refuse_idle
from smelt.environment import fill_in, has_credentials
from smelt.languages import Edition, Language
from smelt.licences import Licence
from smelt.mixture import Mixture
from smelt.numbers import HeldOut
from smelt.study.cleaning import Cleaning
from smelt.study.data_sets import DataSet

DUMPS_SERVER = "{wiki}/{date}"  # where a dumps server keeps a dump, below its address
DATE = explain(r"^20\d{6}$", 'a date such as "20230501"')
SkippedPage = Annotated[StrictInt, Field(ge=1, le=10**12)] | Annotated[StrictStr, Field(min_length=1)]


# Editions whose pages may give several texts for one place, each with its variants, the default first
# (https://www.mediawiki.org/wiki/Writing_systems).
VARIANTS = {
    "ban": ("ban", "ban-bali"),
    "crh": ("crh-latn", "crh-cyrl"),
    "gan": ("gan-hans", "gan-hant"),
    "iu": ("ike-cans", "ike-latn"),
    "kk": ("kk-cyrl", "kk-latn", "kk-arab", "kk-kz", "kk-tr", "kk-cn"),
    "ku": ("ku-latn", "ku-arab"),
    "sh": ("sh-latn", "sh-cyrl"),
    "shi": ("shi-latn", "shi-tfng"),
    "sr": ("sr-ec", "sr-el"),
    "tg": ("tg-cyrl", "tg-latn"),
    "tly": ("tly", "tly-cyrl"),
    "uz": ("uz-latn", "uz-cyrl"),
    "zh": ("zh-hans", "zh-hant", "zh-cn", "zh-tw", "zh-hk", "zh-mo", "zh-my", "zh-sg"),
}


class WikipediaSource(Entry):
    """Dumps of one date, verified against the sums that the mirror lists."""

    date: Annotated[str, StringConstraints(pattern=DATE)]
    """Date of the dumps, as in their folder's name: "20230101"."""
    languages: Annotated[list[Edition], Field(min_length=1), Distinct]
    """Codes of Wikipedia's editions; `qaa` to `qtz` are free for invented ones."""
    mirror: str | Annotated[list[str], Field(min_length=1), Distinct] = "https://dumps.wikimedia.org"
    """Address of a folder laid out as the dumps server: `https://`, `http://`, `file://` or a local path; with `{wiki}`
    and `{date}` in it, of the folder of one dump, as archives have. Of several, the first that has the dump is read."""
    skip_pages: dict[Edition, list[SkippedPage]] = Field(default_factory=dict)
    """Pages of a language's wiki that are left out: titles, or ids where they are numbers."""

    lists: Literal["keep", "drop"] = "keep"
    """List items: a line each, or left out. In some wikis they are half of the text."""
    headings: Literal["mark", "drop"] = "mark"
    """Headings: a line each, `## History`, or left out. Nothing takes such a line for a paragraph: packing by lines or
    sentences, tokenizers' samples and counts pass over it; blocks of the next tokens hold its words."""
    variants: dict[Edition, str] = Field(default_factory=dict)
    """Language variant that is taken where a page gives its text in several, `-{zh-hans:…;zh-hant:…}-`: `zh: zh-hant`.
    By default `zh-hans`, `sr-ec` and so on, the first of each in docs/corpora.md. Other text stays as it is written."""

    @field_validator("date")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        try:
            datetime.strptime(value, "%Y%m%d")
        except ValueError:
            raise ValueError(f"expected a day of the calendar, found {value!r}") from None
        return value

    @field_validator("mirror")
    @classmethod
    def _names_both_or_neither(cls, mirror: str | list[str]) -> str | list[str]:
        for address in [mirror] if isinstance(mirror, str) else mirror:
            check_path(address, "wiki", "date")
            if has_credentials(address):
                raise ValueError("holds a user or a password: expected ${NAME} in their place, set in the environment")
            root_and_layout(address)
        return mirror

    @model_validator(mode="after")
    def _skips_pages_of_its_languages(self) -> Self:
        for language in self.skip_pages:
            if language not in self.languages:
                raise ValueError(f"skip_pages.{language}: expected a language of wikipedia.languages")
        return self

    @model_validator(mode="after")
    def _names_variants_that_exist(self) -> Self:
        for language, variant in self.variants.items():
            where = f"variants.{language}"
            if language not in self.languages:
                raise ValueError(f"{where}: expected a language of wikipedia.languages")
            if language not in VARIANTS:
                raise ValueError(f"{where}: pages of {language} give no variants; those of {', '.join(VARIANTS)} do")
            if variant not in VARIANTS[language]:
                raise ValueError(f"{where}: expected one of {', '.join(VARIANTS[language])}; found {variant}")
        return self

    def variant(self, language: str) -> str:
        """Return the variant that is taken in a language; "" where pages give none."""
        return self.variants.get(language) or next(iter(VARIANTS.get(language, ())), "")

    @property
    def mirrors(self) -> list[str]:
        """The addresses, in the order in which they are tried."""
        return [self.mirror] if isinstance(self.mirror, str) else self.mirror


class Corpus(Entry):
    """Documents in several languages, from Wikipedia dumps, data sets, text files or several of these."""

    wikipedia: WikipediaSource | None = None
    """Dumps of Wikipedia."""
    text: dict[Language, SourcePath | list[SourcePath]] = Field(default_factory=dict)
    """Text files of each language, one or several: a paragraph a line, a blank line between documents."""
    text_licence: Licence | None = None
    """Licence of the text files, by the hub's name: `cc-by-4.0`. Cards of models that learn from them name it."""
    datasets: dict[Name, DataSet] = Field(default_factory=dict)
    """Data sets of the Hugging Face hub, or folders of Parquet or JSON lines, by a name that starts the ids of their
    documents."""
    cleaning: Cleaning = Cleaning()
    """What is changed and left out before documents are written; nothing by default."""
    sampling: Mixture = Mixture()
    """How languages are mixed."""
    held_out: HeldOut = 0.01
    """Share of the documents kept away from tokenizers and training, for validation."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.wikipedia is None and not self.text and not self.datasets:
            raise ValueError("names no source: expected wikipedia, datasets or text")
        for name, source in {"wikipedia": self.wikipedia, "text": self.text}.items():
            if source and name in self.datasets:
                raise ValueError(f"datasets.{name}: ids of documents from {name} start so; choose another name")
        if not self.text:
            refuse_idle("", self, {"text_licence": "where there is no text"})
        if len(self.languages) == 1:
            refuse_idle("sampling.", self.sampling, dict.fromkeys(Mixture.model_fields, "in a corpus of one language"))
        for language in self.cleaning.language.accept if self.cleaning.language else ():
            if language not in self.languages:
                raise ValueError(f"cleaning.language.accept.{language}: expected a language of the corpus")
        smallest = 1 / len(self.languages)
        if self.sampling.max_share is not None and self.sampling.max_share < smallest:
            raise ValueError(
                f"sampling.max_share: {len(self.languages)} languages of {self.sampling.max_share:g} each at most make"
                f" no whole; expected {smallest:.3g} or more"
            )
        return self

    @property
    def languages(self) -> list[str]:
        """The languages of all sources, each once, in the order of the file."""
        dumped = self.wikipedia.languages if self.wikipedia else []
        listed = [language for source in self.datasets.values() for language in source.languages]
        return list(dict.fromkeys([*dumped, *listed, *self.text]))

    def texts(self, language: str) -> list[str]:
        """Return the text files of a language."""
        files = self.text.get(language, [])
        return [files] if isinstance(files, str) else files


def root_and_layout(address: str) -> tuple[str, str]:
    """Divide an address before the first part of its path that names {wiki} or {date}.

    An address without them is that of a folder laid out as the dumps server.

    Raises:
        ValueError: it names one of the two.
    """
    found = [address.find(name) for name in ("{wiki}", "{date}")]
    if max(found) < 0:
        return address, DUMPS_SERVER
    if min(found) < 0:
        raise ValueError(f"{address} names one of {{wiki}} and {{date}}: expected both or neither")
    start = address.rfind("/", 0, min(found)) + 1
    root = address[:start] if start == 1 else address[: start - 1]
    return root or ".", address[start:].rstrip("/")


def fill_layout(layout: str, wiki: str, date: str) -> str:
    """Return the path of a dump's folder."""
    return layout.replace("{wiki}", wiki).replace("{date}", date)


def local_root(address: str) -> str | None:
    """Return the folder of a local mirror; None where it is reached over a network."""
    root, _ = root_and_layout(fill_in(address))
    if root.startswith("file://"):
        return url2pathname(urlsplit(root).path)
    return None if "://" in root else root


def local_folder(address: str, wiki: str, date: str) -> str | None:
    """Return the folder of a dump on a local mirror; None where it is reached over a network."""
    root = local_root(address)
    return None if root is None else str(Path(root) / fill_layout(root_and_layout(fill_in(address))[1], wiki, date))
