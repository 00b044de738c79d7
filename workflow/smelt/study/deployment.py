"""Whether a study's exports and efficiency figures are of models that are there and fit."""

from collections.abc import Collection, Mapping

from smelt.study.efficiency import Efficiency
from smelt.study.makers import Export, Maker, Reduce
from smelt.study.tables import EfficiencyTable, Table


def check_exports(models: Mapping[str, Maker]) -> None:
    """Check that nothing is made from an export, whose weights are there to be run and no more.

    Raises:
        ValueError: the source of an export is not there; or a model's source is an export.
    """
    for name, model in models.items():
        if isinstance(model, Export):
            _refer(f"models.{name}.source", model.source, models)
        if isinstance(model, Export | Reduce) and isinstance(models.get(model.source), Export):
            raise ValueError(
                f"models.{name}.source: {model.source!r} is an export, of which no other model can be made:"
                f" expected its own source, {models[model.source].source!r}"  # type: ignore[union-attr]
            )


def check_efficiency(settings: Efficiency | None, models: Collection[str], tables: Mapping[str, Table]) -> None:
    """Check that the models measured are there, and that tables show measured ones.

    Raises:
        ValueError: a model is not there or not measured; or a table shows efficiency and nothing is measured.
    """
    measured: Collection[str] = [] if settings is None else settings.models or models
    if settings is not None:
        for model in measured:
            _refer("efficiency.models", model, models)
        _refer("efficiency.reference", settings.reference or next(iter(measured)), measured)
    for name, table in tables.items():
        if isinstance(table, EfficiencyTable):
            if settings is None:
                raise ValueError(f"tables.{name}: shows efficiency, and the key `efficiency` is missing")
            for model in table.models or []:
                _refer(f"tables.{name}.models", model, measured)


def _refer(key: str, name: str, names: Collection[str]) -> None:
    if name not in names:
        raise ValueError(f"{key}: {name!r} is not one of {', '.join(names)}")
