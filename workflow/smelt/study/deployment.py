"""Whether a study's efficiency figures are of models that are there."""

from collections.abc import Collection, Mapping

from smelt.entry import refer
from smelt.report.tables import Table
from smelt.study.efficiency import Efficiency


def check_efficiency(settings: Efficiency | None, models: Collection[str], tables: Mapping[str, Table]) -> None:
    """Check that the models measured are there, and that tables show measured ones.

    Raises:
        ValueError: a model is not there or not measured; or a table shows efficiency and nothing is measured, or not in
            that shape.
    """
    measured: Collection[str] = [] if settings is None else settings.models or models
    if settings is not None:
        for model in measured:
            refer("efficiency.models", model, models)
        refer("efficiency.reference", settings.reference or next(iter(measured)), measured, "measured")
    for name, table in tables.items():
        if table.shows_efficiency:
            if settings is None:
                raise ValueError(f"tables.{name}: shows efficiency, and the key `efficiency` is missing")
            for model in table.models or []:
                refer(f"tables.{name}.models", model, measured, "measured")
            _check_latencies(f"tables.{name}", table, settings)


def _check_latencies(key: str, table: Table, settings: Efficiency) -> None:
    for part, listed, chosen in table.latencies():
        known = getattr(settings, listed)
        if missing := [number for number in chosen if number not in known]:
            expected = ", ".join(map(str, known))
            raise ValueError(f"{key}.{part}: {missing[0]} is not measured: expected one of {expected} (`efficiency`)")
