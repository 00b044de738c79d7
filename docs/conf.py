"""The documentation as a site: `make docs` builds it from the Markdown of the checkout and from docstrings.

Its sources are the files that GitHub shows, at the same places, so that a link works in both.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from smelt import __version__  # noqa: E402 - found by the line above

project = "smelt"
version = release = __version__
root_doc = "docs/index"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md", "docs/**.md"]
exclude_patterns = [".*", "benchmarks", "checkpoints", "logs", "resources", "results", "site", "tests", "workflow"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]

myst_heading_anchors = 6
default_role = "code"  # in docstrings, as in Markdown
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # those of arrays fill a page

html_theme = "furo"
html_title = f"smelt {version}"
html_show_copyright = False
html_extra_path = ["index.html"]  # leads from the site's root to its first page
