"""Whether the amplified models of a study can be made: what they name exists."""

from collections.abc import Mapping, Sequence
from typing import Any

from smelt.study.lineage import check_texts
from smelt.study.makers import Amplify


def check_amplifications(models: Mapping[str, Any], languages: Mapping[str, Sequence[str]]) -> None:
    """Check the amplified models of a study, whose sources are checked already.

    Args:
        models: all models, by name.
        languages: of each corpus.

    Raises:
        ValueError: a corpus or a language is not there.
    """
    for name, model in models.items():
        if isinstance(model, Amplify):
            check_texts(f"models.{name}", model.corpus, model.languages, languages)
