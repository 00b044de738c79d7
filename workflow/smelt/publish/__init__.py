"""Publish a model of a study: a folder with a complete card, and its way to the Hugging Face hub."""
