"""What the models of a study are made of: their sources, their vocabulary and, as far as it is known, their shape."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from smelt.entry import refer
from smelt.errors import expected_one_of
from smelt.study.makers import Compress, Distil, Export, Pretrain

NUMBERS = ("layers", "hidden", "heads", "feed_forward")


def sources_of(model: Any) -> list[str]:
    """Return the models that a model is made from."""
    if isinstance(model, Distil):
        return model.teachers
    if isinstance(model, Compress):
        return [model.teacher]
    source: str | None = getattr(model, "source", None)
    return [] if source is None else [source]


def check_sources(models: Mapping[str, Any]) -> None:
    """Check what models are made from.

    Raises:
        ValueError: a source is not there, is an export, is compressed (unless to be exported), or comes of the model
            itself.
    """
    for name, model in models.items():
        for source in sources_of(model):
            key = f"models.{name}.{_key(model)}"
            refer(key, source, models)
            if isinstance(export := models[source], Export):
                raise ValueError(
                    f"{key}: {source!r} is an export, of which no other model can be made:"
                    f" expected its own source, {export.source!r}"
                )
            if isinstance(compressed := models[source], Compress) and not isinstance(model, Export):
                raise ValueError(
                    f"{key}: {source!r} is compressed for its tasks, and can only be exported; expected a model like"
                    f" its teacher, {compressed.teacher!r}"
                )
    for name in models:
        _refuse_circle([name], models)


def vocabulary_of(name: str, models: Mapping[str, Any]) -> str:
    """Return what the vocabulary of a model is called: its tokenizer's name, or its own where it has one of its own.

    A distilled model has its first teacher's.
    """
    owner = _owner(name, models)
    model = models[owner]
    return model.tokenizer if isinstance(model, Pretrain) else owner


def check_texts(place: str, corpus: str, chosen: Sequence[str] | None, languages: Mapping[str, Sequence[str]]) -> None:
    """Check the corpus and the languages of it that a model names.

    Raises:
        ValueError: the study has no such corpus, or the corpus no such language.
    """
    refer(f"{place}.corpus", corpus, languages)
    for language in chosen or []:
        if language not in (found := languages[corpus]):
            expected = expected_one_of(language, found, "expected some of")
            raise ValueError(f"{place}.languages: {language!r} is not in corpus {corpus}: {expected}")


def refuse_ambiguous(key: str, name: str, models: Mapping[str, Any], tokenizers: Container[str]) -> None:
    """Refuse a model whose own vocabulary has the name of a tokenizer, for files are told apart by it.

    Raises:
        ValueError: it has.
    """
    owner = _owner(name, models)
    if not isinstance(models[owner], Pretrain) and owner in tokenizers:
        raise ValueError(
            f"{key}: {owner!r} is a tokenizer's name too, and counts and blocks of both would have one name:"
            " rename either"
        )


def numbers_of(name: str, models: Mapping[str, Any]) -> dict[str, int]:
    """Return layers, hidden, heads and feed_forward of a model, as far as the study tells them."""
    model = models[name]
    if isinstance(model, Pretrain):
        return {key: getattr(model.shape, key) for key in NUMBERS}
    numbers = {key: value for source in sources_of(model)[:1] for key, value in numbers_of(source, models).items()}
    if isinstance(model, Distil):
        own = {key: getattr(model.student, key) for key in NUMBERS}
        numbers |= {key: value for key, value in own.items() if value is not None}
    return numbers


def embedding_width(name: str, models: Mapping[str, Any]) -> int | None:
    """Return the width of a model's embeddings of pieces, or None where the study does not tell it.

    What is made of a model has embeddings as wide, but for students whose width is their own.
    """
    model = models[name]
    if isinstance(model, Pretrain):
        return model.shape.embedding
    if isinstance(model, Distil) and model.student.hidden is not None:
        return None
    return next((embedding_width(source, models) for source in sources_of(model)[:1]), None)


def _owner(name: str, models: Mapping[str, Any]) -> str:
    """Return the model whose vocabulary a model has: its own, or that of the first teacher, or of its first, ..."""
    while isinstance(model := models[name], Distil):
        name = model.teachers[0]
    return name


def _key(model: Any) -> str:
    return "teacher" if isinstance(model, Distil | Compress) else "source"


def _refuse_circle(way: list[str], models: Mapping[str, Any]) -> None:
    for source in sources_of(models[way[-1]]):
        if source in way:
            key = f"models.{way[0]}.{_key(models[way[0]])}"
            raise ValueError(f"{key}: goes in a circle: {' <- '.join([*way, source])}")
        _refuse_circle([*way, source], models)
