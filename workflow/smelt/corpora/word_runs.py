"""What runs of words are made of, by which documents are compared with each other and with test examples."""

import re

_CHARACTERS_OF_WORD = {"ja": 2, "zh": 2, "th": 4, "lo": 4, "km": 4, "my": 4}  # about
# One character where words have no blanks between them, with its marks; elsewhere a run of letters, digits and marks.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def units(text: str) -> list[str]:
    """Return what runs are made of: words without case and punctuation, or characters."""
    return _UNIT.findall(text.casefold())


def length_of_runs(words: int, language: str) -> int:
    """Return how many units a run of words has: more where a language is written without blanks."""
    return words * _CHARACTERS_OF_WORD.get(language.split("-")[0], 1)
