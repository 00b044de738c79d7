"""Vocabulary reduction: count pieces, choose them, and rewrite tokenizer and weights with those alone."""
