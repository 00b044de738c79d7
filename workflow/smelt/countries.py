"""The countries that a study may name: ISO 3166-1 alpha-3 codes whose mix of electricity codecarbon knows."""

import difflib
from typing import Annotated

from pydantic import AfterValidator

# Written out, because reading codecarbon's data would make every look at a study file slow; a test compares the two.
COUNTRIES = frozenset(
    """
    ABW AFG AGO ALB ARE ARG ARM ASM ATG AUS AUT AZE
    BDI BEL BEN BFA BGD BGR BHR BHS BIH BLR BLZ BMU BOL BRA BRB BRN BTN BWA
    CAF CAN CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CYM CYP CZE
    DEU DJI DMA DNK DOM DZA
    ECU EGY ERI ESH ESP EST ETH
    FIN FJI FLK FRA FRO
    GAB GBR GEO GHA GIB GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY
    HKG HND HRV HTI HUN
    IDN IND IRL IRN IRQ ISL ISR ITA
    JAM JOR JPN
    KAZ KEN KGZ KHM KIR KNA KOR KWT
    LAO LBN LBR LBY LCA LKA LSO LTU LUX LVA
    MAC MAR MDA MDG MDV MEX MKD MLI MLT MMR MNE MNG MOZ MRT MSR MTQ MUS MWI MYS
    NAM NCL NER NGA NIC NLD NOR NPL NRU NZL
    OMN
    PAK PAN PER PHL PNG POL PRI PRK PRT PRY PSE PYF
    QAT
    REU ROU RUS RWA
    SAU SDN SEN SGP SHN SLB SLE SLV SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SYC SYR
    TCA TCD TGO THA TJK TKM TLS TON TTO TUN TUR TWN TZA
    UGA UKR URY USA UZB
    VCT VEN VGB VIR VNM VUT
    WSM
    YEM
    ZAF ZMB ZWE
    """.split()  # noqa: SIM905 - a table of 213 codes reads better unquoted
)


def _known_country(code: str) -> str:
    if code in COUNTRIES:
        return code
    close = difflib.get_close_matches(code.upper(), COUNTRIES, n=3, cutoff=0.6)
    hint = f"; close to it: {', '.join(close)}" if close else ""
    raise ValueError(
        f"the electricity of {code!r} is not known: expected a code of three letters (ISO 3166-1) such as FRA{hint}"
    )


Country = Annotated[str, AfterValidator(_known_country)]
