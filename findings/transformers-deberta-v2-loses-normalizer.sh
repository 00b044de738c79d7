#!/usr/bin/env bash
# transformers 5.23.0, tokenizers 0.23.3, sentencepiece 0.2.3, Python 3.11
#
# A DeBERTa-v2 or DeBERTa-v3 folder (config.json, spm.model) loads without the normalizer of its SentencePiece model. The
# pieces and their ids are the same, but full-width letters, ligatures and no-break spaces, which spm.model turns into
# plain ones, become unknown.
#
# Seen, with a small spm.model trained here, and U+00A0 in the second text:
#     text              spm.model              AutoTokenizer
#     ｆｕｌｌ ｗｉｄｔｈ   ▁ f u l l ▁ w i d th   ▁ ｆｕｌｌ ▁ ｗｉｄｔｈ (both words unknown)
#     no space          ▁ n o ▁space           ▁ n o U+00A0 s p a c e (the space unknown)
#
# Why it matters: the published models were pretrained on text that spm.model had normalized. East Asian text, scanned
# books and web pages hold such characters on most pages: fine-tuning and evaluation then read unknown pieces where
# pretraining had words, without a warning. Comparing vocabularies does not show it; cutting lines does.
#
# The script ends with 1 when the behaviour has changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
cat > requirements.txt <<'END'
annotated-doc==0.0.7
annotated-types==0.8.0
anyio==4.16.0
click==8.5.1
filelock==4.3.1
fsspec==2026.9.0
h11==0.16.0
hf-xet==1.8.0
httpcore2==2.16.2
httpx2==2.16.2
huggingface_hub==2.4.0
idna==3.20
markdown-it-py==4.3.0
mdurl==0.1.2
numpy==2.4.6
packaging==26.4
protobuf==7.36.2
pydantic==2.14.4
pydantic_core==2.50.5
Pygments==2.21.0
PyYAML==6.0.4
regex==2026.11.19
rich==15.0.0
safetensors==0.8.0
sentencepiece==0.2.3
shellingham==1.5.4
tokenizers==0.23.3
tqdm==4.70.1
transformers==5.23.0
truststore==0.10.5
typer==0.29.2
typing-inspection==0.4.5
typing_extensions==4.16.0
END
venv/bin/pip install --quiet --no-deps -r requirements.txt

cat > shown.py <<'END'
import json
from pathlib import Path

import sentencepiece
from transformers import AutoTokenizer

lines = ["full width letters and a no break space", "the width of a full letter", "no space and no letters"] * 50
Path("model").mkdir()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(lines), model_prefix="model/spm", vocab_size=60, hard_vocab_limit=False, num_threads=1,
    pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
    minloglevel=2,
)
Path("model/config.json").write_text(json.dumps({"model_type": "deberta-v2"}))
Path("model/tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
model = sentencepiece.SentencePieceProcessor(model_file="model/spm.model")
tokenizer = AutoTokenizer.from_pretrained("model")

assert all(tokenizer.convert_tokens_to_ids(model.id_to_piece(piece)) == piece for piece in range(len(model)))
plain = "full width"
assert tokenizer(plain, add_special_tokens=False)["input_ids"] == model.encode(plain)
for text in ("ｆｕｌｌ ｗｉｄｔｈ", "no\u00a0space"):
    ours, theirs = tokenizer(text, add_special_tokens=False)["input_ids"], model.encode(text)
    print(repr(text), "spm.model:", model.encode(text, out_type=str), "AutoTokenizer:", tokenizer.tokenize(text))
    assert model.unk_id() not in theirs
    assert tokenizer.unk_token_id in ours, "the normalizer is there: the behaviour has changed"
END
venv/bin/python shown.py
