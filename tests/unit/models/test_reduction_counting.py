"""Pieces are counted exactly as a loop over lines would, whatever the tokenizer and however odd the text."""

import json
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from counted_tokenizers import BUILDERS, ROBERTA, SPECIAL, Built, sentences
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from smelt.models.reduce import counting
from smelt.models.reduce.counting import PieceCounter, PieceTally
from smelt.training import known_words
from smelt.training.splitting import splitting_of

KNOWN = [sentence.split(" ")[0] for sentence in sentences(60, seed=2)]
ODD = [
    *SPECIAL,
    *ROBERTA,
    *(
        "😀",
        "👩\u200d👩\u200d👧",
        "🇫🇷🇩🇪",
        "👍🏽",
        "é",
        "e\u0301",
        "\u0301",
        "\u0308a",
        "a\u0308",
        "\u0600",
        "\u0e33",
        "ำก",
    ),
    *("\0", "\u200b", "\u200e", "\ufeff", "\u00ad", "\u00a0", "\u3000", "\u2028", "\t", "\r", "\x1c", "\x85", "\ufffd"),
    *("_", "_a", "a_", "a_b", "日_本"),
    *("▁", "▁a", "a▁", "Ġ", "##a", "'s", "don't", "``", "''", "﷽", "ﹰ", "¨", "´", "‾", "ﬁ", "İ", "ß", "ς", "½", "①"),
    *(
        "日本語",
        "東京,大学。",
        "a" * 300,
        "α" * 50,
        "कि",
        "्क",
        "가",
        "각",
        "\u1100",
        "\u1161\u11a8",
        "\u1100\u1161",
        "\u1100\u1161\u11a8",
        "\uff76\uff9e",
        "\ufdd0",
        "\ufdd0\ufdd1\ufdd0",
        "\ufdd1\ufdd0",
        "\U0001d56c",
    ),
]
WORDS = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(ODD),
    st.lists(st.sampled_from([*KNOWN, *ODD]), min_size=2, max_size=3).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=4),
)
BLANKS = st.sampled_from([" "] * 12 + ["", "  ", "   "])
WILD = st.lists(st.tuples(WORDS, BLANKS).map("".join), max_size=10).map("".join)
# One word that must be tokenised with its line hides what happens to the others: so most lines have one odd word.
TAME = st.tuples(st.sampled_from(KNOWN), WORDS, st.sampled_from(KNOWN)).map(" ".join)
LINES = st.one_of(TAME, TAME, WILD)
DOCUMENTS = st.lists(st.lists(LINES, max_size=4).map("\n".join), max_size=4)


@pytest.fixture(scope="module", params=BUILDERS)
def built(request: pytest.FixtureRequest) -> Built:
    return BUILDERS[request.param]()


@pytest.fixture(scope="module")
def counter(built: Built) -> PieceCounter:
    """One counter for many texts, so that it remembers words from earlier texts."""
    return PieceCounter(built.tree, built.pieces, built.literal)


def plain(documents: list[str], built: Built) -> tuple[int, int, Counter[int], Counter[int], Counter[int]]:
    """Count as public scripts do: tokenise every line, and count its pieces one by one."""
    lines = held = 0
    in_lines, in_documents, occurrences = Counter(), Counter(), Counter()
    for document in documents:
        pieces_of_document = set()
        counted = [line for line in document.split("\n") if len(line.strip()) > 5]
        for line in counted:
            ids = built.ids(line)
            occurrences.update(ids)
            in_lines.update(set(ids))
            pieces_of_document.update(ids)
        lines, held = lines + len(counted), held + bool(counted)
        in_documents.update(pieces_of_document)
    return lines, held, in_lines, in_documents, occurrences


def as_counters(tally: PieceTally) -> tuple[int, int, Counter[int], Counter[int], Counter[int]]:
    arrays = (tally.in_lines, tally.in_documents, tally.occurrences)
    found = (Counter({int(number): int(array[number]) for number in np.flatnonzero(array)}) for array in arrays)
    return tally.lines, tally.documents, *found


@hypothesis_settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
@example([])
@example([""])
@example(["      \n \t\u3000\u3000  \n\n"])
@example(["123456", "12345", " 12345 ", "\x1c123456"])
@example(["two  blanks", "three   blanks", " one before", "one behind ", "no-break\u00a0 and blank"])
@example(["a \u0301b \u0e33c", "x \u0600 \u0600a b\u0600 c", "emoji 👩 \u200d👧 👍 🏽"])
@example(["say [MASK] and <mask> and  <mask>", "a[SEP]b [SEP]", "<s>abc </s>", "[MASK]"])
def test_counts_are_those_of_a_loop_over_lines(built: Built, counter: PieceCounter, documents: list[str]) -> None:
    assert as_counters(counter.count(documents)) == plain(documents, built)


@pytest.mark.parametrize("place", ["alone", "first", "last", "within"])
def test_every_odd_word_is_counted_as_in_its_line(built: Built, counter: PieceCounter, place: str) -> None:
    odd = [*ODD, *(f"{one}{other}" for one in ("a", "é", "日") for other in ODD), *(f"{one}a" for one in ODD)]
    form = {"alone": "{0}", "first": "{0} abcde", "last": "abcde {0}", "within": "abcde {0} 1984"}[place]
    for word in odd:
        document = [form.format(word)]
        assert as_counters(counter.count(document)) == plain(document, built), word


def test_a_vocabulary_that_lacks_ids_is_counted_too() -> None:
    pieces = [*SPECIAL, "pa", "pa", "ta", "##ta"]  # the file has "pa" twice, so that id 5 is none
    whole = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    counts = PieceCounter(json.loads(whole.to_str()), len(pieces), False).count(["pata ta pata pata"])
    found = dict(zip(pieces, counts.occurrences.tolist(), strict=True))
    assert found == dict.fromkeys(SPECIAL, 0) | {"pa": 3, "ta": 1, "##ta": 3}


def test_lines_are_cut_at_blanks_only_where_that_is_known_to_be_exact(built: Built) -> None:
    assert (splitting_of(built.whole.backend_tokenizer, built.tree) is not None) == built.splits


def test_usual_words_stand_alone(built: Built) -> None:
    splitting = splitting_of(built.whole.backend_tokenizer, built.tree)
    if splitting is not None:
        assert (
            not splitting.blank_runs or splitting.alone(pa.array(["[2]\u200b"]))[0]
        )  # so do Wikipedia's references end
        usual = ["don't", "1984,", "(日本語)", "œuvre", "😀", "हिन्दी", "के", "สวัสดี", "e\u0301te\u0301", "ʻa"]
        assert splitting.alone(pa.array(usual)).all()


@pytest.mark.parametrize("limit", ["CHARACTERS_AT_ONCE", "FREQUENT", "REMEMBERED", "WORDS_AT_ONCE"])
def test_limits_of_memory_do_not_change_counts(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = BUILDERS["byte-level BPE"]()
    documents = ["\n".join(sentences(3, seed)) for seed in range(20)]
    for module in (known_words, counting):
        monkeypatch.setattr(module, limit, 1, raising=module is known_words)
    counter = PieceCounter(built.tree, built.pieces, built.literal)
    for _ in range(2):
        assert as_counters(counter.count(documents)) == plain(documents, built)


@pytest.mark.parametrize("weak", [lambda words: np.zeros(len(words), np.int64), lambda words: -np.arange(len(words))])
def test_words_that_share_a_hash_are_counted_apart(
    weak: Callable[[object], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = BUILDERS["byte-level BPE"]()
    monkeypatch.setattr(known_words, "FREQUENT", 1)
    monkeypatch.setattr(known_words, "_hashes", weak)
    counter = PieceCounter(built.tree, built.pieces, built.literal)
    for seed in range(10):
        documents = ["\n".join(sentences(3, seed)), "\n".join(sentences(2, seed + 1))]
        assert as_counters(counter.count(documents)) == plain(documents, built)


def test_words_are_found_by_the_numbers_in_which_they_came() -> None:
    known = known_words.WordNumbers()
    for group in (["b", "a", ""], ["c"], [], ["é", "dd"]):
        assert (known.find(pa.array(group, pa.large_string())) == -1).all()
        known.add(pa.array(group, pa.large_string()))
    assert known.find(pa.array(["dd", "e", "", "é", "b", "c"], pa.large_string())).tolist() == [5, -1, 2, 4, 0, 3]


def test_words_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    built = BUILDERS["WordPiece, cased"]()
    monkeypatch.setattr(known_words, "REMEMBERED", 500)
    counter = PieceCounter(built.tree, built.pieces, built.literal)
    remembered = []
    for seed in range(30):
        counter.count(sentences(10, seed))
        remembered.append(len(counter._words))
    assert max(remembered) > 500
    assert max(remembered) < 500 + 10 * 12
