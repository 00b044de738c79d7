"""The vocabulary of a model, in every form that its folder holds it in: read, changed, written, and compared."""
