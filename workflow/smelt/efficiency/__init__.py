"""Efficiency: what a model weighs, how long it takes to load, and how fast it reads, all models in turn in one job."""
