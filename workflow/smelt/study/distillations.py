"""Whether the distilled models of a study can be made: what they name exists, and students fit their teachers."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from smelt.study.lineage import check_texts, numbers_of, refuse_ambiguous, vocabulary_of
from smelt.study.makers import Amplify, Distil
from smelt.study.student import refuse_unmapped
from smelt.training.losses import refuse_untaught


def check_distillations(
    models: Mapping[str, Any], languages: Mapping[str, Sequence[str]], tokenizers: Container[str]
) -> None:
    """Check the distilled models of a study, whose sources are checked already.

    Args:
        models: all models, by name.
        languages: of each corpus.
        tokenizers: names of the study's tokenizers.

    Raises:
        ValueError: a corpus or a language is not there; teachers have different tokenizers; or a student's shape,
            layers or losses do not fit a teacher whose shape the study tells; or nothing would teach it to predict the
            pieces that a teacher was given.
    """
    for name, model in models.items():
        if isinstance(model, Distil):
            check_texts(f"models.{name}", model.corpus, model.languages, languages)
            _check_vocabularies(f"models.{name}", model, models, tokenizers)
            _check_shapes(f"models.{name}", model, models)
            _check_new_pieces(f"models.{name}", model, models)


def _check_vocabularies(place: str, model: Distil, models: Mapping[str, Any], tokenizers: Container[str]) -> None:
    vocabularies = {teacher: vocabulary_of(teacher, models) for teacher in model.teachers}
    first, *others = model.teachers
    for other in others:
        pair = {vocabularies[first], vocabularies[other]}
        if len(pair) > 1 and all(name in tokenizers for name in pair):
            raise ValueError(
                f"{place}.teacher: {first!r} has the pieces of {vocabularies[first]} and {other!r} those of"
                f" {vocabularies[other]}: what they predict cannot be averaged; expected teachers of one tokenizer"
            )
    refuse_ambiguous(f"{place}.teacher", first, models, tokenizers)


def _check_new_pieces(place: str, model: Distil, models: Mapping[str, Any]) -> None:
    for teacher in model.teachers:
        if isinstance(models[teacher], Amplify):
            try:
                refuse_untaught(model.losses, repr(teacher))
            except ValueError as error:
                raise ValueError(f"{place}.{error}") from None


def _check_shapes(place: str, model: Distil, models: Mapping[str, Any]) -> None:
    numbers = {teacher: numbers_of(teacher, models) for teacher in model.teachers}
    try:
        model.student.refuse_unfit(numbers[model.teachers[0]])
    except ValueError as error:
        raise ValueError(f"{place}.student.{error}") from None
    for teacher, known in numbers.items():
        try:
            refuse_unmapped(model.losses.layers, model.student.layers, known.get("layers"))
        except ValueError as error:
            raise ValueError(f"{place}.{error} ({teacher})") from None
        heads = model.student.heads or numbers[model.teachers[0]].get("heads")
        if model.losses.attention and heads and heads != known.get("heads", heads):
            raise ValueError(
                f"{place}.losses.attention: the student has {heads} heads and {teacher!r} {known['heads']}; expected"
                " as many, for attention is compared head by head"
            )
