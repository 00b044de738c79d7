"""Architectures that transformers lacks, made known to its Auto classes by importing this package."""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from smelt.architectures.compact import (
    CompactConfig,
    CompactForSequenceClassification,
    CompactForTokenClassification,
    CompactModel,
)

__all__ = ["CompactConfig", "CompactForSequenceClassification", "CompactForTokenClassification", "CompactModel"]

AutoConfig.register(CompactConfig.model_type, CompactConfig)
CompactConfig.register_for_auto_class()
for _auto, _kind in (
    (AutoModel, CompactModel),
    (AutoModelForTokenClassification, CompactForTokenClassification),
    (AutoModelForSequenceClassification, CompactForSequenceClassification),
):
    _auto.register(CompactConfig, _kind)
    # What has save_pretrained put the classes' own file beside the weights, so that they load without this package.
    _kind.register_for_auto_class(_auto.__name__)
