"""Token blocks: `smelt job blocks` against `datasets.map`, as transformers' run_mlm.py makes them, with one tokenizer.

Both read the same documents with one thread and write blocks of 512 places to the disk. The peer does what that script
does: one `map` calls the tokenizer on batches of 1,000 documents, a second one joins their ids and cuts blocks. It
counts nothing and keeps no places of sentences and documents. Speeds are of processor time.

`blocks-scaling` runs the command with two processes that encode, and with one, on more documents, by the clock.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from bench.commands import Used, own_environment, run_command, smelt
from bench.counting import LEARN, TRAINING, lines_of
from bench.measure import Benchmark, Figures, ratio
from bench.prose import write_prose
from bench.workers import WayProcess, close
from smelt.tokenizers.folder import write_folder
from smelt.training.pack import pack

WORDS, LENGTH = 3_000_000, 512
WORDS_OF_SCALING = 14_000_000  # 8 row groups
SPECIAL = 2  # places of a block that the peer gives to special pieces


@dataclass(frozen=True)
class BlocksWorkload:
    """Where documents and tokenizer lie; picklable, for other processes."""

    folder: Path

    @property
    def documents(self) -> Path:
        """The text."""
        return self.folder / "documents.parquet"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's folder."""
        return self.folder / "tokenizer"


def blocks(name: str) -> Benchmark:
    """Tokens a second and core; the tokenizer's kind stands in the name."""
    folder = tempfile.TemporaryDirectory(prefix="smelt-bench-")
    given = _prepare(Path(folder.name), WORDS, name.removeprefix("blocks-"))
    os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    ways = {make.__name__: WayProcess(make, given) for make in (ours, sentences, mapped)}

    def end() -> None:
        close(ways)
        folder.cleanup()

    return Benchmark(
        name,
        "tokens/s/core",
        "datasets.map",
        ours=ways["ours"],
        peer=ways["mapped"],
        runs=3,
        others={"sentences": ways["sentences"]},
        further=_further,
        close=end,
    )


def scaling(name: str) -> Benchmark:
    """Words a second of the clock, with two processes and with one."""
    held = tempfile.TemporaryDirectory(prefix="smelt-bench-")
    folder = Path(held.name)
    given = _prepare(folder, WORDS_OF_SCALING, "wordpiece")
    measured: dict[int, list[Used]] = {1: [], 2: []}

    def way(processes: int) -> Callable[[], float]:
        words = ["--documents", given.documents, "--tokenizer", given.tokenizer, "--length", LENGTH]
        words += ["--threads", processes, "--output", folder / f"{processes}" / "xx"]

        def run() -> float:
            used = run_command(smelt("blocks", *words), folder, own_environment())
            measured[processes].append(used)
            return WORDS_OF_SCALING / used.wall_seconds

        return run

    def further(_: Mapping[str, list[float]]) -> Figures:
        one, two = ([used.processor_seconds for used in measured[processes]] for processes in (1, 2))
        memory = {f"MiB, {number}": max(used.memory for used in each) for number, each in measured.items()}
        return {"twice the processor time of one, to that of two": 2 * ratio(one, two), **memory}

    return Benchmark(
        name, "words/s", "1 process", way(2), way(1), runs=3, further=further, rehearse=False, close=held.cleanup
    )


def _prepare(folder: Path, words: int, kind: str) -> BlocksWorkload:
    """Write documents and a tokenizer of a kind that has learnt from their beginning."""
    given = BlocksWorkload(folder)
    write_prose(given.documents, words)
    given.tokenizer.mkdir()
    write_folder(given.tokenizer, LEARN[kind](list(islice(lines_of(given.documents), TRAINING))))
    return given


def ours(given: BlocksWorkload) -> Callable[[], float]:
    """Blocks of a stream, which also keep where documents and paragraphs begin."""
    return lambda: _speed(given, "stream")


def sentences(given: BlocksWorkload) -> Callable[[], float]:
    """Blocks of whole sentences."""
    return lambda: _speed(given, "sentences")


def _speed(given: BlocksWorkload, packing: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        about = pack(given.documents, given.tokenizer, LENGTH, Path(folder, "blocks"), packing)
        return float(about["train"]["tokens"]) / (time.process_time() - began)


def mapped(given: BlocksWorkload) -> Callable[[], float]:
    """Two maps of `datasets`."""
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    datasets.disable_caching()

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            tokenizer = AutoTokenizer.from_pretrained(given.tokenizer)
            tokenizer.model_max_length = 10**9
            texts = datasets.load_dataset("parquet", data_files=str(given.documents), split="train", cache_dir=folder)

            def cut(batch: Mapping[str, list[str]]) -> Mapping[str, Any]:
                return tokenizer(batch["text"], return_special_tokens_mask=True)  # type: ignore[no-any-return]

            def join(batch: Mapping[str, list[list[int]]]) -> dict[str, list[list[int]]]:
                joined = {key: list(chain.from_iterable(lists)) for key, lists in batch.items()}
                whole = len(joined["input_ids"]) // LENGTH * LENGTH
                return {key: [ids[at : at + LENGTH] for at in range(0, whole, LENGTH)] for key, ids in joined.items()}

            encoded = texts.map(cut, batched=True, remove_columns=texts.column_names)
            made = encoded.map(join, batched=True)
            return len(made) * (LENGTH - SPECIAL) / (time.process_time() - began)

    return run


def _further(measured: Mapping[str, list[float]]) -> Figures:
    return {"ratio of whole sentences": ratio(measured["sentences"], measured["peer"])}
