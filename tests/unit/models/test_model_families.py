"""How many tokens a model reads at once is what its code in transformers can read, for every family of encoders."""

import importlib
import inspect
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel
from transformers.models.auto import modeling_auto

from smelt.architectures import CompactConfig
from smelt.model_families import COMPACT, FAMILIES, OFFSET_POSITIONS, Dimension, keys_of, max_positions, number_of

POSITIONS, PIECES = 20, 40
TINY = {
    **{"vocab_size": PIECES, "max_position_embeddings": POSITIONS, "hidden_size": 24, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "intermediate_size": 16, "mask_token_id": 4},
    **{"dim": 24, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},  # DistilBERT's names
    **{"attention_window": 4, "languages": ["en_XX"], "default_language": "en_XX"},  # Longformer, X-MOD
    **{"entity_vocab_size": 5, "entity_emb_size": 8},  # LUKE
    # LayoutLM's kind
    **{"coordinate_size": 4, "shape_size": 4, "max_2d_position_embeddings": POSITIONS, "visual_embed": False},
}


def families_that_make_positions_of_ids() -> set[str]:
    """Return the families with a head for masked pieces or for words whose code numbers positions from padding on."""
    found = set()
    for mapping in (modeling_auto.MODEL_FOR_MASKED_LM_MAPPING, modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING):
        for configuration, kind in mapping.items():
            if "create_position_ids_from_input" in inspect.getsource(importlib.import_module(kind.__module__)):
                found.add(configuration.model_type)
    return found


def reads(model: Any, length: int) -> bool:
    """Return whether a model reads a row of that many tokens."""
    try:
        model(input_ids=torch.full((1, length), PIECES - 1))
    except (IndexError, RuntimeError):
        return False
    return True


def test_the_families_whose_positions_begin_at_the_padding_are_those_of_transformers() -> None:
    assert families_that_make_positions_of_ids() == OFFSET_POSITIONS


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("family", [*sorted(OFFSET_POSITIONS), "albert", "bert", "distilbert", "electra"])
def test_the_longest_row_is_read_and_none_that_is_longer(family: str, padding: int) -> None:
    model = AutoModel.from_config(AutoConfig.for_model(family, **TINY, pad_token_id=padding)).eval()
    max_length = max_positions(model.config)
    assert max_length is not None
    assert (reads(model, max_length), reads(model, max_length + 1)) == (True, False)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_read_from_the_configuration_and_from_its_file_by_the_names_of_the_family(family: str) -> None:
    numbers: dict[Dimension, int] = {"layers": 3, "hidden": 24, "heads": 2, "feed_forward": 16}
    written = {key: numbers[name] for name, key in keys_of(family).items()}
    configuration = AutoConfig.for_model(family, **written)
    for name, number in numbers.items():
        assert number_of(configuration, name) == number
        assert number_of(configuration.to_dict(), name) == number


def test_compact_students_are_called_as_their_class_says() -> None:
    assert CompactConfig.model_type == COMPACT
