"""Retrieval: the passages that are relevant to a query are sought among all passages of its language.

A model ranks passages by the cosine of their embedding and the query's; of equal cosines the passage whose id comes
first in the order of characters stands first, as in sentence-transformers' evaluator. It learns by multiple negatives
ranking: each pair of a query and a relevant passage stands against the other passages of its batch (Henderson et al.
2017), apart from those that are relevant to the query too, or are the same passage.

The passages of a split are those of its file, whatever share of the queries it takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError, quote
from smelt.tasks.examples import Example, Query, Question, Relevant
from smelt.tasks.formats.base import FileFormat, SourceFile
from smelt.tasks.formats.beir import Beir
from smelt.tasks.formats.squad import Squad
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.kinds.embedding import EmbeddingKind
from smelt.tasks.metrics import Labels
from smelt.tasks.rankings import KEPT, MrrAt10, NdcgAt10, RecallAt10, RecallAt100
from smelt.tasks.windows import Encoded, NearTexts, Pool

if TYPE_CHECKING:
    from torch import Tensor

QUERY, PASSAGE = "query", "document"
PASSAGES = "passages.parquet"
"""File of a prepared task with the passages of all splits."""
AT_ONCE = 256  # queries that are compared with all passages together


class Retrieval(EmbeddingKind):
    """Queries, passages, and which are relevant to which."""

    name = "retrieval"
    example = Query
    formats = (Squad, Beir)
    metrics = (NdcgAt10(), MrrAt10(), RecallAt10(), RecallAt100())
    left_out = "without_relevant"
    roles = (QUERY, PASSAGE)
    files_beside = (PASSAGES,)
    megabytes_an_example = 0.01

    def reads(self, written: FileFormat) -> bool:
        """Return whether a format holds queries, or questions about paragraphs."""
        return Query in written.example_types or Question in written.example_types

    def read(self, written: FileFormat, file: SourceFile) -> Iterator[Example]:
        """Yield the queries of a file; questions become queries for their paragraphs."""
        if Query in written.example_types:
            yield from written.read(file)
            return
        passages: dict[str, str] = {}
        numbers: dict[str, str] = {}
        for question in written.read(file):
            context: str = question.context  # type: ignore[attr-defined]
            number = numbers.setdefault(context, f"paragraph-{len(numbers) + 1}")
            passages[number] = context
            yield Query(
                question.question,  # type: ignore[attr-defined]
                [Relevant(number, 1)],
                question.id,  # type: ignore[attr-defined]
                question.number,  # type: ignore[attr-defined]
                passages,
            )

    def groups(self, examples: Sequence[Example]) -> list[int]:
        """Return the group of each query: those with one first relevant passage are all in one split."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(example.labels[0], len(numbers)) for example in examples]

    context_column = "relevant"

    def context_in(self, value: Any) -> str:
        """Return the name of the query's first relevant passage."""
        return str(value[0]["passage"])

    def context(self, example: Example) -> str:
        """Return the query's first relevant passage: a model that was asked for it in training has read it."""
        text: str = example.passages[example.labels[0]]  # type: ignore[attr-defined]
        return text

    def counts(self, example: Example) -> dict[str, int]:
        """Return what is to be counted of a query."""
        return {"several_relevant": int(len(example.labels) > 1)}

    def counts_of_split(self, examples: Sequence[Example]) -> dict[str, int]:
        """Return the number of passages among which those of a split are sought."""
        return {"passages": sum(map(len, _files(examples).values()))}

    def schema(self, pairs: bool) -> Any:  # noqa: ARG002 - queries are no pairs
        """Return the Arrow schema of a prepared split."""
        import pyarrow as arrow

        texts = [(name, arrow.string()) for name in ("language", "id", "text")]
        judged = arrow.struct([("passage", arrow.string()), ("grade", arrow.int64())])
        return arrow.schema([("example", arrow.int64()), *texts, ("relevant", arrow.list_(judged))])

    def tables_beside(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
        """Return the passages of all splits; of training only those that are relevant, which alone are learnt."""
        import pyarrow as arrow

        names = ("split", "language", "id", "text")
        parts = []
        for split, examples in splits.items():
            for language, held in _files(examples).items():
                own = (query for query in examples if query.language == language)
                wanted = {name for query in own for name in query.labels} if split == "train" else held.keys()
                chosen = {name: text for name, text in held.items() if name in wanted}
                alike = ([value] * len(chosen) for value in (split, language))
                parts.append(arrow.table(dict(zip(names, (*alike, list(chosen), list(chosen.values())), strict=True))))
        return {PASSAGES: arrow.concat_tables(parts)}

    def read_beside(self, examples: Examples, folder: Path, split: str) -> Examples:
        """Return the examples of a split with its passages."""
        import pyarrow.compute as compute

        from smelt.parquet import read_columns

        table = read_columns(folder / PASSAGES, ["split", "language", "id", "text"])
        rows = table.filter(compute.equal(table["split"], split)).to_pydict()
        passages: dict[str, dict[str, str]] = {}
        for language, name, text in zip(rows["language"], rows["id"], rows["text"], strict=True):
            passages.setdefault(language, {})[name] = text
        for language, relevant in zip(examples.languages, examples.gold, strict=True):
            if missing := [each.passage for each in relevant if each.passage not in passages.get(language, {})]:
                raise SmeltError(folder / PASSAGES, f"lacks {quote(missing[0])} of {split}: prepare the task again")
        return Examples(examples.ids, examples.languages, examples.inputs, examples.gold, passages)

    def columns(self, task: Task) -> list[str]:  # noqa: ARG002 - all tasks have the same
        """Return the columns of a prepared split."""
        return ["example", "language", "id", "text", "relevant"]

    def examples(self, columns: dict[str, list[Any]]) -> Examples:
        """Return the examples of a prepared split from its columns, without passages."""
        gold = [[Relevant(each["passage"], each["grade"]) for each in judged] for judged in columns["relevant"]]
        inputs = {name: columns[name] for name in ("id", "text")}
        return Examples(columns["example"], columns["language"], inputs, gold)

    def add_texts(self, encoded: Encoded, examples: Examples, task: Task) -> None:  # noqa: ARG002
        """Add queries, all passages of their languages, and each query with each passage that is relevant to it."""
        texts = encoded.embedded
        placed: dict[str, dict[str, int]] = {}
        for language in dict.fromkeys(examples.languages):
            held = sorted(examples.passages[language].items())  # of equal cosines the first stands first
            placed[language] = {name: texts.add(PASSAGE, text) for name, text in held}
            texts.pools[language] = Pool(list(placed[language]), list(placed[language].values()))
        for query, language, relevant in zip(examples.inputs["text"], examples.languages, examples.gold, strict=True):
            place = texts.add(QUERY, query)
            texts.examples.append((place,))
            near = frozenset(placed[language][each.passage] for each in relevant)
            texts.learnt += [NearTexts(place, placed[language][each.passage], near=near) for each in relevant]

    def embedding_loss(
        self,
        first: "Tensor",
        second: "Tensor",
        learnt: Sequence[NearTexts],
        similarity_loss: str,  # noqa: ARG002 - pairs have no scores
    ) -> "Tensor":
        """Return the loss of a batch: of each query, the cross-entropy of its passage among those of the batch."""
        import torch
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        from sentence_transformers.util import cos_sim

        hidden = torch.tensor(
            [[row != other and pair.second in each.near for other, pair in enumerate(learnt)]
             for row, each in enumerate(learnt)],
            device=first.device,
        )  # fmt: skip

        def similarity(queries: "Tensor", passages: "Tensor") -> "Tensor":
            cosines: Tensor = cos_sim(queries, passages)
            return cosines.masked_fill(hidden, -torch.inf)

        loss = MultipleNegativesRankingLoss(None, similarity_fct=similarity)
        found: Tensor = loss.compute_loss_from_embeddings([first, second], None)
        return found

    def answers(self, found: WindowPredictions, examples: Examples, encoded: Encoded, task: Task) -> list[list[Any]]:  # noqa: ARG002
        """Return the passages that are nearest to each query, the nearest first."""
        return [[name for name, _ in nearest] for nearest in rank(found, examples.languages, encoded)]

    def predictions(
        self, examples: Examples, predicted: list[list[Any]], found: WindowPredictions, encoded: Encoded
    ) -> Any:
        """Return the Arrow table of predictions.parquet: queries, what is relevant, and the passages found, ranked."""
        import pyarrow as arrow

        cosines = [[cosine for _, cosine in nearest] for nearest in rank(found, examples.languages, encoded)]
        judged = [[each._asdict() for each in relevant] for relevant in examples.gold]
        fields = self.schema(pairs=False)
        columns = {
            "example": (examples.ids, arrow.int64()),
            "language": (examples.languages, arrow.string()),
            "id": (examples.inputs["id"], arrow.string()),
            "text": (examples.inputs["text"], arrow.string()),
            "gold": (judged, fields.field("relevant").type),
            "predicted": (predicted, arrow.list_(arrow.string())),
            "cosines": (cosines, arrow.list_(arrow.float64())),
        }
        return arrow.table({name: arrow.array(values, type=type) for name, (values, type) in columns.items()})

    def read_predictions(self, gold: Sequence[Any], predicted: Sequence[Any]) -> tuple[Labels, Labels]:
        """Return the relevant passages and the ranking of each query."""
        return [[Relevant(**each) for each in relevant] for relevant in gold], predicted


def _files(examples: Sequence[Example]) -> dict[str, Mapping[str, str]]:
    """Return the passages of each language: a split has one file of each."""
    return {query.language: query.passages for query in examples}  # type: ignore[attr-defined]


def rank(found: WindowPredictions, languages: Sequence[str], encoded: Encoded) -> list[list[tuple[str, float]]]:
    """Return the passages nearest to each query with their cosines, the nearest first, KEPT of them at most."""
    import numpy as np

    assert found.embeddings is not None
    ranked: list[list[tuple[str, float]]] = [[] for _ in languages]
    places = np.asarray(encoded.embedded.examples)[:, 0]
    for language, pool in encoded.embedded.pools.items():
        rows = np.asarray([row for row, other in enumerate(languages) if other == language])
        passages = found.embeddings[pool.places]
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            cosines = found.embeddings[places[part]] @ passages.T
            for row, values in zip(part, cosines, strict=True):
                nearest = np.argsort(-values, kind="stable")[:KEPT]  # stable: ids are sorted
                ranked[row] = [(pool.ids[place], float(values[place])) for place in nearest]
    return ranked
