"""Language variants: of what a page gives in several scripts or vocabularies, the text of one.

The marks are those of https://www.mediawiki.org/wiki/Writing_systems/Syntax. Rules that a page gives for words
elsewhere on it are not followed: those stay as they are written.
"""

import re

from smelt.corpora.wikitext.settings import ReadingSettings

_INNERMOST = re.compile(r"-\{((?:(?!-\{).)*?)\}-", re.DOTALL)
_FLAGS = re.compile(r"\s*([^|{}<>\[\]]*?)\s*\|", re.DOTALL)
_ALTERNATIVE = re.compile(r"(?:^|;)\s*(?:[^;:=>]*=>\s*)?([A-Za-z]{2,3}(?:-[A-Za-z]{2,8})*)\s*:", re.DOTALL)
# Not shown where they stand: H adds a rule, T names the page, - takes a rule back.
_UNSEEN = {"H", "T", "-"}
# Variants that read alike, the closest first: of the same script, then of the same language.
_SCRIPTS = (
    ("zh-hans", "zh-cn", "zh-sg", "zh-my"),
    ("zh-hant", "zh-tw", "zh-hk", "zh-mo"),
    ("gan-hans", "zh-hans", "zh-cn"),
    ("gan-hant", "zh-hant", "zh-tw"),
    ("kk-cyrl", "kk-kz"),
    ("kk-latn", "kk-tr"),
    ("kk-arab", "kk-cn"),
    ("sr-ec", "sr-cyrl"),
    ("sr-el", "sr-latn"),
)


def choose_variant(text: str, settings: ReadingSettings) -> str:
    """Return wikitext with one of the texts of each -{…}-."""
    while "-{" in text:
        shorter = _INNERMOST.sub(lambda match: _chosen(match[1], settings.variant.lower()), text)
        if shorter == text:
            return text
        text = shorter
    return text


def _chosen(content: str, variant: str) -> str:
    flags: set[str] = set()
    if match := _FLAGS.match(content):
        flags = {flag.strip() for flag in match[1].split(";")}
        content = content[match.end() :]
    if flags & _UNSEEN:
        return ""
    if "R" in flags:
        return content
    found = list(_ALTERNATIVE.finditer(content))
    if not found or content[: found[0].start()].strip():
        return content
    ends = [match.start() for match in found[1:]] + [len(content)]
    texts = {
        match[1].lower(): content[match.end() : end].strip().removesuffix(";").strip()
        for match, end in zip(found, ends, strict=True)
    }
    return next((texts[name] for name in _closest(variant) if name in texts), next(iter(texts.values())))


def _closest(variant: str) -> list[str]:
    alike = [name for script in _SCRIPTS if variant in script for name in script]
    return [variant, *alike, variant.partition("-")[0]]
