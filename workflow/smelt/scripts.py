"""The scripts of letters, as Unicode has them, by fontTools, which comes with matplotlib.

fontTools is loaded within functions only, because the study imports what names scripts for every job.
"""

from collections import Counter

from smelt.errors import suggest_similar

NO_SCRIPT = ""
"""The script of texts without letters: digits, punctuation, special pieces, and bytes that are no whole letter."""
SHARED = frozenset(("Zyyy", "Zinh", "Zzzz"))
"""Common to scripts, inherited from the letter before, unknown."""
INHERITED = "Zinh"


def script_of(text: str) -> str:
    """Return the code of a text's script: that of most of its letters, the first of equals; or NO_SCRIPT."""
    from fontTools import unicodedata

    counts = Counter(script for letter in text if (script := unicodedata.script(letter)) not in SHARED)
    return counts.most_common(1)[0][0] if counts else NO_SCRIPT


def is_wholly_of(text: str, code: str) -> bool:
    """Return whether a text has letters of a script, and nothing else but marks that belong to the letter before."""
    from fontTools import unicodedata

    return {unicodedata.script(letter) for letter in text} - {INHERITED} == {code}


def name_of_script(code: str) -> str:
    """Return the name of a script.

    Raises:
        KeyError: the code is none of ISO 15924.
    """
    from fontTools import unicodedata

    return str(unicodedata.script_name(code)).replace("_", " ")


def known_script(code: str) -> str:
    """Return the code of a script.

    Raises:
        ValueError: it is none.
    """
    try:
        name_of_script(code)
    except KeyError:
        raise ValueError(f"no script has the code {code!r}: expected one of ISO 15924, such as Latn or Deva") from None
    return code


def script_named(name: str) -> str:
    """Return the code of the script with this name, such as cyrillic or "old italic", in letters of either case.

    Raises:
        ValueError: there is none.
    """
    from fontTools import unicodedata

    try:
        code = str(unicodedata.script_code(name))
    except KeyError:
        code = "Zzzz"
    if code in SHARED:
        names = [name.replace("_", " ").lower() for name in unicodedata.Scripts.NAMES.values()]
        hint = suggest_similar(name, names)
        raise ValueError(f"no script of Unicode is named {name!r}{f'; {hint}' if hint else ''}")
    return code
