"""Whether the reduced models of a study can be made: what they name exists, and counts have names of their own."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from smelt.entry import refer
from smelt.study.lineage import check_texts, refuse_ambiguous, vocabulary_of
from smelt.study.makers import Adopt, Reduce


def check_reductions(
    models: Mapping[str, Any], languages: Mapping[str, Sequence[str]], tokenizers: Container[str]
) -> None:
    """Check the reduced models of a study, whose sources are checked already.

    Args:
        models: all models, by name.
        languages: of each corpus.
        tokenizers: names of the study's tokenizers.

    Raises:
        ValueError: a corpus, language or model of counts is not there or not fit.
    """
    for name, model in models.items():
        if isinstance(model, Reduce):
            _check_names(f"models.{name}", model, models, languages)
            refuse_ambiguous(f"models.{name}.source", model.counts or model.source, models, tokenizers)


def counted_vocabulary(model: Reduce, models: Mapping[str, Any]) -> str:
    """Return the vocabulary whose counts choose a reduced model's pieces."""
    return vocabulary_of(model.counts or model.source, models)


def _check_names(place: str, model: Reduce, models: Mapping[str, Any], languages: Mapping[str, Sequence[str]]) -> None:
    check_texts(place, model.corpus, model.languages, languages)
    if model.counts is not None:
        refer(f"{place}.counts", model.counts, models)
        if not (isinstance(models[model.counts], Adopt) and isinstance(models[model.source], Adopt)):
            raise ValueError(
                f"{place}.counts: found {model.counts!r} for {model.source!r}: expected an adopted model for another;"
                " those of other makers share counts where they share tokenizers"
            )
