"""The sizes of a study's sources: of documents, dumps and text files."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from smelt.study.catalogue import Catalogue
from smelt.study.corpora import local_folder

DUMP_FILES = "*pages-articles*.bz2"


@dataclass
class Sizes:
    """The sizes of a study's sources, in bytes."""

    dumps: dict[tuple[str, str], float] = field(default_factory=dict)
    """Compressed, by (wiki, date)."""
    text: dict[tuple[str, str], float] = field(default_factory=dict)
    """Text of documents, by corpus and language, where it is known or given."""


def known_sizes(catalogue: Catalogue) -> Sizes:
    """Return the sizes that this machine knows: of documents, dumps and text files that are here."""
    sizes = Sizes()
    for (wiki, date), mirrors in catalogue.corpora.mirrors.items():
        folders = [f"resources/dumps/{wiki}/{date}", *(local_folder(mirror, wiki, date) for mirror in mirrors)]
        found = [sum(file.stat().st_size for file in Path(folder).glob(DUMP_FILES)) for folder in folders if folder]
        if any(found):
            sizes.dumps[wiki, date] = next(filter(None, found))
    for path in catalogue.corpora.statistics():
        if (file := Path(path)).exists():
            *_, corpus, language, _ = file.parts
            sizes.text[corpus, language] = json.loads(file.read_text(encoding="utf-8"))["bytes"]
    return sizes
