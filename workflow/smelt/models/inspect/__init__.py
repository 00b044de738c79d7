"""Look into a tokenizer: its scripts and kinds of pieces, the languages that use them, and what another one shares."""
