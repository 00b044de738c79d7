"""Data sets of the Hugging Face hub, read by the `datasets` library at a pinned commit.

The files of a configuration go into huggingface_hub's cache, where each commit has a folder of its own, and `datasets`
reads that folder. Given the repository's name instead, `load_dataset` would take the newest copy in its own cache when
the hub is out of reach, whatever revision was asked for, and it refuses repositories that keep a script beside their
Parquet. No code of a repository is fetched or run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError, expected_one_of, first_line
from smelt.hub_errors import hub_errors

if TYPE_CHECKING:
    from datasets import DatasetBuilder

CARD = "README.md"
DATA_FILES = ("*.parquet", "*.jsonl", "*.json", "*.csv", "*.tsv", "*.gz", "*.zst", "*.arrow")
"""What is fetched where a repository's card names no files: the library finds its splits by their names."""
SHARD = re.compile(r"(.*)-\d{5}-of-(\d{5})(\..*)")


@dataclass(frozen=True)
class HubSplit:
    """A split of a data set on the hub, whose files are in the cache."""

    repository: str
    """organisation/name."""
    config: str
    """Its configuration."""
    split: str
    """The split's name in it."""
    folder: Path
    """The commit's folder in the cache."""
    files: list[Path]
    """The files of the split."""
    examples: int | None
    """Its rows, as the data set's card counts them; None where the card does not."""

    def __str__(self) -> str:
        """The split as messages name it."""
        return f"{self.repository}/{self.config}/{self.split}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows; numbers of classes become their names.

        Raises:
            SmeltError: a file is not what its name says, or holds other rows than the data set's card lists.
        """
        import datasets

        try:
            rows = datasets.load_dataset(str(self.folder), self.config, split=self.split, verification_mode="no_checks")
        except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
            raise SmeltError(str(self), f"cannot be read: {first_line(_cause(error))}") from None
        if self.examples not in (None, len(rows)):
            mend = f"delete {self.folder} and run again"
            raise SmeltError(str(self), f"has {len(rows):,} rows; its card counts {self.examples:,}: {mend}")
        names = class_names(rows.features.to_dict())
        for row in rows:
            yield {column: name_classes(value, names.get(column)) for column, value in row.items()}


def open_split(repository: str, revision: str, config: str | None, split: str, where: str) -> HubSplit:
    """Return a split of a data set at a commit, fetched unless the cache has it.

    Args:
        repository: organisation/name.
        revision: the commit.
        config: its configuration; None where it has only one.
        split: the split's name in it.
        where: what asks for it, for messages.

    Raises:
        SmeltError: the hub has no such data set, commit, configuration or split, or cannot be reached and the cache
            lacks it.
    """
    address = f"{repository} at {revision}"
    folder = _fetch(repository, revision, config, where)
    builder = _builder(folder, config, address, where)
    files = builder.config.data_files or {}
    if split not in files:
        found = f"{repository}, configuration {builder.config.name}, has no split {split!r}"
        raise SmeltError(where, f"{found}: {expected_one_of(split, map(str, files))}")
    paths = [Path(path) for path in files[split]]
    _refuse_missing_files(paths, f"{address}, configuration {builder.config.name}, split {split}", where)
    counted = (builder.info.splits or {}).get(split)
    rows = counted.num_examples or None if counted else None
    return HubSplit(repository, str(builder.config.name), split, folder, paths, rows)


def _fetch(repository: str, revision: str, config: str | None, where: str) -> Path:
    """Return the commit's folder in the cache with the card and the data files of a configuration."""
    from huggingface_hub import errors, hf_hub_download, snapshot_download

    with hub_errors(where, "data set", f"source.hub: {repository} at {revision}"):
        try:
            card = Path(hf_hub_download(repository, CARD, repo_type="dataset", revision=revision))
        except errors.RemoteEntryNotFoundError:
            card = None
        patterns = [CARD, *(_patterns(card, config, repository, where) if card else DATA_FILES)]
        return Path(snapshot_download(repository, repo_type="dataset", revision=revision, allow_patterns=patterns))


def _patterns(card: Path, config: str | None, repository: str, where: str) -> list[str]:
    """Return the patterns of a configuration's files, by a data set's card; those of all without a configuration."""
    from datasets.data_files import sanitize_patterns
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    configs = MetadataConfigs.from_dataset_card_data(DatasetCard.load(card, ignore_metadata_errors=True).data)
    if not configs:
        return list(DATA_FILES)
    if config is not None and config not in configs:
        found = f"source.config: {repository} has no configuration {config!r}"
        raise SmeltError(where, f"{found}: {expected_one_of(config, configs)}")
    patterns: list[str] = []
    for chosen in configs.values() if config is None else [configs[config]]:
        folder = str(chosen.get("data_dir") or "").strip("./")
        below = f"{folder}/" if folder else ""
        named = sanitize_patterns(chosen["data_files"]) if chosen.get("data_files") else {}
        patterns += [f"{below}{pattern}".removeprefix("./") for files in named.values() for pattern in files]
        patterns += [] if named else [f"{below}{files}" for files in DATA_FILES]
    return patterns


def _builder(folder: Path, config: str | None, address: str, where: str) -> "DatasetBuilder":
    """Return the library's reader of a configuration in a folder."""
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset_builder(str(folder), config)
    except FileNotFoundError:
        raise SmeltError(where, f"source.hub: {address} holds no Parquet, JSON or CSV files") from None
    except ValueError as error:
        raise SmeltError(where, f"source.config: {address}: {first_line(error)}") from None


def _refuse_missing_files(files: list[Path], address: str, where: str) -> None:
    """Refuse a split without files, or without some of its numbered ones, as a fetch that was stopped leaves it.

    Raises:
        SmeltError: one of them is missing; the library would read the rest, and even no file, without a word.
    """
    sets = {(str(path.parent), *shard.groups()) for path in files if (shard := SHARD.fullmatch(path.name))}
    names = [
        Path(folder, f"{stem}-{number:05}-of-{count}{ending}")
        for folder, stem, count, ending in sorted(sets)
        for number in range(int(count))
    ]
    missing = [path.name for path in names if not path.exists()]
    if missing or not files:
        absent = f"{len(missing)} of {len(names)} files, {missing[0]} the first," if missing else "its files"
        found = f"{absent} are not in the cache"
        raise SmeltError(where, f"source.hub: {address}: {found}, and the hub is out of reach")


def _cause(error: BaseException) -> Exception:
    """Return the error that the library wraps in its own."""
    return error.__cause__ if isinstance(error.__cause__, Exception) else Exception(str(error))


def class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the class names of each column that holds numbers of classes, from the features of a data set."""
    return {column: names for column, feature in features.items() if (names := _names_of(feature))}


def _names_of(feature: Any) -> list[str] | None:
    if isinstance(feature, list):  # a list of class labels, in the hub's older notation
        return _names_of(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if isinstance(feature.get("names"), list):
        return [str(name) for name in feature["names"]]
    return _names_of(feature.get("feature"))


def name_classes(value: Any, names: list[str] | None) -> Any:
    """Return a cell with numbers of classes replaced by their names, where the column has such names."""
    if names is None:
        return value
    if isinstance(value, list):
        return [name_classes(part, names) for part in value]
    known = isinstance(value, int | float) and float(value).is_integer() and 0 <= value < len(names)
    return names[int(value)] if known else value  # pandas turns a column's integers into floats where a cell is empty
