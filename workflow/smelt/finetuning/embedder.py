"""A model that embeds texts, as sentence-transformers loads it: with its own modules and prompts, or with a pooling."""

import logging as standard_logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging

from smelt.companions import is_sentence_model, whole_modules
from smelt.errors import SmeltError
from smelt.model_families import max_positions
from smelt.model_folder import incomplete, load_as, read_configuration, refuse_without_tokenizer
from smelt.pretrained import TERMS, WEIGHTS, unreadable
from smelt.study.finetuning import FinetuningSettings, Prompts

DEFAULT_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Names of prompts that sentence-transformers takes for a role by itself."""
NAME = re.compile(r"[\w.-]+")
"""A prompt's name; what is put before a text ends in more than letters."""


def load_embedder(folder: Path, settings: FinetuningSettings) -> SentenceTransformer:
    """Return the model of a folder, in single precision on the processor, reading `settings.length` tokens at most.

    Raises:
        SmeltError: it does not load; a pooling is named that it has already, or not named where it has to be.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    standard_logging.getLogger("sentence_transformers").setLevel(standard_logging.ERROR)
    refuse_without_tokenizer(folder, folder)
    if is_sentence_model(folder):
        whole_modules(folder, str(folder))
        if settings.pooling is not None:
            found = f"has modules of its own (modules.json), so that pooling: {settings.pooling} would have no effect"
            raise SmeltError(folder, f"{found}; leave it out for this model")
    else:
        refuse_without_pooling(folder, settings)
    how: dict[str, Any] = {
        "model_kwargs": {"dtype": torch.float32, **WEIGHTS},
        "config_kwargs": dict(TERMS),
        "processor_kwargs": dict(TERMS),
    }
    try:
        if is_sentence_model(folder):
            model = SentenceTransformer(str(folder), device="cpu", **TERMS, **how)
        else:
            states = Transformer(str(folder), **how)
            pooling = Pooling(states.get_embedding_dimension(), settings.pooling or "mean")
            model = SentenceTransformer(modules=[states, pooling], device="cpu")
    except Exception as error:  # of files, shapes and classes, from three libraries
        raise unreadable(folder, folder, "no embedding model loads from this folder", error) from None
    lengths = [settings.length, model.max_seq_length, max_positions(model[0].model.config)]
    model.max_seq_length = min(length for length in lengths if length)
    return model


def refuse_without_pooling(folder: Path, settings: FinetuningSettings) -> None:
    """Refuse a decoder for which no pooling is named: its last token has read all of a text, and its first nothing.

    Raises:
        SmeltError: it is one; or a decoder is to be read by its first token.
    """
    kind = read_configuration(folder, folder).model_type
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return
    if settings.pooling is None:
        found = f"is a decoder ({kind}) without modules.json"
        raise SmeltError(folder, f"{found}: name the pooling, such as `pooling: lasttoken` in finetuning")
    if settings.pooling == "cls":
        raise SmeltError(folder, f"is a decoder ({kind}), whose first token reads nothing: expected another pooling")


def refuse_random_weights(folder: Path, model: SentenceTransformer) -> None:
    """Refuse a folder that lacks weights of its model, which would be drawn without a word.

    Raises:
        SmeltError: it lacks some.
    """
    _, missing = load_as(type(model[0].model), folder, str(folder))
    if missing:
        raise incomplete(missing, folder)


def pooling_of(model: SentenceTransformer) -> str:
    """Return the pooling of a model, as metrics.json holds it."""
    found = [module.pooling_mode for module in model if isinstance(module, Pooling)]
    return "+".join([found[0]] if isinstance(found[0], str) else found[0]) if found else "none"


def prompts_for(
    model: SentenceTransformer, chosen: Prompts | None, roles: Sequence[str], folder: Path
) -> dict[str, str]:
    """Return the prompt of each role; an empty one where nothing stands before its texts.

    Raises:
        SmeltError: the study names a prompt that the model's folder lacks.
    """
    own: dict[str, str] = model.prompts
    return {
        role: _prompt(role, dict(chosen or Prompts())[role], own, model.default_prompt_name, folder) for role in roles
    }


def _prompt(role: str, chosen: str | None, own: dict[str, str], default: Any, folder: Path) -> str:
    if chosen is None:
        names = DEFAULT_PROMPTS.get(role, (default,))
        return next((own[name] for name in names if name in own), "")
    if not NAME.fullmatch(chosen):
        return chosen
    if chosen not in own:
        known = ", ".join(name for name, text in own.items() if text) or "none"
        raise SmeltError(folder, f"prompts.{role}: {chosen!r} is no prompt of its folder, which has {known}: "
                         "a prompt in words ends in a blank or another mark")  # fmt: skip
    return own[chosen]
