"""Wikitext to plain text, by wikiextractor's functions and with an account of what a reader of the page would miss."""
