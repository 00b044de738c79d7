"""The demo study's data: three invented languages, their encyclopaedias as MediaWiki dumps, and two tasks.

Everything follows from one seed: the demo downloads nothing, and everybody gets the same bytes.
"""

# Both are params of the demo's rules: another seed gives another world, and a higher version makes the data again.
GENERATOR_VERSION = 1
SEED = 1
