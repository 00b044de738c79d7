"""Licences by the names that the Hugging Face hub has for them, and those that follow from where a text comes from."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field, StringConstraints

from smelt.complaints import explain
from smelt.entry import Entry
from smelt.errors import expected_one_of

OTHER = "other"
"""What the hub calls a licence that it has no name for: the card has its own name and where it is to be read."""
LINK = explain(r"^https://[^\s/]+\.[^\s/]+(/\S*)?$", "an address that begins with https://")
OWN_NAME = explain(r"^[a-z0-9][a-z0-9.-]*$", "a name of a to z, 0 to 9, '.' and '-'")
LONGEST_STATED = 200
"""Characters of a licence's name in a card: a longer one is no name."""
ADDRESS = re.compile(r"https?://[^/]+\.[^/]+(/.*)?", re.IGNORECASE)
FILE_OF_HUB = re.compile(r"https://huggingface\.co/[^/]+/[^/]+/(blob|raw|resolve)/")
MARKUP = re.compile(r"[\\\[\]|`*<>]")

# Identifiers of the hub (https://huggingface.co/docs/hub/repositories-licenses), without `other` and `unknown`.
LICENCES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0
    bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
    bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0
    epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0
    intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit
    mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0 pddl postgresql unlicense wtfpl zlib
    """.split()  # noqa: SIM905 - a table reads better unquoted
)
SHARED_ALIKE_4 = "20230607"
"""From this day on Wikipedia's text is under version 4.0 of its licence
(https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use)."""


def known_licence(name: str) -> str:
    """Return a licence by the hub's name.

    Raises:
        ValueError: the hub has no such name; similar ones are named.
    """
    if name in LICENCES:
        return name
    if name == OTHER:
        raise ValueError("names none by itself: write {name: my-licence, link: https://...}")
    guess = hub_licence(name)
    expected = f"expected {guess!r}" if guess else expected_one_of(name, sorted(LICENCES))
    raise ValueError(f"the hub has no licence {name!r}: {expected}")


def hub_licence(name: str) -> str | None:
    """Return the hub's name of a licence written in another way ("CC BY-SA 4.0"); None where it has none."""
    found = "-".join(name.lower().replace("licence", "").replace("license", "").split())
    return found if found in LICENCES else None


def licence_of_wikipedia(date: str) -> str:
    """Return the licence of the text of a dump of that date: "20230101"."""
    return "cc-by-sa-4.0" if date >= SHARED_ALIKE_4 else "cc-by-sa-3.0"


class OtherLicence(Entry):
    """A licence that the hub has no name for: cards say `license: other`, with its name and where it is to be read."""

    name: Annotated[str, StringConstraints(pattern=OWN_NAME, max_length=64)]
    """Its name, in small letters: `my-institute-research-1.0`. The card's `license_name`."""
    link: Annotated[str, StringConstraints(pattern=LINK)]
    """Where it is to be read: `https://...`. The card's `license_link`."""

    def __str__(self) -> str:
        """Its name and address, in Markdown."""
        name = MARKUP.sub(r"\\\g<0>", self.name)
        return f"[{name}]({self.link})" if self.link else name


class StatedLicence(OtherLicence):
    """The same in the words of a card, which somebody else wrote."""

    name: str
    """One line of printable characters."""
    link: str = ""
    """An address of the web; "" where the card has none."""


HubLicence = Annotated[str, AfterValidator(known_licence), Field(json_schema_extra={"format": "licence of the hub"})]
Licence = HubLicence | OtherLicence


def fields_of_card(licence: str | OtherLicence | None) -> dict[str, Any]:
    """Return what the front matter of a card of the hub has for a licence."""
    if isinstance(licence, OtherLicence):
        link = {"license_link": licence.link} if licence.link else {}
        return {"license": OTHER, "license_name": licence.name, **link}
    return {"license": licence}


def licence_of_card(card: Mapping[str, Any], files: str = "") -> str | OtherLicence | None:
    """Return the licence that the front matter of a card of the hub states; None where it states none, or several.

    Args:
        card: the front matter.
        files: address of the folder of the card's repository, for a link to a file in it; "" where it has none.
    """
    stated, name, link = card.get("license"), card.get("license_name"), card.get("license_link")
    if stated != OTHER:
        return stated if isinstance(stated, str) else None
    words = " ".join(name.split()) if isinstance(name, str) else ""
    if not words or not words.isprintable() or len(words) > LONGEST_STATED:
        return OTHER
    address = link.strip() if isinstance(link, str) else ""
    if address and files and "://" not in address:
        address = f"{files}/{address.removeprefix('./')}"
    address = quote(address, safe="%/:?#[]@!$&'*+,;=~")
    return StatedLicence(name=words, link=address if ADDRESS.fullmatch(address) else "")


def shared_licence(licences: Sequence[str | OtherLicence | None]) -> str | OtherLicence | None:
    """Return the first of some licences if all are one; None where one is not known, or they differ.

    The address of a file in a repository of the hub names repository and commit, which differ from model to model: such
    licences are one if their names are.
    """
    if len(licences) > 1 and OTHER in licences:  # two without a name need not be one
        return None
    return licences[0] if len(set(map(_identity, licences))) == 1 else None


def _identity(licence: str | OtherLicence | None) -> str | tuple[str, str] | None:
    if not isinstance(licence, OtherLicence):
        return licence
    return licence.name.lower(), "" if FILE_OF_HUB.match(licence.link) else licence.link
