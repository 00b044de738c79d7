"""The tokenizer files of a model's folder: the fast tokenizer that they load as, and how they are rewritten.

`tokenizer.json` is read and written as text of its own, not through the tokenizers library, because that one reads
numbers with an error in the last place: each reading and writing could move a score, and a tie would be decided
otherwise.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from smelt.errors import SmeltError, first_line
from smelt.files import read_json, write_json
from smelt.model_folder import read_tokenizer
from smelt.pretrained import TERMS

TOKENIZER = "tokenizer.json"
VOCABULARY_FILES = (TOKENIZER, "vocab.txt", "vocab.json", "merges.txt")
"""Files of pieces that are rewritten, in addition to SentencePiece's protobufs (*.model)."""
Tree = dict[str, Any]
"""The content of `tokenizer.json`, as the tokenizers library writes it."""
_PLACE = "\0the vocabulary's place"
CONFIGURATION = "tokenizer_config.json"
ADDED = "added_tokens.json"
SPECIAL = "special_tokens_map.json"
_AN_ID = re.compile(r"(\w+_token|unk|pad|bos|eos|cls|sep|mask)_id")  # not pad_token_type_id, which is a segment


def load_fast(folder: Path, where: str, configuration: Any = None) -> Any:
    """Return the tokenizer that AutoTokenizer makes of a folder.

    Args:
        folder: tokenizer files, with config.json where the tokenizer's files do not name its class.
        where: the model's name, for messages.
        configuration: the model's configuration, for a folder that has no config.json yet.

    Raises:
        SmeltError: no tokenizer loads, it is a slow one, or it reads files that reduction does not rewrite.
    """
    tokenizer = read_tokenizer(folder, where, special_as_text=False, configuration=configuration)
    _refuse_slow(tokenizer, where)
    names = {TOKENIZER, *map(str, type(tokenizer).vocab_files_names.values())}
    read = sorted(name for name in names if (folder / name).is_file())
    if not read:  # transformers has made up a tokenizer of a handful of special pieces
        raise SmeltError(where, f"has no tokenizer: {type(tokenizer).__name__} reads {_join_names(names)}")
    others = [name for name in read if name not in VOCABULARY_FILES and not name.endswith(".model")]
    if others:
        problem = f"{type(tokenizer).__name__} also reads {_join_names(others)}, which reduction does not rewrite"
        raise SmeltError(where, problem)
    return tokenizer


def configuration_of(folder: Path) -> Any:
    """Return the configuration by which AutoTokenizer chooses the class, or None if a folder has none."""
    from transformers import AutoConfig, PreTrainedConfig

    for kind in (AutoConfig, PreTrainedConfig):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return kind.from_pretrained(folder, **TERMS)
    return None


def tree_of(backend: Any, where: str) -> Tree:
    """Return a tokenizer of the tokenizers library as the content of its tokenizer.json.

    Raises:
        SmeltError: a part of it is written in Python (Jieba's word splitter) and cannot be saved.
    """
    try:
        tree: Tree = json.loads(backend.to_str())
    except Exception as error:
        raise SmeltError(
            where, f"a part of its tokenizer cannot be saved ({first_line(error)}), so it cannot be reduced"
        ) from None
    return tree


def _refuse_slow(tokenizer: Any, where: str) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise SmeltError(
            where,
            f"{type(tokenizer).__name__} is a slow tokenizer, which reduction does not rewrite: expected WordPiece, "
            "Unigram or BPE in the tokenizers library's form",
        )


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class Number(float):
    """A number that keeps its spelling."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Return the number of a text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def _number(text: str) -> float:
    """Return a number that is written as it was read."""
    number = float(text)
    return number if repr(number) == text else Number(text)


def read_file(path: Path, where: str) -> Tree:
    """Return the content of a tokenizer.json.

    Raises:
        SmeltError: it is not JSON, or not a tokenizer's.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"), parse_float=_number)
    except (OSError, ValueError) as error:
        raise SmeltError(where, f"{path} cannot be read as JSON ({error})") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("model"), dict) or "vocab" not in tree["model"]:
        raise SmeltError(where, f"{path} is no tokenizer: expected a model with its vocab")
    return {"added_tokens": []} | tree


def write_file(path: Path, tree: Tree) -> None:
    """Write a tokenizer.json, with scores spelt as they were read."""
    path.write_text(file_text(tree) + "\n", encoding="utf-8")


def file_text(tree: Tree) -> str:
    """Return the text of a tokenizer.json, with scores spelt as they were read."""
    vocabulary = tree["model"]["vocab"]
    if isinstance(vocabulary, list):
        tree = tree | {"model": tree["model"] | {"vocab": _PLACE}}
    text = json.dumps(tree, ensure_ascii=False, indent=2)
    if isinstance(vocabulary, list):
        lines = [f"      [{json.dumps(piece, ensure_ascii=False)}, {_digits(score)}]" for piece, score in vocabulary]
        text = text.replace(json.dumps(_PLACE), "[\n" + ",\n".join(lines) + "\n    ]")
    return text


def _digits(number: float) -> str:
    return number.text if isinstance(number, Number) else json.dumps(number)


def ids_outside_the_model(tree: Tree) -> list[int]:
    """Return the ids of added tokens, of padding and of what the post-processor puts around a text."""
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    replace_ids(tree, note)
    return found


def has_part(tree: Tree, kind: str) -> bool:
    """Return whether the normaliser or the pre-tokeniser is, or contains, a part of this type."""
    return any(_contains(tree.get(part), kind) for part in ("normalizer", "pre_tokenizer"))


def replace_ids(tree: Tree, number: Callable[[int], int]) -> Tree:
    """Return a copy in which each id outside the model's section is `number(id)`."""
    replaced = dict(tree)
    replaced["added_tokens"] = [token | {"id": number(token["id"])} for token in tree["added_tokens"]]
    if tree.get("padding"):
        replaced["padding"] = tree["padding"] | {"pad_id": number(tree["padding"]["pad_id"])}
    if tree.get("post_processor"):
        replaced["post_processor"] = _post_processor(tree["post_processor"], number)
    return replaced


def _post_processor(part: dict[str, Any], number: Callable[[int], int]) -> dict[str, Any]:
    match part["type"]:
        case "Sequence":
            return part | {"processors": [_post_processor(inner, number) for inner in part["processors"]]}
        case "TemplateProcessing":
            tokens = {
                name: token | {"ids": [number(identity) for identity in token["ids"]]}
                for name, token in part["special_tokens"].items()
            }
            return part | {"special_tokens": tokens}
        case "BertProcessing" | "RobertaProcessing":
            return part | {end: [part[end][0], number(part[end][1])] for end in ("sep", "cls")}
    return part


def _contains(part: dict[str, Any] | None, kind: str) -> bool:
    if part is None:
        return False
    inner = [*part.get("normalizers", []), *part.get("pretokenizers", [])]
    return part["type"] == kind or any(_contains(other, kind) for other in inner)


def write_settings(folder: Path, output: Path, ids: dict[str, int], new: Callable[[int], int]) -> None:
    """Write the files that `folder` has, with ids renumbered.

    Args:
        folder: the source's files.
        output: where to write.
        ids: each token's old id.
        new: the new id of an old one.
    """
    if (folder / CONFIGURATION).is_file():
        write_json(
            output / CONFIGURATION, _renumber_configuration(read_json(folder / CONFIGURATION), ids, new), exact=True
        )
    if (folder / ADDED).is_file():
        # The tokenizer that loads decides on a token's id, even if the file has another one.
        written = {token: new(ids[token]) for token in read_json(folder / ADDED)}
        write_json(output / ADDED, written)
    if (folder / SPECIAL).is_file():
        shutil.copy(folder / SPECIAL, output / SPECIAL)  # spellings alone


def _renumber_configuration(
    configuration: dict[str, Any], ids: dict[str, int], new: Callable[[int], int]
) -> dict[str, Any]:
    written = dict(configuration)
    if "added_tokens_decoder" in configuration:
        tokens = configuration["added_tokens_decoder"].values()
        written["added_tokens_decoder"] = {str(new(ids[token["content"]])): token for token in tokens}
    for key, value in configuration.items():
        if _AN_ID.fullmatch(key) and isinstance(value, int):
            written[key] = new(value)
    return written
