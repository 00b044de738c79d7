"""Data sets of the Hugging Face hub, read by the `datasets` library at a pinned commit.

The files of a configuration go into huggingface_hub's cache, where each commit has a folder of its own, and `datasets`
reads that folder. Given the repository's name instead, `load_dataset` would take the newest copy in its own cache when
the hub is out of reach, whatever revision was asked for, and it refuses repositories that keep a script beside their
Parquet. No code of a repository is fetched or run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.data_files import BUILDERS, COMPRESSED, bound_decompression, ending, tables_of_parquet
from smelt.errors import SmeltError, cause, expected_one_of, first_line
from smelt.hub_errors import hub_errors

if TYPE_CHECKING:
    from datasets import DatasetBuilder, Features

CARD = "README.md"
DATA_FILES = ("*.parquet", "*.jsonl", "*.json", "*.csv", "*.tsv", "*.gz", "*.zst", "*.arrow")
"""What is fetched where a repository's card names no files: the library finds its splits by their names."""
_READ = (*BUILDERS, ".csv", ".tsv", ".txt")
"""What files of a split may end in. The library would unpack archives, whatever they grow to."""
SHARD = re.compile(r"(.*)-\d{5}-of-(\d{5})(\..*)")


@dataclass(frozen=True)
class HubRequest:
    """What is asked of the hub, and who asks: messages name the file and its keys."""

    repository: str
    """organisation/name, or a folder laid out as such a repository."""
    revision: str | None
    """The commit; None for a folder."""
    config: str | None
    """The configuration; None where the data set has only one."""
    where: str
    """What asks for it, for messages."""
    keys: str = "source."
    """What stands before the keys `hub` and `config` there."""

    def __str__(self) -> str:
        """Repository and commit, as messages name them."""
        return f"{self.repository} at {self.revision}" if self.revision else self.repository

    @property
    def place(self) -> str:
        """The same after its key."""
        return f"{self.keys}{'hub' if self.revision else 'folder'}: {self}"


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
    request: HubRequest
    """What was asked of the hub."""

    def beside(self, config: str) -> "HubSplit":
        """Return the split of this name of another configuration at the same commit, or its only one.

        Errors are those of open_split.
        """
        return open_split(replace(self.request, config=config), self.split, or_only=True)

    def __str__(self) -> str:
        """The split as messages name it."""
        return f"{self.repository}/{self.config}/{self.split}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows; numbers of classes become their names.

        Raises:
            SmeltError: a file is not what its name says, or holds other rows than the data set's card lists.
        """
        found = 0
        try:
            for row in self._streamed():
                found += 1
                yield row
        except Exception as error:
            raise SmeltError(str(self), f"cannot be read: {first_line(cause(error))}") from None
        if self.examples not in (None, found):
            mend = f"delete {self.folder} and run again"
            raise SmeltError(str(self), f"has {found:,} rows; its card counts {self.examples:,}: {mend}")

    def _streamed(self) -> Iterator[dict[str, Any]]:
        """Yield the rows. Streaming opens files by their names; otherwise the library unpacks what looks packed."""
        import datasets
        from pyarrow.parquet import read_schema

        bound_decompression()
        builder = datasets.load_dataset_builder(str(self.folder), self.config)
        rows: Iterable[dict[str, Any]]
        if all(ending(str(path)) == ".parquet" for path in self.files):
            features = builder.info.features or datasets.Features.from_arrow_schema(read_schema(self.files[0]))
            rows = self._rows_of_parquet(features)
        else:
            streamed: Any = builder.as_streaming_dataset(self.split)
            features, rows = streamed.features, streamed
        names = class_names(features.to_dict() if features else {})
        with suppress(StopIteration):  # which the library raises for JSON lines without a line
            for row in rows:
                yield {column: name_classes(value, names.get(column)) for column, value in row.items()}

    def _rows_of_parquet(self, features: "Features") -> Iterator[dict[str, Any]]:
        """Yield the rows of Parquet files with the types that the data set's card gives to their columns."""
        from datasets.table import table_cast

        for path in self.files:
            for table in tables_of_parquet(str(path)):
                yield from table_cast(table, features.arrow_schema).to_pylist()


def open_split(request: HubRequest, split: str, or_only: bool = False) -> HubSplit:
    """Return a split of a data set at a commit, fetched unless the cache has it.

    or_only: whether a configuration with one split gives that one, whatever it is called.

    Raises:
        SmeltError: the hub has no such data set, commit, configuration or split, or cannot be reached and the cache
            lacks it.
    """
    folder = _fetch(request)
    builder = _builder(folder, request)
    held = builder.config.data_files or {}
    split = next(iter(held)) if or_only and len(held) == 1 else split
    files = _split_of(held, split, str(builder.config.name), request)
    _refuse_files(held, str(folder), request)
    paths = [Path(path) for path in files]
    _refuse_missing_files(paths, f"configuration {builder.config.name}, split {split}", request)
    counted = (builder.info.splits or {}).get(split)
    rows = counted.num_examples or None if counted else None
    return HubSplit(request.repository, str(builder.config.name), split, folder, paths, rows, request)


def check_whole(split: HubSplit, request: HubRequest) -> int | None:
    """Return the number of rows where it is known, or refuse a split whose files the cache has in part.

    Where the hub is out of reach, the client gives what the cache has. Files that number themselves were counted
    before; others are compared with the data set's card, or with the hub's list.

    Raises:
        SmeltError: the cache has fewer files or rows than the hub.
    """
    from pyarrow.parquet import read_metadata

    rows = None
    if all(path.suffix == ".parquet" for path in split.files):
        rows = sum(read_metadata(path).num_rows for path in split.files)
    if split.examples is not None and rows is not None:
        if rows != split.examples:
            mend = f"delete {split.folder} and run again"
            raise SmeltError(request.where, f"{split} has {rows:,} rows; its card counts {split.examples:,}: {mend}")
    elif not all(SHARD.fullmatch(path.name) for path in split.files):
        listed = len(remote_files(request, split.split))
        if listed != len(split.files):
            found = f"{split} has {len(split.files)} files in the cache; the hub lists {listed}: run again"
            raise SmeltError(request.where, found)
    return rows


def local_files(request: HubRequest, split: str) -> list[str]:
    """Return the files of a split in a local folder that is laid out as a repository of the hub.

    Where its card names no configurations, they are the folders in it.

    Raises:
        SmeltError: the folder has no such configuration or split, or lacks files of it.
    """
    folder = Path(request.repository)
    card = folder / CARD
    named = _configs(card, request) if card.exists() else {}
    if not named and request.config and not (folder / request.config).is_dir():
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = f"{request.keys}config: {request} has no folder {request.config!r}"
        raise SmeltError(request.where, f"{found}: {expected_one_of(request.config, inside)}")
    builder = _builder(folder, request, None if named else request.config)
    _refuse_files(builder.config.data_files or {}, str(folder), request)
    config = request.config or str(builder.config.name)
    files = list(map(str, _split_of(builder.config.data_files or {}, split, config, request)))
    _refuse_missing_files(list(map(Path, files)), f"configuration {config}, split {split}", request)
    return files


def remote_files(request: HubRequest, split: str) -> list[str]:
    """Return the addresses of a split's files on the hub, `hf://…`, which name the commit, without fetching them.

    Raises:
        SmeltError: the hub has no such data set, commit, configuration or split, or cannot be reached.
    """
    from datasets.data_files import DataFilesDict, get_data_patterns

    base = f"hf://datasets/{request.repository}@{request.revision}"
    with hub_errors(request.where, "data set", request.place):
        card = _card(request)
        chosen = _configs(card, request) if card else {}
        if not chosen:
            patterns = get_data_patterns(base)
        else:  # one, because the request names it
            config = next(iter(chosen.values()))
            base = f"{base}/{_data_dir(config)}".rstrip("/")
            patterns = _named_patterns(config) or get_data_patterns(base)
        found = DataFilesDict.from_patterns(patterns, base_path=base)
    _refuse_files(found, base, request)
    return list(map(str, _split_of(found, split, request.config or "default", request)))


def _split_of(files: Mapping[Any, Sequence[Any]], split: str, config: str, request: HubRequest) -> Sequence[Any]:
    if split not in files:
        found = f"{request.repository}, configuration {config}, has no split {split!r}"
        raise SmeltError(request.where, f"{found}: {expected_one_of(split, map(str, files))}")
    return files[split]


def _fetch(request: HubRequest) -> Path:
    """Return the commit's folder in the cache with the card and the data files of a configuration."""
    from huggingface_hub import snapshot_download

    with hub_errors(request.where, "data set", request.place):
        card = _card(request)
        patterns = [CARD, *(_patterns(card, request) if card else DATA_FILES)]
        folder = snapshot_download(
            request.repository, repo_type="dataset", revision=request.revision, allow_patterns=patterns
        )
        return Path(folder)


def _card(request: HubRequest) -> Path | None:
    """Return the card of a data set in the cache, fetched unless it is there; None where the data set has none."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(request.repository, CARD, repo_type="dataset", revision=request.revision))
    except errors.RemoteEntryNotFoundError:
        return None


def _patterns(card: Path, request: HubRequest) -> list[str]:
    """Return the patterns of a configuration's files, by a data set's card; those of all without a configuration."""
    configs = _configs(card, request)
    patterns: list[str] = []
    for chosen in configs.values():
        folder = _data_dir(chosen)
        below = f"{folder}/" if folder else ""
        named = _named_patterns(chosen)
        patterns += [f"{below}{pattern}".removeprefix("./") for files in named.values() for pattern in files]
        patterns += [] if named else [f"{below}{files}" for files in DATA_FILES]
    return patterns or list(DATA_FILES)


def _configs(card: Path, request: HubRequest) -> dict[str, Any]:
    """Return the configurations that a card has, or the one that is asked for; none where the card names none."""
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    configs = MetadataConfigs.from_dataset_card_data(DatasetCard.load(card, ignore_metadata_errors=True).data)
    config = request.config
    if not configs:
        return {}
    if config is None:
        config = configs.get_default_config_name()
        if config is None and len(configs) > 1:
            found = f"{request.keys}config: {request.repository} has several configurations"
            raise SmeltError(request.where, f"{found}: {expected_one_of('', configs)}")
    if config not in configs:
        found = f"{request.keys}config: {request.repository} has no configuration {config!r}"
        raise SmeltError(request.where, f"{found}: {expected_one_of(config, configs)}")
    return {config: configs[config]}


def _named_patterns(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the patterns of each split that a configuration names."""
    from datasets.data_files import sanitize_patterns

    found = sanitize_patterns(config["data_files"]) if config.get("data_files") else {}
    return {str(split): list(files) for split, files in found.items()}


def _data_dir(config: Mapping[str, Any]) -> str:
    """Return the folder of a configuration in its repository."""
    return str(config.get("data_dir") or "").strip("./")


def _builder(folder: Path, request: HubRequest, data_dir: str | None = None) -> "DatasetBuilder":
    """Return the library's reader of a configuration in a folder, or of the folder `data_dir` in it."""
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset_builder(str(folder), None if data_dir else request.config, data_dir=data_dir)
    except FileNotFoundError:
        raise SmeltError(request.where, f"{request.place} holds no Parquet, JSON or CSV files") from None
    except ValueError as error:
        raise SmeltError(request.where, f"{request.keys}config: {request}: {first_line(error)}") from None


def _refuse_files(files: Mapping[Any, Sequence[Any]], folder: str, request: HubRequest) -> None:
    """Refuse archives, and files elsewhere that a card names by `..`, a path from the root or an address.

    Raises:
        SmeltError: a file is an archive or of another unknown kind, or does not lie below `folder`, links aside: the
            hub's cache has links to the files themselves.
    """
    for file in (str(file) for each in files.values() for file in each):
        if ".." in file.split("/") or not Path(file).absolute().is_relative_to(Path(folder).absolute()):
            expected = "expected files of its own folder"
            raise SmeltError(request.where, f"{request.place}: its {CARD} names {file}, out of it: {expected}")
        if ending(file) not in _READ:
            expected = f"expected files in {', '.join(_READ)}, also with {', '.join(sorted(COMPRESSED))}"
            found = f"holds {Path(file).name}, and no archive is unpacked"
            raise SmeltError(request.where, f"{request.place} {found}: {expected}")


def _refuse_missing_files(files: list[Path], split: str, request: HubRequest) -> None:
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
        why = "are not in the cache, and the hub is out of reach" if request.revision else "are not there"
        raise SmeltError(request.where, f"{request.place}, {split}: {absent} {why}")


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
