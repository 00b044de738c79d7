"""The page of a study: what stands on it, and how it is arranged. `write` is the command."""
