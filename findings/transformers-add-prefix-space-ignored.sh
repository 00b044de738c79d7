#!/usr/bin/env bash
# transformers 5.23.0, tokenizers 0.23.3, Python 3.11
#
# add_prefix_space=True is ignored where a folder has a tokenizer.json and no tokenizer class of its own (ModernBERT's
# folders name PreTrainedTokenizerFast). Words given one by one (is_split_into_words=True) then lose their blanks without
# a warning: every word is cut as if it stood inside another. The same files with the class RobertaTokenizer obey it.
#
# Seen, for ["the", "cat", "sat"] by byte-level BPE (the blank is written as Ġ):
#     RobertaTokenizer, add_prefix_space=True           Ġthe Ġcat Ġsat
#     PreTrainedTokenizerFast, add_prefix_space=True    the cat sat
#     running text "the cat sat", either class          the Ġcat Ġsat
#
# Why it matters: named-entity and part-of-speech recipes hand words over one by one. A model fine-tuned so reads pieces
# that it hardly met at the beginning of words, and scores lower than its peers with a class of their own. A remedy is to
# set `tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = True` where that is a ByteLevel.
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
pydantic==2.14.4
pydantic_core==2.50.5
Pygments==2.21.0
PyYAML==6.0.4
regex==2026.11.19
rich==15.0.0
safetensors==0.8.0
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

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

core = Tokenizer(models.BPE())
core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
core.train_from_iterator([" the cat sat", "the cat sat"] * 50, trainer)
names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
words = ["the", "cat", "sat"]
found = {}
for kind, family in (("RobertaTokenizer", "roberta"), ("PreTrainedTokenizerFast", "modernbert")):
    folder = Path(kind)
    folder.mkdir()
    core.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    (folder / "tokenizer_config.json").write_text(json.dumps(names | {"tokenizer_class": kind}))
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    ids = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
    found[kind] = tokenizer.convert_ids_to_tokens(ids)
    print(kind, found[kind])
assert sum("Ġ" in piece for piece in found["RobertaTokenizer"]) == 3
assert not any("Ġ" in piece for piece in found["PreTrainedTokenizerFast"]), "the behaviour has changed"
tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = True
ids = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
assert tokenizer.convert_ids_to_tokens(ids) == found["RobertaTokenizer"]
END
venv/bin/python shown.py
