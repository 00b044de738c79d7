#!/usr/bin/env bash
# safetensors 0.8.0: save_file writes files that only their owner can read (mode 0600), whatever the umask and whatever
# the mode of a file that it replaces. safetensors 0.5.3 left both to the umask, as open() does.
#
# It writes to a temporary file, which is private by design, and renames it. transformers' save_pretrained saves by it,
# so that model.safetensors has another mode than config.json and the tokenizer beside it.
#
# Seen, with umask 022:
#   safetensors 0.8.0: new file 0o600, replaced file 0o600, beside a file of 0o644
#   safetensors 0.5.3: new file 0o644, replaced file 0o644, beside a file of 0o644
#
# Why it matters: on clusters, models lie in folders that a group shares. A colleague lists the folder, reads the
# configuration, and is refused the weights; a service under another user's name fails likewise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.8.0 0.5.3; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "safetensors==$version" numpy==2.4.6
done
umask 022
cat > "$folder/modes.py" <<'PYTHON'
import os
import sys
import tempfile
from pathlib import Path

import numpy
from safetensors import __version__
from safetensors.numpy import save_file

folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
(folder / "config.json").write_text("{}")
(folder / "old.safetensors").touch()
modes = []
for name in ("new.safetensors", "old.safetensors", "config.json"):
    if name != "config.json":
        save_file({"weight": numpy.zeros(2)}, folder / name)
    modes.append(oct(os.stat(folder / name).st_mode & 0o777))
print(f"safetensors {__version__}: new file {modes[0]}, replaced file {modes[1]}, beside a file of {modes[2]}")
sys.exit(0 if modes == sys.argv[2].split() else "the behaviour has changed")
PYTHON
"$folder/0.8.0/bin/python" "$folder/modes.py" "$folder" "0o600 0o600 0o644"
"$folder/0.5.3/bin/python" "$folder/modes.py" "$folder" "0o644 0o644 0o644"
