"""Where sentences end, in the scripts and conventions of the languages that smelt trains on."""

import random
from pathlib import Path

import pytest

from smelt import sentences
from smelt.languages import known_language
from smelt.sentences import sentence_ends, sentences_of

# Each ¦ is an end that has to be found, and nothing else may be one. A blank after an end belongs to it.
CUT = [
    ("en", "Dr. Brown lives at No. 5. ¦Mrs. Hill pays $3.50 a day. ¦It rained."),
    ("en", "J. R. Hartley wrote it. ¦The U.S. Army came at 5 p.m. on Friday. ¦Who knew?"),
    ("en", 'She said "Stop!" and left. ¦"Why?" ¦He had no idea... ¦Then he slept.'),
    ("en", "It failed (see p. 7. Nobody had) twice. ¦(It works now.) ¦We go on."),
    ("en", "Rain fell.[12] ¦Snow came. [3] ¦Wind blew."),
    ("en", "1. Take the bread. ¦2. Cut it."),
    ("en", "Wait … what? ¦No!! ¦Yes?! ¦Good."),
    ("de", "Am 3. Oktober kam z. B. Frau Dr. Weiß. ¦Ludwig XIV. Bild hing dort. ¦Er ging 1990. ¦Sie blieb."),
    ("de", "„Komm!“, rief er. ¦„Nein.“ ¦Das kostet ca. 5 Euro."),
    ("fr", "M. Petit a dit : « Allons ! » ¦Il est parti. ¦Voir p. 12. ¦Fin."),
    ("es", "¿Quién es? ¦¡Yo! ¦La Sra. Gil vive en la av. Sol. ¦Adiós."),
    ("it", "Il sig. Neri costa 1.500 euro. ¦Va bene."),
    ("nl", "Dhr. Bos woont op nr. 8. ¦Hij komt a.s. maandag."),
    ("pt", "O Sr. Lima saiu. ¦A Sra. Reis ficou."),
    ("pl", "Urodził się w 1998 r. ¦Mieszka przy ul. Długiej. ¦Pracuje."),
    ("cs", "Přišel 5. května. ¦Odešel."),
    ("fi", "Kokous on 12. Toukokuuta. ¦Tule!"),
    ("hu", "Dr. Nagy 3. Emeleten lakik. ¦Szép."),
    ("tr", "Prof. Kaya geldi. ¦Kaç kişi? ¦Beş."),
    ("vi", "TP. Huế rất đẹp. ¦Tôi thích nó."),
    ("ru", "Он родился в 1990 г. ¦Потом жил на ул. Мира. ¦А. С. Иванов писал стихи. ¦И т. д. и т. п."),
    ("el", "Πού πας; ¦Δεν ξέρω. ¦Ο κ. Νίκος ήρθε· έφυγε μετά."),
    ("en", "First; Second; Third."),
    ("hy", "Նա եկավ։ ¦Մենք գնացինք։¦Վերջ:"),
    ("hy", "Նա եկավ: ¦Մենք գնացինք: ¦Վերջ։"),
    ("ka", "ის მოვიდა. ¦ჩვენ წავედით. ¦პროფ. ბერიძე აქ არის."),
    ("am", "ልጁ መጣ። ¦ውሃ ጠጣ፡፡ ¦የት ነው፧ ¦ቤት።"),
    ("ar", "أين الولد؟ ¦جاء د. سامي أمس. ¦ذهب، ثم عاد! ¦انتهى."),
    ("fa", "هوا خوب است. ¦کجا می‌روی؟ ¦خانه."),
    ("ur", "وہ آیا۔ ¦کیا ہوا؟ ¦کچھ نہیں۔¦بس۔"),
    ("he", 'הוא בא. ¦מי זה? ¦ד"ר כהן פה. ¦סוף.'),
    ("hi", "वह आया। ¦डॉ. राव कौन हैं? ¦पानी पियो॥ ¦बस।"),
    ("hi", "वह आया | ¦वह गया।"),
    ("bn", "সে এল। ¦ডা. রায় কোথায়? ¦জানি না।"),
    ("ta", "கே. முருகன் வந்தார். ¦அவர் போனார்."),
    ("te", "ఎం. రావు వచ్చాడు. ¦అతను వెళ్ళాడు."),
    ("ml", "അവൻ വന്നു. ¦ഡോ. നായർ പോയി."),
    ("kn", "ಅವನು ಬಂದನು. ¦ಡಾ. ರಾವ್ ಹೋದರು."),
    ("ja", "雨が降った。¦傘はあるか？¦ない！¦彼は「行こう。」と言った。¦「はい。」¦歩いた。"),
    ("ja", "値段は3.5円です。¦本当に!?¦はい。"),
    ("zh", "下雨了。¦他说：“走吧。”¦我们走了！¦几点？¦三点……"),
    ("zh-yue", "落雨。¦佢走咗。"),
    ("ko", "비가 왔다. ¦정말? ¦네, 3.5도였다."),
    ("km", "គាត់មក។ ¦យើងទៅផ្ទះ៕ ¦ចប់។"),
    ("my", "သူလာသည်။ ¦ငါတို့သွားမည်။¦အိမ်။"),
    ("th", "เมื่อวานนี้ฝนตกหนักมากที่บ้าน ¦เราจึงอยู่แต่ในห้องครัวทั้งวัน ¦แม่ทำขนม 3 ชิ้น"),
    ("", "One. ¦Two.\n¦Three"),
]


@pytest.mark.parametrize(("language", "marked"), CUT)
def test_sentences_end_where_their_script_and_language_end_them(language: str, marked: str) -> None:
    assert sentences_of(marked.replace("¦", ""), language) == marked.split("¦")


@pytest.mark.parametrize("language", ["", "en", "de", "ja", "th", "hy", "hi", "zh-classical"])
def test_the_sentences_of_any_text_joined_are_the_text(language: str) -> None:
    draw = random.Random(language)
    parts = [
        *".!?…。।։؟ \n\t\u00a0\u3000()[]«»“”'\"",
        "Dr",
        "z.B",
        "12",
        "a",
        "B",
        "न",
        "เรา",
        "日本",
        "ու",
        "\U0001f600",
        "\ud800",
    ]
    for _ in range(300):
        text = "".join(draw.choices(parts, k=draw.randint(0, 40)))
        pieces = sentences_of(text, language)
        assert "".join(pieces) == text
        assert all(piece.strip() for piece in pieces[1:]), (text, pieces)
        ends = list(sentence_ends(text, language))
        assert ends == sorted(set(ends))
        assert all(0 < end < len(text) for end in ends)


def test_a_parenthesis_that_nobody_closes_does_not_hold_a_document_together() -> None:
    text = "It began (at noon. " + "Rain fell on the roof. " * 50
    assert len(sentences_of(text, "en")) > 40


def test_a_quotation_mark_that_nobody_closes_holds_nothing_together() -> None:
    assert sentences_of('She said: "Come in. We ate. We slept.', "en") == [
        'She said: "Come in. ',
        "We ate. ",
        "We slept.",
    ]


def test_small_letters_begin_sentences_of_a_text_without_capitals() -> None:
    assert sentences_of("rain fell. snow came! wind", "en") == ["rain fell. ", "snow came! ", "wind"]
    assert sentences_of("Rain fell. snow came! wind", "en") == ["Rain fell. snow came! wind"]


def test_a_variety_of_a_language_has_its_abbreviations() -> None:
    for language, text in (
        ("pt-br", "A Sra. Lima saiu."),
        ("simple", "Capt. Lee left."),
        ("no", "Kl. 5 kom frk. Lie."),
    ):
        assert sentences_of(text, language) == [text]


def test_a_long_text_without_any_end_is_one_sentence() -> None:
    for text in ("a" * 300_000, "." * 300_000, "( " * 100_000, "x. " * 100_000, " " * 300_000, "\"' " * 100_000):
        assert "".join(sentences_of(text, "en")) == text


def test_abbreviations_are_small_and_stand_once() -> None:
    lines = Path(sentences.__file__).with_name("abbreviations.txt").read_text(encoding="utf-8").splitlines()
    entries = [line.split(maxsplit=1) for line in lines if not line.startswith("#")]
    codes = [code for code, _ in entries]
    assert codes == sorted(set(codes))
    for code, words in entries:
        assert code == "*" or known_language(code) == code
        listed = [word for word in words.split() if word != "/"]
        assert len(set(listed)) == len(listed), code
        assert all(word == word.lower() and not word.endswith(".") for word in listed), code
