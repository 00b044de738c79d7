"""Efficiency: size, memory, loading time and speed of models, which alternate in one job."""
