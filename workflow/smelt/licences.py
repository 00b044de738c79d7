"""Licences by the names that the Hugging Face hub has for them, and those that follow from where a text comes from."""

from typing import Annotated

from pydantic import AfterValidator, Field

from smelt.errors import expected_one_of

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


Licence = Annotated[str, AfterValidator(known_licence), Field(json_schema_extra={"format": "licence of the hub"})]
