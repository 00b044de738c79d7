"""Everything in a `tokenizer.json` that names a piece by its id, outside the model's own section."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.models.reduction.loading import Tree

Ids = NDArray[np.int64]


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
