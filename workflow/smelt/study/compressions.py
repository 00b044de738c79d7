"""Whether the compressed models of a study can be made: their corpora exist, and students fit their teachers."""

from collections.abc import Collection, Mapping
from typing import Any

from smelt.study.lineage import numbers_of
from smelt.study.makers import Compress


def check_compressions(models: Mapping[str, Any], corpora: Collection[str]) -> None:
    """Check the compressed models of a study, whose sources are checked already.

    Args:
        models: all models, by name.
        corpora: names of the study's corpora.

    Raises:
        ValueError: a corpus is not there; the layer is beyond the teacher's, or the embeddings wider than they can
            be, as far as the study tells the teacher's shape.
    """
    for name, model in models.items():
        if isinstance(model, Compress):
            _check_transfer(f"models.{name}.transfer.corpus", model.transfer.corpus, corpora)
            _check_teacher(f"models.{name}", model, numbers_of(model.teacher, models))


def _check_transfer(key: str, corpus: str | None, corpora: Collection[str]) -> None:
    if corpus is not None and corpus not in corpora:
        expected = ", ".join(corpora) or "(none defined)"
        raise ValueError(f"{key}: {corpus!r} is not in the study: expected one of {expected}")


def _check_teacher(place: str, model: Compress, numbers: Mapping[str, int]) -> None:
    layers, hidden = numbers.get("layers"), numbers.get("hidden")
    if layers and model.layer and model.layer > layers:
        raise ValueError(f"{place}.layer: {model.layer} is beyond the {layers} layers of {model.teacher!r}")
    # ALBERT's embeddings are narrower still; the job, which reads them, refuses what is wider than those.
    if hidden and model.embeddings.from_teacher and (width := model.student.embedding) > hidden:
        found = f"{width:,} are more dimensions than the {hidden:,} of the teacher's embeddings"
        raise ValueError(f"{place}.student.embedding: {found}; expected fewer, or embeddings that start otherwise")
