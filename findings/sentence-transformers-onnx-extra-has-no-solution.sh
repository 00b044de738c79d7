#!/usr/bin/env bash
# sentence-transformers 6.2.0, transformers 5.23.0, optimum-onnx 0.1.0, optimum 2.1.0, onnxruntime 1.31.1, Python 3.11
#
# sentence-transformers 6.2.0 asks for transformers from 5.0 on; its extra `onnx` for optimum-onnx, whose newest version
# asks for transformers before 4.58. The ONNX backend can therefore not be installed. Put there without its
# requirements, optimum-onnx does not import, and the library's own hint (`pip install sentence-transformers[onnx]`) does
# not come, because the error is no ModuleNotFoundError.
#
# Seen:
#   sentence-transformers[onnx]==6.2.0: ResolutionImpossible
#   optimum-onnx forced in: ImportError: cannot import name 'get_parameter_dtype' from 'transformers.modeling_utils'
#
# Why it matters: `backend="onnx"` works up to sentence-transformers 5.7.0 (with transformers 4.57.6), which does not know
# the module names that 6.2.0 writes into modules.json. A folder saved by 6.2.0 needs these names changed to load there.
#
# The script ends with 1 when the behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip"
if "$pip" install --dry-run --disable-pip-version-check "sentence-transformers[onnx]==6.2.0" >"$folder/log" 2>&1; then
    echo "the extra can be installed"
    exit 1
fi
echo "sentence-transformers[onnx]==6.2.0: $(grep -o ResolutionImpossible "$folder/log" | head -1)"
grep -q ResolutionImpossible "$folder/log"
"$pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.23.0 sentence-transformers==6.2.0 onnx==1.23.2 onnxruntime==1.31.1 requests==2.34.2
"$pip" install --quiet --disable-pip-version-check --no-deps optimum-onnx==0.1.0 optimum==2.1.0
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - <<'PYTHON'
import sys

try:
    from sentence_transformers.backend import load_onnx_model

    load_onnx_model("nowhere", None, "feature-extraction")
except Exception as error:
    print(f"optimum-onnx forced in: {type(error).__name__}: {str(error).split(' (')[0]}")
    sys.exit(0 if type(error) is ImportError and "'transformers." in str(error) else "the behaviour has changed")
sys.exit("the behaviour has changed")
PYTHON
