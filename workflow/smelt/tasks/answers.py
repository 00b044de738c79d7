"""Metrics of answers: F1 and exact match by the rules of SQuAD's script and of MLQA's.

Both compare normalised texts: lower case, without punctuation and articles. A prediction counts with the right answer
that it is most like; scores are means over questions (Rajpurkar et al. 2016, section 6.1; Lewis et al. 2020, section
4.2). No maintained package has these rules without a stack of its own, and transformers dropped its copy in version 5.
"""

import re
import string
import sys
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import cache
from statistics import fmean

from smelt.tasks.metrics import Labels, Metric, MetricValues

ASCII_PUNCTUATION = frozenset(string.punctuation)
ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "ar": r"ال",  # wherever it stands, in a word too: the script's own pattern amounts to that
}
"""Articles of MLQA's languages; Hindi and Chinese have none."""
CHINESE = re.compile(r"([\u4e00-\u9fa5])")


class AnswerMetric(Metric):
    """F1 of the words of answers, and the share of answers that match exactly."""

    beside = "exact_match"

    @abstractmethod
    def normalise(self, answer: str, language: str) -> list[str]:
        """Return the words of an answer that count."""

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return F1, called by the metric's key, and exact_match."""
        found = [self._of_question(*each) for each in zip(gold, predicted, languages, strict=True)]
        return {self.key: fmean(f1 for f1, _ in found), "exact_match": fmean(exact for _, exact in found)}

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:  # noqa: ARG002 - answers have no classes
        """Return nothing: answers have no classes."""
        return {}

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:
        """Return the F1 of each question, and 1."""
        return [[self._of_question(*each)[0], 1.0] for each in zip(gold, predicted, languages, strict=True)]

    def _of_question(self, answers: Sequence[str], predicted: Sequence[str], language: str) -> tuple[float, float]:
        (answer,) = predicted
        words = self.normalise(answer, language)
        right = [self.normalise(each, language) for each in answers]
        return max(_f1(words, each) for each in right), float(words in right)


class SquadF1(AnswerMetric):
    """SQuAD's rules: English articles and ASCII punctuation do not count, in any language."""

    name = "squad-f1"
    key = "squad_f1"
    label = "F1"
    title = "F1 of answers' words (SQuAD's rules)"
    note = (
        "F1 / exact match of answers by the rules of SQuAD 1.1's script: case, ASCII punctuation and the English "
        "articles do not count, whatever the language; of several right answers the most similar one counts."
    )

    def normalise(self, answer: str, language: str) -> list[str]:  # noqa: ARG002 - the same for all
        """Return the words of an answer that count."""
        text = "".join(letter for letter in answer.lower() if letter not in ASCII_PUNCTUATION)
        return re.sub(ARTICLES["en"], " ", text).split()


class MlqaF1(AnswerMetric):
    """MLQA's rules: punctuation and the language's own articles do not count; Chinese is compared by character."""

    name = "mlqa-f1"
    key = "mlqa_f1"
    label = "F1"
    title = "F1 of answers' words (MLQA's rules)"
    note = (
        "F1 / exact match of answers by the rules of MLQA's script: case, Unicode's punctuation and the language's "
        "own articles do not count, Chinese is compared by character; of several right answers the most similar one "
        "counts. Languages that MLQA lacks keep their articles."
    )

    def normalise(self, answer: str, language: str) -> list[str]:
        """Return the words of an answer that count; in Chinese, each of its characters."""
        text = "".join(letter for letter in answer.lower() if letter not in _punctuation())
        text = re.sub(ARTICLES[language], " ", text) if language in ARTICLES else text
        return (CHINESE.sub(r" \1 ", text) if language == "zh" else text).split()


def _f1(predicted: Sequence[str], right: Sequence[str]) -> float:
    """Return the F1 of two bags of words; 0 where they share none, as where both are empty."""
    shared = (Counter(predicted) & Counter(right)).total()
    return 2 * shared / (len(predicted) + len(right)) if shared else 0.0


@cache
def _punctuation() -> frozenset[str]:
    every = map(chr, range(sys.maxunicode + 1))
    return ASCII_PUNCTUATION | {letter for letter in every if unicodedata.category(letter).startswith("P")}
