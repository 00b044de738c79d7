"""Whether the reduced models of a study can be made: what they name exists, and no model comes of itself."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from smelt.study.makers import Adopt, Pretrain, Reduce


def check_reductions(
    models: Mapping[str, Any], languages: Mapping[str, Sequence[str]], tokenizers: Container[str]
) -> None:
    """Check the reduced models of a study.

    Args:
        models: all models, by name.
        languages: of each corpus.
        tokenizers: names of the study's tokenizers.

    Raises:
        ValueError: a source, corpus, language or model of counts is not there or not fit; or sources go in a circle.
    """
    for name, model in models.items():
        if isinstance(model, Reduce):
            _check_names(f"models.{name}", model, models, languages)
            _check_vocabulary(f"models.{name}", model, models, tokenizers)
    for name in models:
        _check_circle(name, models)


def vocabulary_of(name: str, models: Mapping[str, Any]) -> str:
    """Return what the vocabulary of a model is called: its tokenizer's name, or its own where it has one of its own."""
    model = models[name]
    return model.tokenizer if isinstance(model, Pretrain) else name


def counted_vocabulary(model: Reduce, models: Mapping[str, Any]) -> str:
    """Return the vocabulary whose counts choose a reduced model's pieces."""
    return vocabulary_of(model.counts or model.source, models)


def _check_names(place: str, model: Reduce, models: Mapping[str, Any], languages: Mapping[str, Sequence[str]]) -> None:
    _refer(f"{place}.source", model.source, models)
    _refer(f"{place}.corpus", model.corpus, languages)
    for language in model.languages or []:
        if language not in languages[model.corpus]:
            found = ", ".join(languages[model.corpus])
            raise ValueError(
                f"{place}.languages: {language!r} is not in corpus {model.corpus}: expected some of {found}"
            )
    if model.counts is not None:
        _refer(f"{place}.counts", model.counts, models)
        if not (isinstance(models[model.counts], Adopt) and isinstance(models[model.source], Adopt)):
            raise ValueError(
                f"{place}.counts: found {model.counts!r} for {model.source!r}: expected an adopted model for another;"
                " those of other makers share counts where they share tokenizers"
            )


def _check_vocabulary(place: str, model: Reduce, models: Mapping[str, Any], tokenizers: Container[str]) -> None:
    """Check that the counts of the vocabulary have a name that no other vocabulary has."""
    counted = model.counts or model.source
    if not isinstance(models[counted], Pretrain) and counted in tokenizers:
        raise ValueError(
            f"{place}.source: {counted!r} is a tokenizer's name too, and the counts of both would have one name:"
            " rename either"
        )


def _check_circle(name: str, models: Mapping[str, Any]) -> None:
    way = [name]
    while isinstance(model := models[way[-1]], Reduce):
        if model.source in way:
            raise ValueError(f"models.{name}.source: goes in a circle: {' <- '.join([*way, model.source])}")
        way.append(model.source)


def _refer(key: str, name: str, names: Any) -> None:
    if name not in names:
        raise ValueError(f"{key}: {name!r} is not in the study: expected one of {', '.join(names) or '(none defined)'}")
