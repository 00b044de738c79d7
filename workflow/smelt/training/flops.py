"""How much arithmetic a token costs a model in training: what a speed is compared with the machine's peak by."""

from typing import Any

from smelt.model_families import family_of, number_of


def flops_per_token(model: Any, length: int, predicted: float) -> float:
    """Return the floating-point operations of one training pass for each token: forward, and twice as much backward.

    For each matrix that a token passes 6 operations a weight, as often as it passes it (Kaplan et al. 2020, section
    2.1; ALBERT's shared ones once a layer), and 12 * length * hidden a layer for attention's scores and weighted sums
    (Chowdhery et al. 2022, appendix B). The head counts by the share of tokens that pass it. Looking up, adding and
    normalising, the pooler and its classifier are left out, under 1% together, and so is what gradient checkpointing
    computes twice: this is what the model needs, whatever is done.

    Args:
        model: of transformers, with a head for masked tokens of one of smelt.model_families.FAMILIES.
        length: tokens in a row.
        predicted: share of the tokens that the head sees.
    """
    config = model.config
    hidden, layers = config.hidden_size, config.num_hidden_layers
    feed_forward = number_of(config, "feed_forward") or 0
    embedding = getattr(config, "embedding_size", hidden)
    layer = 4 * hidden**2 + 2 * hidden * feed_forward
    projection = 0 if embedding == hidden and not family_of(model).shared_layers else embedding * hidden
    head = hidden * embedding + embedding * model.get_output_embeddings().out_features
    weights = projection + layers * layer + predicted * head
    return float(6 * weights + 12 * layers * length * hidden)
