"""Amplification: more pieces for some languages, behind those that a model has."""
