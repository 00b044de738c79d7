#!/usr/bin/env bash
# sentence-transformers 6.2.0, transformers 5.23.0, torch 2.13.0, Python 3.11
#
# A model saved by sentence-transformers with the first token's state (`cls`) loads with the mean of all states once
# modules.json is missing, as it is after transformers' save_pretrained of the changed model into a new folder. At the
# library's usual level nothing is said: the line about it is of level INFO.
#
# Seen:
#   with modules.json: pooling cls
#   without: pooling mean, cosine similarity of the two embeddings below 0.99, 0 warnings
#
# Why it matters: tools that trim, quantise or fine-tune the inner model and save it by itself give embeddings that no
# longer fit an index built with the original, and every call still succeeds.
#
# The script ends with 1 when the behaviour has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 sentence-transformers==6.2.0
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

folder = Path(os.environ["FOLDER"])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "small", "house", "by", "the", "sea"]
shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
torch.manual_seed(1)
BertModel(BertConfig(vocab_size=len(words), **shape)).save_pretrained(folder / "bert")
tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder / "bert")
SentenceTransformer(modules=[Transformer(str(folder / "bert")), Pooling(32, "cls")]).save(str(folder / "with"))
shutil.copytree(folder / "with", folder / "without")
(folder / "without/modules.json").unlink()

said: list[logging.LogRecord] = []


class Collector(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        said.append(record)


logging.getLogger("sentence_transformers").addHandler(Collector(logging.WARNING))
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    loaded = {name: SentenceTransformer(str(folder / name)) for name in ("with", "without")}
about = [str(one.message) for one in warned if "modul" in str(one.message).lower()] + [one.getMessage() for one in said]
pooling = {name: model[1].pooling_mode for name, model in loaded.items()}
one, other = (model.encode(["a small house by the sea"], convert_to_tensor=True) for model in loaded.values())
alike = torch.cosine_similarity(one, other).item()
print(f"with modules.json: pooling {pooling['with']}")
print(f"without: pooling {pooling['without']}, cosine similarity of the embeddings {alike:.2f}, {len(about)} warnings")
same = pooling == {"with": "cls", "without": "mean"} and alike < 0.99 and not about
sys.exit(0 if same else "the behaviour has changed")
PYTHON
