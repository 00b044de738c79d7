"""Memory that does not grow: token blocks of 10 to 300 MB of text, and a dump whose page is one compressed run.

`memory-of-blocks` repeats texts of SMELT_DATA; `memory-of-a-page` writes a page of 1 GB that takes 1 kB of bz2.
"""

import bz2
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.commands import own_environment, run_command, smelt
from bench.counting import LEARN, TRAINING
from bench.measure import BenchmarkOutcome, machine, write
from smelt.corpora.documents import Document, write_documents
from smelt.tokenizers.folder import write_folder

MEGABYTES = (10, 100, 300)
LANGUAGES = ("de", "en", "es", "fr")
LINES = 30  # of a document
HEAD = '<mediawiki version="0.10"><siteinfo><namespaces><namespace key="0"/></namespaces></siteinfo>'
PAGE = "<page><title>{0}</title><ns>0</ns><id>{1}</id><revision><text>"
END = "</text></revision></page>"


def of_blocks(name: str) -> BenchmarkOutcome:
    """MiB of `smelt job blocks` in one process, on the most text and on the least."""
    texts = [Path(os.environ["SMELT_DATA"], "text", f"{language}.txt") for language in LANGUAGES]
    lines = [line for text in texts for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
    documents = ["\n".join(lines[begin : begin + LINES]) for begin in range(0, len(lines), LINES)]
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as temporary:
        folder = Path(temporary)
        (folder / "tokenizer").mkdir()
        write_folder(folder / "tokenizer", LEARN["wordpiece"](lines[:: max(len(lines) // TRAINING, 1)]))
        used = {}
        for megabytes in MEGABYTES:
            source = folder / f"{megabytes}" / "en" / "documents.parquet"
            source.parent.mkdir(parents=True)
            write_documents(_repeated(documents, megabytes * 10**6), "en", 0.01, source)
            words = ["--documents", source, "--tokenizer", folder / "tokenizer", "--length", 128, "--threads", 1]
            command = smelt("blocks", *words, "--output", folder / f"blocks-{megabytes}" / "en")
            used[megabytes] = run_command(command, folder, own_environment()).memory
    return _outcome(name, "MiB of blocks of the most text", used)


def _repeated(texts: list[str], size: int) -> Iterator[Document]:
    """Yield the texts again and again, of at most this number of bytes in all."""
    for number, text in enumerate(itertools.cycle(texts)):
        size -= len(text.encode())
        if size < 0:
            return
        yield Document(f"{number}", "", text)


def of_a_page(name: str) -> BenchmarkOutcome:
    """MiB of `smelt job documents` on a dump with a page of 1 GB, and with one of 1 MB."""
    with tempfile.TemporaryDirectory(prefix="smelt-bench-") as temporary:
        folder, used = Path(temporary), {}
        for megabytes in (1, 1000):
            dump, packed = folder / f"{megabytes}.xml.bz2", bz2.BZ2Compressor()
            run = itertools.repeat("a" * 10**6, megabytes)
            parts = [HEAD, PAGE.format("Snow", 1), "It is cold.", END, PAGE.format("Run", 2), *run, END, "</mediawiki>"]
            dump.write_bytes(b"".join(packed.compress(part.encode()) for part in parts) + packed.flush())
            outputs = ["--statistics", folder / "s.json", "--output-documents", folder / "d.parquet"]
            command = smelt("documents", "--dump", dump, "--language", "en", "--held-out", 0.1, *outputs)
            used[megabytes] = run_command(command, folder, own_environment()).memory
    return _outcome(name, "MiB of a page of 1 GB", used)


def _outcome(name: str, unit: str, used: dict[int, float]) -> BenchmarkOutcome:
    most, least = used[max(used)], used[min(used)]
    outcome = BenchmarkOutcome(
        name=name,
        unit=unit,
        ours=most,
        peer=least,
        peer_name=f"{min(used)} MB",
        ratio=least / most,
        runs=1,
        machine=machine(),
        further={f"{size} MB, MiB": each for size, each in used.items()},
    )
    write(outcome)
    return outcome
