"""How the address of a mirror names its dumps: what planning a download and doing it have to agree on."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

DUMPS_SERVER = "{wiki}/{date}"  # where a dumps server keeps a dump, below its address


def root_and_layout(address: str) -> tuple[str, str]:
    """Divide an address before the first part of its path that names {wiki} or {date}.

    An address without them is that of a folder laid out as the dumps server.

    Raises:
        ValueError: it names one of the two.
    """
    found = [address.find(name) for name in ("{wiki}", "{date}")]
    if max(found) < 0:
        return address, DUMPS_SERVER
    if min(found) < 0:
        raise ValueError(f"{address} names one of {{wiki}} and {{date}}: expected both or neither")
    start = address.rfind("/", 0, min(found)) + 1
    root = address[:start] if start == 1 else address[: start - 1]
    return root or ".", address[start:].rstrip("/")


def filled(layout: str, wiki: str, date: str) -> str:
    """Return the path of a dump's folder."""
    return layout.replace("{wiki}", wiki).replace("{date}", date)


def local_root(address: str) -> str | None:
    """Return the folder of a local mirror; None where it is reached over a network."""
    root, _ = root_and_layout(address)
    if root.startswith("file://"):
        return url2pathname(urlsplit(root).path)
    return None if "://" in root else root


def local_folder(address: str, wiki: str, date: str) -> str | None:
    """Return the folder of a dump on a local mirror; None where it is reached over a network."""
    root = local_root(address)
    return None if root is None else str(Path(root) / filled(root_and_layout(address)[1], wiki, date))
