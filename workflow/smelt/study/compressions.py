"""Whether the compressed models of a study can be made: their corpora exist, and students fit their teachers."""

from collections.abc import Collection, Mapping
from typing import Any

from smelt.entry import refer
from smelt.study.lineage import embedding_width, numbers_of
from smelt.study.makers import Compress


def check_compressions(models: Mapping[str, Any], corpora: Collection[str]) -> None:
    """Check the compressed models of a study, whose sources are checked already.

    Args:
        models: all models, by name.
        corpora: names of the study's corpora.

    Raises:
        ValueError: a corpus is not there; the layer is beyond the teacher's, or the embeddings are not as wide as their
            start makes them, as far as the study tells the teacher's shape.
    """
    for name, model in models.items():
        if isinstance(model, Compress):
            _check_transfer(f"models.{name}.transfer.corpus", model.transfer.corpus, corpora)
            numbers = numbers_of(model.teacher, models)
            _check_layer(f"models.{name}.layer", model, numbers.get("layers"))
            _check_start(f"models.{name}", model, numbers.get("hidden"), embedding_width(model.teacher, models))


def _check_transfer(key: str, corpus: str | None, corpora: Collection[str]) -> None:
    if corpus is not None:
        refer(key, corpus, corpora)


def _check_layer(key: str, model: Compress, layers: int | None) -> None:
    if layers and model.layer and model.layer > layers:
        raise ValueError(f"{key}: {model.layer} is beyond the {layers} layers of {model.teacher!r}")


def _check_start(place: str, model: Compress, hidden: int | None, embedding: int | None) -> None:
    """Check the width of the student's embeddings against their start; a teacher's are never wider than its states."""
    key, width, start = f"{place}.student.embedding", model.student.embedding, model.embeddings
    if start.start == "ppa" and start.directions > width:
        raise ValueError(f"{place}.embeddings.removed: found {start.directions}, expected at most {key}, {width}")
    if start.start == "full" and embedding and width != embedding:
        raise ValueError(f"{key}: found {width:,}; start: full keeps the {embedding:,} of the teacher's embeddings")
    widest = embedding or hidden
    if start.from_teacher and widest and width > widest:
        found = f"{width:,} are more dimensions than the {widest:,} of the teacher's embeddings"
        raise ValueError(f"{key}: {found}; expected fewer, or embeddings that start otherwise")
