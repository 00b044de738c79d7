"""The file `tokenizer.json`, and everything in it that names a piece by its id outside the model's own section.

The file is read and written as text of its own, not through the tokenizers library, because that one reads numbers
with an error in the last place: each reading and writing could move a score, and a tie would be decided otherwise.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from smelt.errors import SmeltError
from smelt.models.reduction.loading import Tree

_PLACE = "\0the vocabulary's place"


class Number(float):
    """A number that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Return the number of a text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def read_file(path: Path, where: str) -> Tree:
    """Return what the file holds.

    Raises:
        SmeltError: it is not JSON, or not a tokenizer's.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"), parse_float=Number)
    except (OSError, ValueError) as error:
        raise SmeltError(where, f"{path} cannot be read as JSON ({error})") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("model"), dict) or "vocab" not in tree["model"]:
        raise SmeltError(where, f"{path} is no tokenizer: expected a model with its vocab")
    return {"added_tokens": []} | tree


def write_file(path: Path, tree: Tree) -> None:
    """Write the file, scores with the very digits that they were read with."""
    vocabulary = tree["model"]["vocab"]
    if isinstance(vocabulary, list):
        tree = tree | {"model": tree["model"] | {"vocab": _PLACE}}
    text = json.dumps(tree, ensure_ascii=False, indent=2)
    if isinstance(vocabulary, list):
        lines = [f"      [{json.dumps(piece, ensure_ascii=False)}, {_digits(score)}]" for piece, score in vocabulary]
        text = text.replace(json.dumps(_PLACE), "[\n" + ",\n".join(lines) + "\n    ]")
    path.write_text(text + "\n", encoding="utf-8")


def _digits(number: float) -> str:
    return number.text if isinstance(number, Number) else json.dumps(number)


def ids_outside_the_model(tree: Tree) -> list[int]:
    """Return the ids of added tokens, of padding and of what the post-processor puts around a text."""
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    with_ids_replaced(tree, note)
    return found


def has_part(tree: Tree, kind: str) -> bool:
    """Return whether the normaliser or the pre-tokeniser is, or contains, a part of this type."""
    return any(_contains(tree.get(part), kind) for part in ("normalizer", "pre_tokenizer"))


def with_ids_replaced(tree: Tree, number: Callable[[int], int]) -> Tree:
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
