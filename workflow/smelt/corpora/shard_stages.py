"""The stages in which shards of documents are cleaned: what an engine runs, shard by shard.

Steps that need one document alone run on all shards side by side. Before a step that remembers documents, each shard
writes their hashes; one task then decides about all of them in their order, and the shards go on with its decisions. So
the documents and counts are those of `smelt job documents`, however many shards there are.

IN   <output>/work/plan.json : files, shards, settings (`shards.ShardPlan`)
OUT  <output>/documents/<shard>.parquet and <output>/statistics.json
"""

import shutil
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet

from smelt.corpora.cleaning_step import RememberingStep
from smelt.corpora.data_sets import DataSetReader
from smelt.corpora.document_cleaning import Cleaner, StepCounts, StepState
from smelt.corpora.documents import Document, DocumentCounts, add_counts, write_shard
from smelt.corpora.shards import ShardPlan, read_plan
from smelt.errors import SmeltError
from smelt.files import read_json, whole_file, write_json


@dataclass(frozen=True)
class Places:
    """Where the files of a run stand."""

    output: Path

    @property
    def plan(self) -> Path:
        """What is done."""
        return self.output / "work" / "plan.json"

    @property
    def statistics(self) -> Path:
        """The merged counts, written last."""
        return self.output / "statistics.json"

    def documents(self, segment: int, shard: int, last: bool) -> Path:
        """Return the file of documents of a shard after a segment of the steps."""
        folder = self.output / "documents" if last else self.data(f"clean-{segment + 1}")
        return folder / f"{shard:05d}.parquet"

    def data(self, stage: str) -> Path:
        """Return the folder of what a stage leaves for later ones."""
        return self.output / "work" / stage / "data"

    def log(self, stage: str) -> Path:
        """Return the folder of the engine's log of a stage."""
        return self.output / "work" / stage / "log"


class ShardTask(Protocol):
    """What the engine runs for each shard: a step of its pipeline, without documents going in or out."""

    def __call__(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Do a shard's part."""


@dataclass(frozen=True)
class ShardStage:
    """A stage: its name, what it runs, and for how many shards."""

    name: str
    task: ShardTask
    shards: int


def stages(plan: ShardPlan, places: Places) -> list[ShardStage]:
    """Return the stages of a plan, in their order."""
    found = []
    for segment in range(len(plan.segments)):
        if segment:
            found.append(ShardStage(f"decide-{segment}", DecideAll(places, segment), 1))
        found.append(ShardStage(f"clean-{segment + 1}", CleanShard(places, segment), len(plan.shards)))
    return [*found, ShardStage("merge", MergeCounts(places), 1)]


@dataclass
class ShardHashes:
    """The hashes of a shard's documents for the next step that remembers."""

    step: RememberingStep
    seconds: float = 0.0
    hashes: "array[int]" = field(default_factory=lambda: array("Q"))
    lengths: "array[int]" = field(default_factory=lambda: array("L"))
    sources: "array[int]" = field(default_factory=lambda: array("B"))

    def add(self, text: str, source: int) -> None:
        """Add a document."""
        began = time.thread_time()
        found = self.step.hashes(text)
        self.hashes.extend(found)
        self.lengths.append(len(found))
        self.sources.append(source)
        self.seconds += time.thread_time() - began

    def write(self, path: Path) -> None:
        """Write them all."""
        _write_arrays(path, hashes=self.hashes, lengths=self.lengths, sources=self.sources)


@dataclass(frozen=True)
class CleanShard:
    """Reads a shard, runs a segment of the steps, and writes documents, counts and hashes."""

    places: Places
    segment: int

    def __call__(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002 - the engine's
        """Clean one shard.

        Raises:
            SmeltError: a file is damaged; the error names the shard.
        """
        plan = read_plan(self.places.plan)
        try:
            self._clean(plan, rank)
        except SmeltError as error:
            raise SmeltError(f"clean-{self.segment + 1}, shard {rank}", str(error)) from None

    def _clean(self, plan: ShardPlan, shard: int) -> None:
        segments, folder = plan.segments, self.places.data(f"clean-{self.segment + 1}")
        cleaner = Cleaner(plan.steps(segments[self.segment]), plan.language, plan.folders_of_tests())
        if self.segment:
            _remembering(cleaner).decided = _decisions(self.places.data(f"decide-{self.segment}") / f"{shard:05d}.npz")
        last = self.segment + 1 == len(segments)
        following = None if last else plan.steps(segments[self.segment + 1][:1])
        hashes = ShardHashes(_remembering(Cleaner(following, plan.language))) if following else None
        readers, counts = plan.readers(), DocumentCounts()
        numbers = {reader.part.name: number for number, reader in enumerate(readers)}

        def kept() -> Iterator[Document]:
            for document in self._documents(plan, shard, readers):
                source = document.id.partition(":")[0]
                if text := cleaner.clean_text(document.text, source):
                    cleaned = Document(document.id, document.title, text)
                    if hashes:
                        hashes.add(text, numbers[source])
                    else:
                        counts.add(cleaned, held_out=False, language=plan.language)
                    yield cleaned

        write_shard(kept(), self.places.documents(self.segment, shard, last))
        states = cleaner.states()
        if hashes:
            hashes.write(folder / f"{shard:05d}.npz")
            states.append(StepState(hashes.step.name, StepCounts(), hashes.seconds, {}))
        rows = [[reader.counts.rows, reader.counts.empty] for reader in readers]
        _write_counts(folder / f"{shard:05d}.json", states, rows=rows, documents=counts.as_dict())
        print(f"clean-{self.segment + 1}, shard {shard}: done", flush=True)

    def _documents(self, plan: ShardPlan, shard: int, readers: list[DataSetReader]) -> Iterator[Document]:
        """Return the documents that the segment before left, or those of the data sets."""
        if not self.segment:
            return plan.documents(shard, readers)
        path = self.places.documents(self.segment - 1, shard, last=False)
        return _documents_of(path)


@dataclass(frozen=True)
class DecideAll:
    """Lets a step that remembers find what stood before, over the documents of all shards in their order."""

    places: Places
    segment: int

    def __call__(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002 - the engine's
        """Write the decisions for each shard."""
        plan, began = read_plan(self.places.plan), time.thread_time()
        step = _remembering(Cleaner(plan.steps(plan.segments[self.segment][:1]), plan.language))
        names = [part.name for part in plan.data_sets]
        folder = self.places.data(f"decide-{self.segment}")
        for shard in range(len(plan.shards)):
            with np.load(self.places.data(f"clean-{self.segment}") / f"{shard:05d}.npz") as stored:
                hashes, lengths, sources = stored["hashes"], stored["lengths"], stored["sources"]
            found, sizes, begin = array("B"), array("L"), 0
            for length, source in zip(lengths.tolist(), sources.tolist(), strict=True):
                decided = step.find(hashes[begin : begin + length].tolist(), names[source])
                found.extend(decided)
                sizes.append(len(decided))
                begin += length
            _write_arrays(folder / f"{shard:05d}.npz", found=found, lengths=sizes)
        state = StepState(step.name, StepCounts(), time.thread_time() - began, step.state())
        _write_counts(folder / "counts.json", [state])
        print(f"decide-{self.segment}, {step.name}: done", flush=True)


@dataclass(frozen=True)
class MergeCounts:
    """Adds the counts of all shards, and removes what was kept between stages."""

    places: Places

    def __call__(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:  # noqa: ARG002 - the engine's
        """Write statistics.json.

        Raises:
            SmeltError: no document is left, or a data set had none.
        """
        plan = read_plan(self.places.plan)
        cleaner, counts = Cleaner(plan.cleaning, plan.language, plan.folders_of_tests()), DocumentCounts()
        readers = plan.readers()
        folders = [self.places.data(stage.name) for stage in stages(plan, self.places)]
        for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
            stored = read_json(path)
            cleaner.add(StepState(**state | {"counts": StepCounts(**state["counts"])}) for state in stored["steps"])
            add_counts(counts, DocumentCounts(**stored.get("documents", {})))
            for reader, (rows, empty) in zip(readers, stored.get("rows", []), strict=False):
                reader.counts.rows += rows
                reader.counts.empty += empty
        for reader in readers:
            reader.check()
        cleaner.check(sum(reader.counts.rows - reader.counts.empty for reader in readers), counts.documents)
        statistics = {
            "language": plan.language,
            **{name: number for name, number in counts.as_dict().items() if name != "held_out_documents"},
            "cleaning": cleaner.record(),
            "sources": [reader.record() for reader in readers],
            "shards": len(plan.shards),
        }
        write_json(self.places.statistics, statistics)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for line in cleaner.lines():
            print(f"{plan.language}: {line}")
        print(f"{plan.language}: {counts.documents:,} documents, {counts.words:,} words", flush=True)


def _remembering(cleaner: Cleaner) -> RememberingStep:
    """Return the first step of a segment, which remembers."""
    step = cleaner.steps[0]
    assert isinstance(step, RememberingStep), "segments are divided before such steps"
    return step


def _documents_of(path: Path) -> Iterator[Document]:
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(256):
            yield from (Document(**row) for row in batch.to_pylist())


def _decisions(path: Path) -> Iterator[Sequence[bool]]:
    with np.load(path) as stored:
        found, lengths = stored["found"].astype(bool).tolist(), stored["lengths"].tolist()
    begin = 0
    for length in lengths:
        yield found[begin : begin + length]
        begin += length


def _write_arrays(path: Path, **arrays: "array[int]") -> None:
    named: dict[str, Any] = {name: np.asarray(values) for name, values in arrays.items()}
    with whole_file(path) as draft, draft.open("wb") as stream:
        np.savez(stream, **named)


def _write_counts(path: Path, states: Sequence[StepState], **more: Any) -> None:
    write_json(path, {"steps": [asdict(state) for state in states], **more})
