"""Words as a tokenizer cuts them, each piece written as one character, so that a library can go on merging them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from tokenizers import Encoding, Tokenizer

from smelt.models.reduction.vocabulary import Vocabulary

FIRST = 0x10000  # the first character of Unicode's supplementary planes, none of which is a blank
_AT_ONCE = 10_000
_BLANK = "\u2581"  # how SentencePiece writes the blank before a word


def symbol(piece: int) -> str:
    """Return the character that stands for a piece."""
    return chr(FIRST + piece)


def ids_of(word: str) -> tuple[int, ...]:
    """Return the pieces that a word of such characters stands for."""
    return tuple(ord(character) - FIRST for character in word)


class Words:
    """Cuts words with the tokenizer of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary, tokenizer: Tokenizer, excluded: Iterable[int]) -> None:
        """Take the vocabulary, its tokenizer, and the ids that no new piece may hold: special ones and the like."""
        self._tokenizer = tokenizer
        self._excluded = frozenset(excluded)
        self._marked = vocabulary.tree["model"]["type"] != "WordPiece"
        self._begins = frozenset(
            identity for identity, piece in enumerate(vocabulary.pieces) if self._marked and piece.startswith(_BLANK)
        )

    def count(self, lines: Iterable[str]) -> Counter[str]:
        """Return how often each word of at least two pieces occurs, a character a piece."""
        plain = Counter[str]()
        for line in lines:
            plain.update(line.split())
        found = Counter[str]()
        items = iter(plain.items())
        while some := list(islice(items, _AT_ONCE)):
            # A blank before it, as most words of a text have: some tokenizers cut a text's first word otherwise.
            encodings = self._tokenizer.encode_batch([f" {word}" for word, _ in some], add_special_tokens=False)
            for encoding, (_, times) in zip(encodings, some, strict=True):
                for word in self._words(encoding):
                    found[word] += times
        return found

    def _words(self, encoding: Encoding) -> Iterator[str]:
        """Yield what stands between places where no pieces are to grow together, where it is two pieces or more."""
        run = 0
        keys = []
        for identity, word in zip(encoding.ids, encoding.word_ids, strict=True):
            run += identity in self._begins
            keys.append((word, run, identity in self._excluded))
        for (_, _, excluded), group in groupby(zip(keys, encoding.ids, strict=True), key=lambda pair: pair[0]):
            pieces = [identity for _, identity in group]
            if not excluded and len(pieces) > 1:
                yield "".join(map(symbol, pieces))
