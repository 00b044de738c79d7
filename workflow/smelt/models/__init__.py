"""Models: a module or folder for each maker, all of which write the same kind of folder."""
