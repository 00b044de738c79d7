"""How large the models of a study are before any is made; what the study leaves open is as BERT-base has it."""

from typing import Any, get_args

from smelt.study.architectures import FamilyName, Shape
from smelt.study.makers.amplify import Amplify
from smelt.study.makers.reduce import Reduce
from smelt.study.resources import BASE
from smelt.study.schema import Study

PUBLISHED_PIECES = 119_547  # assumed of adopted models: mBERT's


def shape_of(study: Study, model: str) -> Shape:
    """Return a model's shape."""
    definitions = study.definitions
    numbers: dict[str, Any] = BASE | definitions.numbers(model)
    family = study.models[model].family(definitions)
    numbers["family"] = family if family in get_args(FamilyName) else "bert"
    numbers["embedding"] = definitions.embedding_width(model) or numbers["hidden"]
    return Shape.model_construct(**numbers)


def pieces_of(study: Study, model: str) -> int:
    """Return how many pieces a model has; at most, where the study gives no number."""
    return pieces_of_vocabulary(study, study.definitions.vocabulary(model))


def pieces_of_vocabulary(study: Study, vocabulary: str) -> int:
    """Return how many pieces a vocabulary has: that of a tokenizer, or of the model that owns it."""
    if vocabulary in study.tokenizers:
        return study.tokenizers[vocabulary].vocabulary
    owner = study.models[vocabulary]
    before = pieces_of(study, owner.sources[0]) if owner.sources else PUBLISHED_PIECES
    if isinstance(owner, Reduce):
        return owner.size or before
    return before + owner.pieces if isinstance(owner, Amplify) else before


def parameters_of(study: Study, model: str) -> int:
    """Return how many parameters a model has."""
    return shape_of(study, model).parameters(pieces_of(study, model))
