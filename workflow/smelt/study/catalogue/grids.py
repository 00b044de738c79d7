"""Whether the cells of a grid can be filled, and compared with each other."""

from collections.abc import Sequence

from smelt.errors import SmeltError
from smelt.study.catalogue.finetuning import Finetuned
from smelt.study.grids import GridTable, Place


def check_grid(study: Finetuned, key: str, table: GridTable) -> None:
    """Check the rows, columns and cells of a table.

    Raises:
        SmeltError: a row or column has no cell that is run; a cell lacks some of the table's languages; or scores that
            are compared are of other languages or by another metric.
    """
    where = f"study {study.study.study}"
    for place in table.places():
        if missing := _missing(study, table, place):
            found = f"{place.model} on {place.task} is not run, or not tested, in {', '.join(missing)}"
            raise SmeltError(where, f"{key}.rows: {place.row!r}: {found}")
    for part, label, places in _parts(table):
        if not any(_languages(study, table, place) for place in places):
            patterns = ", ".join(dict.fromkeys(f"{place.model} on {place.task}" for place in places))
            raise SmeltError(where, f"{key}.{part}: {label!r}: the study runs none of its cells: {patterns}")
    run = [place for place in table.places() if _run(study, table, place)]
    for line in table.lines:
        _check_alike(study, where, key, table, table.within(line, run))


def _parts(table: GridTable) -> list[tuple[str, str, list[Place]]]:
    """Return the cells of each row and column, with its label and the key it stands under."""
    rows = [("rows", row, [place for place in table.places() if place.row == row]) for row in table.rows]
    return rows + [
        ("columns", head, [place for place in table.places() if place.column == head]) for head in table.columns or ()
    ]


def _run(study: Finetuned, table: GridTable, place: Place) -> bool:
    return bool(_languages(study, table, place))


def _languages(study: Finetuned, table: GridTable, place: Place) -> list[str]:
    """Return the languages that a cell is tested in; none where it is not run."""
    if table.languages:
        return [code for code in table.languages if _is_tested(study, *place.run(code), code)]
    return study.tested_languages(place.model, place.task) if _is_run(study, place.model, place.task) else []


def _missing(study: Finetuned, table: GridTable, place: Place) -> list[str]:
    """Return the table's languages that a cell lacks, where it has others of them."""
    found = _languages(study, table, place)
    return [code for code in table.languages or () if code not in found] if found else []


def _is_run(study: Finetuned, model: str, task: str) -> bool:
    return model in study.study.models and bool(study.runs(task, model))


def _is_tested(study: Finetuned, model: str, task: str, language: str) -> bool:
    return _is_run(study, model, task) and language in study.tested_languages(model, task)


def _check_alike(study: Finetuned, where: str, key: str, table: GridTable, places: Sequence[Place]) -> None:
    """Refuse to compare means over other languages, or by another metric."""
    for place in places:
        for what, of in (("tested in", _codes), ("judged by", _metric)):
            first, found = (of(study, table, each) for each in (places[0], place))
            if first != found:
                names = [f"{each.model} on {each.task}" for each in (places[0], place)]
                what_is = f"{names[0]} is {what} {first} and {names[1]} {found}"
                raise SmeltError(where, f"{key}: {what_is}: they cannot be compared; expected a table for each")


def _codes(study: Finetuned, table: GridTable, place: Place) -> str:
    return " ".join(sorted(_languages(study, table, place)))


def _metric(study: Finetuned, table: GridTable, place: Place) -> str:
    (_, task), *_ = place.runs(table.languages or [])
    return study.tasks[task].metric
