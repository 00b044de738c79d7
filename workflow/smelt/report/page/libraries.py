"""The libraries of JavaScript that the page holds, read from the packages of Python that ship them.

Nothing is downloaded and no copy lies in the checkout: DataTables comes from the bundle in itables, and Vega-Lite from
what vl-convert bundles.
"""

import hashlib
import importlib.util
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from smelt.errors import SmeltError
from smelt.files import whole_file

VEGA_SHA256 = "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"
"""Of what the pinned vl-convert bundles."""


@dataclass(frozen=True)
class Library:
    """A library of the page: its script, and what its licence asks to be named."""

    name: str
    licence: str
    package: str
    """The package of Python that it was read from, with its version."""
    script: Markup
    """JavaScript that can stand within `<script>`."""


def datatables() -> Library:
    """Return DataTables, which sorts, searches and pages tables, as `window.DataTable`; it holds jQuery, too.

    Raises:
        SmeltError: itables is missing, or its bundle is not as in the version that is pinned.
    """
    found = importlib.util.find_spec("itables")  # importing it would import pandas, too
    if found is None or found.origin is None:
        raise SmeltError("itables", "is not installed: expected the version that pyproject.toml names")
    path = Path(found.origin).parent / "html/dt_bundle.js"
    if not path.is_file():
        raise SmeltError(path, "is missing: expected the bundle of DataTables that itables ships")
    # The bundle is a module that exports the class; in the page no module can import another.
    script, exports = re.subn(
        r"export\s*\{[^}]*?(\w+) as default[^}]*\};?\s*", r"window.DataTable=\1;", path.read_text(encoding="utf-8")
    )
    if exports != 1:
        raise SmeltError(path, f"exports a default {exports} times: expected once, as in the itables that is pinned")
    return Library("DataTables and jQuery", "MIT", f"itables {version('itables')}", within_script(script))


def vega() -> Library:
    """Return Vega, Vega-Lite and Vega-Embed, which draw charts, as `window.vegaEmbed`."""
    names = "Vega, Vega-Lite, Vega-Embed and D3"
    package = f"vl-convert-python {version('vl-convert-python')}"
    return Library(names, "BSD-3-Clause; of D3 ISC", package, within_script(_vega_script()))


def _vega_script() -> str:
    """Return the bundle of Vega, which takes longer to make than the rest of a page: from the user's cache, if there.

    Whatever lies in the cache, only what the pinned vl-convert bundles is taken from it, or put into it.
    """
    with suppress(*_NO_CACHE):
        cached = _cached_vega().read_bytes()
        if hashlib.sha256(cached).hexdigest() == VEGA_SHA256:
            return cached.decode()
    import vl_convert

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if hashlib.sha256(script.encode()).hexdigest() == VEGA_SHA256:
        with suppress(*_NO_CACHE), whole_file(_cached_vega()) as draft:
            draft.write_text(script, encoding="utf-8")
    return script


_NO_CACHE = (OSError, RuntimeError)
"""What a home raises that is full, may not be written to, or does not exist: the page needs none."""


def _cached_vega() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder, "smelt", f"vega-{VEGA_SHA256[:16]}.js")


def within_script(text: str) -> Markup:
    """Return JavaScript or JSON such that nothing in it opens or ends a `<script>`, or a comment.

    In strings and regular expressions, where such a sign can stand alone, its escape means the same.
    """
    return Markup(re.sub(r"<(?=/?script|!--)", r"\\u003C", text, flags=re.IGNORECASE))
