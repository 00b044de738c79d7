"""Compare how a folder's tokenizer cuts text with its own SentencePiece model, and build a tokenizer.json that agrees.

transformers 5 builds the tokenizers of many classes from a few parts of their files. DeBERTa-v2's lose the normalizer
of their SentencePiece model, XLM-R's, CamemBERT's and T5's its byte pieces for unknown characters and
`add_dummy_prefix: false`, ALBERT's lowercase unless they are asked not to. The pieces stay the same, so only lines of
text show it.
"""

import json
import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from smelt.errors import SmeltError, first_line
from smelt.files import read_json
from smelt.model_folder import sentencepiece_files

SPACE = "▁"
OF_PIECES = 500  # lines made of a model's own pieces, beside those of LINES
_UNKNOWN = ""  # how an unknown piece is written where two readings are compared; no piece is empty
# Vowel signs of Hebrew, Arabic and Syriac, and Arabic's presentation forms, after which another may follow.
_ORDERED = r"\x{0591}-\x{05C7}\x{0610}-\x{061A}\x{064B}-\x{0652}\x{0656}-\x{065F}\x{0670}\x{06D6}-\x{06ED}"
_ORDERED += r"\x{0711}\x{0730}-\x{074A}\x{FB1D}-\x{FDCF}\x{FDF0}-\x{FDFF}\x{FE70}-\x{FEFC}"
_APART = "\ufdd0"  # a code point that Unicode keeps from ever being a character
_NORMAL, _BPE, _UNIGRAM = 1, 2, 1  # of sentencepiece_model.proto


@dataclass(frozen=True)
class Cutting:
    """How a reader of a folder cuts lines, compared with a SentencePiece model in it."""

    reader: str
    """AutoTokenizer's class, or tokenizer.json."""
    model: str
    """The SentencePiece model's file name."""
    lines: int
    otherwise: int
    example: tuple[str, str, str] | None = None
    """A line, its pieces by the reader, and by the model, as far as they differ."""

    @property
    def share(self) -> float:
        """Return the share of lines that are cut otherwise."""
        return self.otherwise / self.lines if self.lines else 0.0

    def sentence(self) -> str:
        """Return the comparison, in words."""
        said = f"{self.reader} cuts {self.otherwise:,} of {self.lines:,} lines ({self.share:.1%}) otherwise than"
        said += f" {self.model}"
        if self.example is not None:
            line, ours, theirs = self.example
            said += f", such as {line!r}: {ours} where {self.model} has {theirs}"
        return said

    def record(self) -> dict[str, Any]:
        """Return the entry for provenance.json."""
        names = ("line", "reader", "model")
        example = None if self.example is None else dict(zip(names, self.example, strict=True))
        counts = {"lines": self.lines, "cut_otherwise": self.otherwise, "share": self.share}
        return {"reader": self.reader, "model": self.model} | counts | {"example": example}


@dataclass(frozen=True)
class SentencePiece:
    """A SentencePiece model of a folder."""

    path: Path
    proto: Any
    processor: Any = field(repr=False)

    def cut(self, line: str) -> list[str]:
        """Return the pieces of a line."""
        ids = self.processor.encode(line)
        return [_UNKNOWN if self.processor.is_unknown(piece) else self.processor.id_to_piece(piece) for piece in ids]

    def lines(self, more: Iterable[str] = ()) -> list[str]:
        """Return lines of many scripts, lines of its own pieces (the same each time), and more."""
        known = [piece.piece for piece in self.proto.pieces if piece.type == _NORMAL]
        draw = random.Random(1)
        own = (draw.choices(known, k=draw.randint(1, 12)) for _ in range(OF_PIECES if known else 0))
        return [*LINES, *("".join(map(_spell, pieces)) for pieces in own), *more]


def _spell(piece: str) -> str:
    """Return the text of a piece, with a blank before a mark that it begins with."""
    alone = unicodedata.category(piece[0]).startswith("M")
    return " " * alone + piece.replace(SPACE, " ")


def sentencepieces_of(folder: Path) -> list[SentencePiece]:
    """Return the SentencePiece models of a folder; `*.model` files of another kind (tiktoken's) do not count."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    found = []
    for path in sentencepiece_files(folder):
        proto = sentencepiece_model_pb2.ModelProto()
        try:
            proto.ParseFromString(path.read_bytes())
            processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes()) if proto.pieces else None
        except Exception:  # protobuf's errors and sentencepiece's have no base of their own
            continue
        if processor is not None:
            found.append(SentencePiece(path, proto, processor))
    return found


def cuttings(folder: Path, tokenizer: Any, more: Sequence[str] = ()) -> list[Cutting]:
    """Return how AutoTokenizer's tokenizer of a folder, and its tokenizer.json, cut lines against its own models.

    Args:
        folder: the model's folder.
        tokenizer: what AutoTokenizer makes of it.
        more: lines beside those that are always compared.
    """
    found = []
    for model in sentencepieces_of(folder):
        lines = model.lines(more)
        found.append(_compare(type(tokenizer).__name__, _pieces(tokenizer, lines), model, lines))
        if (folder / "tokenizer.json").is_file():
            found.append(_compare("tokenizer.json", _pieces_of_file(folder, lines), model, lines))
    return found


def faithful(folder: Path, tokenizer: Any, where: str, more: Sequence[str] = ()) -> tuple[Any, Cutting]:
    """Return a tokenizer with the same pieces that cuts lines as the folder's SentencePiece model, and the comparison.

    Args:
        folder: the model's folder.
        tokenizer: what AutoTokenizer makes of it.
        where: the model's name, for messages.
        more: lines beside those that are always compared.

    Raises:
        SmeltError: there is no such model, or none can be built that cuts every line alike.
    """
    from transformers import PreTrainedTokenizerFast

    found = sentencepieces_of(folder)
    if len(found) != 1:
        raise SmeltError(
            where, f"has {len(found)} SentencePiece models: tokenizer: faithful is for folders with one *.model"
        )
    (model,) = found
    if tokenizer.init_kwargs.get("do_lower_case") and _says_lower_case(folder):
        raise SmeltError(
            where,
            f"its tokenizer_config.json says do_lower_case, which {model.path.name} does not do: it was trained on"
            " lowercased text; leave tokenizer: faithful out",
        )
    lines = model.lines(more)
    best: Cutting | None = None
    for normalizer in _normalizers(model.proto):
        backend = _backend(tokenizer, model, normalizer, where)
        names = {name: value for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
        built = PreTrainedTokenizerFast(
            tokenizer_object=backend,
            model_max_length=tokenizer.model_max_length,
            model_input_names=tokenizer.model_input_names,
            padding_side=tokenizer.padding_side,
            extra_special_tokens=list(tokenizer.extra_special_tokens),
            **names,
        )
        if built.get_vocab() != tokenizer.get_vocab():
            raise SmeltError(where, "no faithful tokenizer can be built: its added tokens would get other ids")
        cutting = _compare("the faithful tokenizer", _pieces(built, lines), model, lines)
        if not cutting.otherwise:
            return built, cutting
        best = cutting if best is None or cutting.otherwise < best.otherwise else best
    assert best is not None
    raise SmeltError(where, f"no faithful tokenizer can be built: {best.sentence()}; leave tokenizer: faithful out")


def _says_lower_case(folder: Path) -> bool:
    path = folder / "tokenizer_config.json"
    return path.is_file() and bool(read_json(path).get("do_lower_case"))


def _normalizers(proto: Any) -> Iterable[list[Any]]:
    """Yield normalizers that may do what a SentencePiece model does to characters.

    Precompiled reads the model's own table, but by graphemes. Of a short one it takes the first rule that fits its
    beginning and drops the rest: the second accent of decomposed Vietnamese. Of a long one it takes each character by
    itself: jamo and half-width kana stay decomposed. Composing before and after mends both, but would also put the
    vowels of Arabic and Hebrew into another order, which SentencePiece does not: those are kept apart meanwhile.
    """
    table = proto.normalizer_spec.precompiled_charsmap
    if not table:
        yield []
        return
    precompiled = normalizers.Precompiled(table)
    yield [precompiled]
    apart = normalizers.Replace(Regex(f"(?<=[{_ORDERED}])(?=\\p{{Mn}})"), _APART)
    yield [apart, normalizers.NFC(), precompiled, normalizers.NFC(), normalizers.Replace(_APART, "")]


def _backend(tokenizer: Any, model: SentencePiece, normalizer: list[Any], where: str) -> Tokenizer:
    spec = model.proto.normalizer_spec
    if model.proto.trainer_spec.treat_whitespace_as_suffix or not spec.escape_whitespaces:
        raise SmeltError(where, f"{model.path.name} marks the end of words, which no faithful tokenizer does yet")
    backend = Tokenizer(_model(tokenizer, model, where))
    steps = list(normalizer)
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    scheme = "always" if spec.add_dummy_prefix else "never"
    if spec.add_dummy_prefix and not spec.remove_extra_whitespaces:
        # Metaspace would put none before a blank that a text begins with.
        steps += [normalizers.Replace(" ", SPACE), normalizers.Prepend(SPACE)]
        scheme = "never"
    if steps:
        backend.normalizer = normalizers.Sequence(steps)
    crossing = any(SPACE in piece.piece[1:] for piece in model.proto.pieces if piece.type == _NORMAL)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=not crossing)
    ends = [decoders.Strip(" ", 1, 0)] if spec.add_dummy_prefix else []
    backend.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *ends])
    if tokenizer.backend_tokenizer.post_processor is not None:
        backend.post_processor = tokenizer.backend_tokenizer.post_processor
    for _, token in sorted(tokenizer.added_tokens_decoder.items()):
        if token.special:
            backend.add_special_tokens([token])
        else:
            backend.add_tokens([token])
    return backend


def _model(tokenizer: Any, model: SentencePiece, where: str) -> Any:
    """Return the loaded tokenizer's pieces under their ids, with the scores and the bytes of a SentencePiece model."""
    tree = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    spec = model.proto.trainer_spec
    kinds = {_UNIGRAM: "Unigram", _BPE: "BPE"}
    if kinds.get(spec.model_type) != tree["type"]:
        raise SmeltError(
            where, f"{model.path.name} is of another kind than the {tree['type']} that {type(tokenizer).__name__} makes"
        )
    if tree["type"] == "BPE":
        merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in tree["merges"]]
        return models.BPE(
            tree["vocab"], merges, unk_token=tree["unk_token"], fuse_unk=True, byte_fallback=spec.byte_fallback
        )
    scores = {piece.piece: piece.score for piece in model.proto.pieces}
    pieces = [(piece, scores.get(piece, score)) for piece, score in tree["vocab"]]
    return models.Unigram(pieces, unk_id=tree["unk_id"], byte_fallback=spec.byte_fallback)


def _pieces(tokenizer: Any, lines: Sequence[str]) -> list[list[str]]:
    """Return the pieces of lines by a tokenizer of transformers."""
    unknown = tokenizer.unk_token_id
    batch = tokenizer(list(lines), add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return [
        [_UNKNOWN if piece == unknown else text for piece, text in zip(ids, _texts(tokenizer, ids), strict=True)]
        for ids in batch
    ]


def _texts(tokenizer: Any, ids: list[int]) -> list[str]:
    found: list[str] = tokenizer.convert_ids_to_tokens(ids)
    return found


def _pieces_of_file(folder: Path, lines: Sequence[str]) -> list[list[str]] | str:
    """Return the pieces of lines by tokenizer.json itself, or why it cannot be read."""
    path = folder / "tokenizer.json"
    try:
        backend, tree = Tokenizer.from_file(str(path)), read_json(path)["model"]
    except Exception as error:  # the library's errors have no base of their own
        return first_line(error)
    backend.no_truncation()
    backend.no_padding()
    unknown = tree.get("unk_id")
    if tree.get("unk_token") is not None:
        unknown = backend.token_to_id(tree["unk_token"])
    return [
        [_UNKNOWN if one == unknown else str(backend.id_to_token(one)) for one in encoding.ids]
        for encoding in backend.encode_batch(list(lines), add_special_tokens=False)
    ]


def _compare(reader: str, found: list[list[str]] | str, model: SentencePiece, lines: Sequence[str]) -> Cutting:
    """Compare a reader's pieces of lines with the model's."""
    name = model.path.name
    if isinstance(found, str):
        return Cutting(f"{reader}, which cannot be read ({found}),", name, len(lines), len(lines))
    otherwise, example = 0, None
    for line, ours in zip(lines, found, strict=True):
        if ours != (theirs := model.cut(line)):
            otherwise += 1
            example = example or (line[:80], *_difference(ours, theirs))
    return Cutting(reader, name, len(lines), otherwise, example)


def _difference(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, str]:
    """Return the first pieces that differ, with a few after them."""
    pairs = zip(ours, theirs, strict=False)
    place = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(ours), len(theirs)))
    one, other = ([piece or "<unknown>" for piece in part[place : place + 4]] for part in (ours, theirs))
    return " ".join(one) or "nothing", " ".join(other) or "nothing"


# Lines of many scripts, in words of our own, with what tokenizers disagree about. Every line is one that people write:
# full-width letters, ligatures, composed and decomposed accents, blanks of all kinds, joiners, emoji, characters that
# few vocabularies have. The lines are part of what an adopted model's record means: change them together with that.
LINES: tuple[str, ...] = (
    "The harbour was quiet, and nobody asked why the boats had left.",
    "  Two blanks stand before this line and two  within it.  ",
    "A\ttab, a no-break\u00a0space, a thin\u2009space and an ideographic\u3000one.",
    "Ｆｕｌｌ－ｗｉｄｔｈ ｌｅｔｔｅｒｓ ａｎｄ ① ② ③",
    "The oﬃce ﬁled ﬁve ﬂat ﬁgures: ½ of 3 ㎏, 20 ℃, 4 ㎡, №7, ™ and …",
    "``Quoted,'' she said, \"and again\" — 'so' it went…",
    "UPPER CASE, Title Case and lower case: ÀÉÎÕÜ, ẞ and ß, İstanbul and ısı.",
    "cafe\u0301, nai\u0308ve, A\u030angstro\u0308m, man\u0303ana: accents that stand alone",
    "Tie\u0302\u0301ng Vie\u0323\u0302t co\u0301 nhie\u0302\u0300u da\u0302\u0301u",
    "Tiếng Việt có nhiều dấu, và ai cũng biết.",
    "Zero\u200bwidth, soft\u00adhyphen, word\u2060joiner and \ufeffbyte order mark.",
    "Emoji: 😀 👍🏽 👩‍👩‍👧 🇪🇺 ❤️ ☃",
    "https://example.org/a_b?c=1&d=%20 and name.surname@example.org",
    "x = [i**2 for i in range(10)]  # {'a': 1.5e-3}",
    "1,234.56 or 1.234,56 or 1 234,56; 2026-11-28; 07:45; +33 1 23 45",
    "Le cœur de l'été n'est plus qu'à deux pas, d'après ma sœur.",
    "Die Straßen wurden größer, und Jürgen mußte übers Wochenende arbeiten.",
    "El niño comió piña; ¿quién lo diría? ¡Nadie!",
    "A manhã começou fria, mas não choveu em São João.",
    "Oggi è già così: perché no? L'acqua è più blu.",
    "De zeeën waren kalm en de ĳsberen sliepen.",
    "Żółta łódź płynie wśród gęstej mgły.",
    "Příliš žluťoučký kůň? Ne, jen hnědý pes.",
    "Őszi fény az ablakon, és űrhajó a kertben.",
    "Gözlükçü ığdır yolunda yağmura yakalandı.",
    "Vēju pārnestās lapas un ķirši; šodien ģērbies silti.",
    "Ðað er kalt á Þingvöllum, en fólkið brosir.",
    "Etxe zuriaren aurrean haurrak jolasten ari ziren.",
    "Watoto wanacheza nje baada ya mvua kubwa.",
    "Ọmọ náà ń kọrin ní ọjà l'ọ́sàn-án.",
    "Μια γάτα κοιμάται δίπλα στο παράθυρο· ποιος ξέρει;",
    "Пять ёжиков нашли гриб под ёлкой, и всё.",
    "Ґанок і їжак: це українська мова.",
    "Ђак и његов пас шетају поред реке.",
    "Բարեւ, այսօր օդը շատ տաք է։",
    "დილა მშვიდობისა, ბაღში ვარდი ყვავის.",
    "הילד הלך לַגַּן בבוקר, ולא חזר עד הערב.",
    "ذَهَبَ الولدُ إلى السوق، ولم يجد ﻻ خبزًا ولا ماءً.",
    "م\u064fح\u064eم\u0651\u064eد\u064c و\u0650ﻻ\u064b, ש\u05c1\u05b7ב\u05bc\u05b8ת ש\u05c1\u05b8לו\u05b9ם",
    "کتاب‌های تازه روی میز است؛ می‌خوانم.",
    "यह किताब अच्छी है, पर क़लम टूट गई।",
    "বাংলা ভাষায় ড়, ঢ় ও য় আছে।",
    "ਪੰਜਾਬੀ ਵਿੱਚ ਲਿਖੋ।",
    "தமிழ் மொழி பழமையானது; கொள்கை நல்லது.",
    "తెలుగు పుస్తకం బల్ల మీద ఉంది.",
    "ಕನ್ನಡ ಓದುವುದು ಸುಲಭ.",
    "മലയാളം വായിക്കാൻ ഇഷ്ടമാണ്.",
    "සිංහල අකුරු වටකුරුය.",
    "น้ำใสไหลเย็นเห็นตัวปลา ทำไมล่ะ",
    "ນ້ຳໃນບ້ານນີ້ເຢັນ",
    "မြန်မာစာ ရေးတယ်။",
    "ភាសាខ្មែរ មានអក្សរច្រើន។",
    "བོད་ཡིག་འདྲི་བ་སླ་པོ་མིན།",
    "今天天气很好，我们去公园散步吧！（真的）",
    "臺灣的夏天很熱，「冰」最受歡迎。",
    "カタカナとひらがな、漢字。ｶﾞｷﾞｸﾞ と か\u3099",
    "오늘은 날씨가 좋다. \u1112\u1161\u11ab\u1100\u1173\u11af",
    "ক\u09c7\u09beন, க\u0bc6\u0bbe, ల\u0c46\u0c56, ಕ\u0cc6\u0cd5, ക\u0d46\u0d3e, ක\u0dd9\u0dca",
    "ሰላም ለዓለም፣ ዛሬ ፀሐይ ናት።",
    "𝐁𝐨𝐥𝐝 and 𝓼𝓬𝓻𝓲𝓹𝓽, 𐌰𐌱𐌲 and 𠮷野家",
    "x² + y₃ ≠ ∞; √2 ≈ 1.414; ∑ α·β",
    "",
    "a",
    "É",
)
