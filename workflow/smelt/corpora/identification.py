"""The step of cleaning that leaves out documents in another language, by py3langid."""

from functools import cache
from typing import TYPE_CHECKING, ClassVar

from smelt.corpora.cleaning_step import CleaningStep
from smelt.errors import SmeltError, expected_one_of
from smelt.study.cleaning import WrongLanguage

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

CHARACTERS = 1000
# Answers that are a language under another code: Wikipedia's Norwegian is Bokmål, which py3langid calls Norwegian.
NAMES = {"nb": "no", "zh-yue": "yue", "simple": "en"}


@cache
def identifier() -> "LanguageIdentifier":
    """Return py3langid's identifier with probabilities; its model comes with the package."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class LanguageStep(CleaningStep):
    """Leaves out documents that are in another language with enough certainty."""

    name: ClassVar = "language"

    def __init__(self, settings: WrongLanguage, language: str) -> None:
        """Take the certainty, and the answers that are right.

        Raises:
            SmeltError: py3langid does not know the language.
        """
        super().__init__()
        self._certainty = settings.certainty
        own = NAMES.get(language, language.split("-")[0] if language.split("-")[0] in identifier().labels else language)
        self._right = {own, *settings.accept.get(language, [])}
        if unknown := sorted(self._right - {*identifier().labels}):
            known = expected_one_of(unknown[0], sorted(identifier().labels))
            raise SmeltError(language, f"py3langid does not know the language {unknown[0]!r}: {known}")

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text, or nothing where it is in another language."""
        language, probability = identifier().classify(text[:CHARACTERS])
        if language in self._right or probability < self._certainty:
            return text
        self.counted[language] += 1
        return ""

    def details(self) -> dict[str, dict[str, int]]:
        """Return which languages were found, the most frequent first."""
        return {"found": dict(sorted(self.counted.items(), key=lambda item: (-item[1], item[0])))}
