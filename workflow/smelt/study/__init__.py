"""The study file: its types, its makers of models, and what rules ask about it.

It stands under the stages, and knows Snakemake by the objects that rules pass only.
"""
