"""Codes of languages: Wikipedia's editions, which corpora name, and tags of BCP 47, which everything else may name."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

# Editions of Wikipedia by the subdomain they live under (https://meta.wikimedia.org/wiki/List_of_Wikipedias).
WIKIPEDIAS = frozenset(
    """
    aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az azb
    ba ban bar bat-smg bbc bcl bdr be be-tarask bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr
    ca cbk-zam cdo ce ceb ch cho chr chy ckb co cr crh cs csb cu cv cy
    da dag de dga din diq dsb dtp dty dv dz
    ee el eml en eo es et eu ext
    fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy
    ga gag gan gcr gd gl glk gn gom gor got gpe gu guc gur guw gv
    ha hak haw he hi hif ho hr hsb ht hu hy hyw hz
    ia iba id ie ig igl ii ik ilo inh io is it iu
    ja jam jbo jv
    ka kaa kab kaj kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky
    la lad lb lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv
    mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mnw mos mr mrj ms mt mus mwl my myv mzn
    na nah nap nds nds-nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv ny
    oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn
    qu rm rmy rn ro roa-rup roa-tara rsk ru rue rw
    sa sah sat sc scn sco sd se sg sh shi shn shy si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw szl szy
    ta tay tcy tdd te tet tg th ti tig tk tl tly tn to tok tpi tr trv ts tt tum tw ty tyv
    udm ug uk ur uz ve vec vep vi vls vo
    wa war wo wuu xal xh xmf yi yo za zea zgh zh zh-classical zh-min-nan zh-yue zu
    """.split()  # noqa: SIM905 - a table of 358 codes reads better unquoted
)

# Editions whose database keeps an older code.
_DATABASES = {"be-tarask": "be_x_old"}

ALL = "all"  # all languages together in tables of scores; in ISO 639-3, the language Allar

# Two-letter codes that BCP 47 keeps for old texts only, with their languages' codes today.
_SUPERSEDED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}

# Editions whose code is not their language's in ISO 639. Some mean another language there: `als` is Albanian,
# `nrm` is Narom. Mostly MediaWiki's own table (languages/LanguageCode.php). Tarantino and Banyumasan have no code of
# their own: ISO 639-3 includes them in Neapolitan and Javanese.
_ISO_639 = {
    "als": "gsw",
    "bat-smg": "sgs",
    "bh": "bho",
    "cbk-zam": "cbk",
    "eml": "egl",
    "fiu-vro": "vro",
    "map-bms": "jv",
    "no": "nb",
    "nrm": "nrf",
    "roa-rup": "rup",
    "roa-tara": "nap",
    "sh": "hbs",
    "simple": "en",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "zh-yue": "yue",
}


def known_edition(code: str) -> str:
    """Return the code of a Wikipedia or of an invented language.

    Raises:
        ValueError: it is none; codes close to it are named.
    """
    if code in WIKIPEDIAS or re.fullmatch(r"q[a-t][a-z]", code):
        return code
    raise ValueError(
        f"no Wikipedia has the code {code!r}: expected one such as en or zh-min-nan, or qaa to qtz if invented"
        f"{_close_to(code, WIKIPEDIAS)}"
    )


def known_language(code: str) -> str:
    """Return the code of a language: a Wikipedia's, or a tag as BCP 47 has them, in lower case.

    A tag is an ISO 639 code, of two letters where there is one and of three otherwise, with parts that name a variety:
    bej, de-st, pt-br.

    Raises:
        ValueError: it is none; the right code, or codes close to it, are named.
    """
    if code == ALL:
        raise ValueError(f"{ALL!r} stands for all languages in scores: expected another tag of Allar, such as all-in")
    if code in WIKIPEDIAS or (tag := _in_bcp_47(code)) == code:
        return code
    if tag is not None:
        expected = f"lower case, {tag!r}" if tag == code.lower() else f"{tag!r}, the code of this language in BCP 47"
        raise ValueError(f"expected {expected}; found {code!r}")
    raise ValueError(
        f"no Wikipedia and no language of ISO 639 has the code {code!r}: expected one such as en, bej or de-st, or qaa"
        f" to qtz if invented{_close_to(code, WIKIPEDIAS | _iso_639().keys())}"
    )


@cache
def _iso_639() -> dict[str, str]:
    """Return the codes of ISO 639 of three letters, each with the code that BCP 47 has for the language.

    The file holds ISO 639-3, 639-5 and the second set of 639-2 ("ger"). It is written out, because pycountry is a
    large package; a test compares the two.
    """
    words = Path(__file__).with_name("iso639.txt").read_text(encoding="utf-8").split()
    return {code: short or code for code, _, short in (word.partition("=") for word in words)}


def _in_bcp_47(code: str) -> str | None:
    """Return the tag that BCP 47 has for a language and its variety, or None where the language is not known."""
    language, *parts = code.lower().split("-")
    known = _iso_639()
    short = len(language) == 2 and (language in WIKIPEDIAS or language in known.values())
    free = re.fullmatch(r"q[a-t][a-z]", language)
    tag = language if short or free else known.get(language) or _SUPERSEDED.get(language)
    if tag is None or not all(re.fullmatch(r"[a-z0-9]{1,8}", part) for part in parts):
        return None
    return "-".join([tag, *parts])


def _close_to(code: str, known: Iterable[str]) -> str:
    """Return the codes most like one, those of the same letters first."""
    tag = _in_bcp_47(code)
    exchanged = [other for other in sorted(known) if sorted(other) == sorted(code)]
    alike = difflib.get_close_matches(code, WIKIPEDIAS, n=3, cutoff=0.6)
    close = [tag] if tag in WIKIPEDIAS else list(dict.fromkeys(exchanged + alike))[:3]
    return f"; close to it: {', '.join(close)}" if close else ""


Edition = Annotated[str, AfterValidator(known_edition), Field(json_schema_extra={"format": "edition of Wikipedia"})]
Language = Annotated[str, AfterValidator(known_language), Field(json_schema_extra={"format": "language"})]


def wiki_of(language: str) -> str:
    """Return the database name under which the dumps server keeps a language's Wikipedia: zh_min_nanwiki."""
    return _DATABASES.get(language, language).replace("-", "_") + "wiki"


def iso_codes(languages: Iterable[str]) -> list[str]:
    """Return the ISO 639 codes of languages, each once, in their order: as the Hugging Face hub expects on cards.

    Varieties count as their language: de-st is de.
    """
    codes = (_ISO_639.get(code, code.partition("-")[0]) for code in languages)
    return list(dict.fromkeys(codes))
