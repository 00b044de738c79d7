#!/usr/bin/env bash
# transformers 5.23.0 with tokenizers 0.23.3: split_special_tokens=True, by which a special token that a text spells out
# is to be read as text, does nothing for unigram tokenizers (XLM-R's, ALBERT's, T5's kind). With WordPiece it works.
#
# The option keeps the special tokens from being looked up before the text is cut. But a unigram model has them in its
# own vocabulary too, with a score of 0, which is above that of all other pieces: it finds "<mask>" by itself. No warning
# says so, and encode_special_tokens = True of the tokenizers library does the same.
#
# Seen:
#   unigram:   split False: ['<mask>', '▁', 'c', 'a', 't', '</s>']
#   unigram:   split True : ['▁', '<mask>', '▁', 'c', 'a', 't', '</s>']
#   WordPiece: split True : ['[', '[UNK]', ']', 'cat']
#
# Why it matters: anyone who encodes a corpus or a user's text sets the option so that "</s>" in it ends no document and
# "<mask>" asks for no word. For these tokenizers, ids of special tokens still come out of plain text; they have to be
# replaced afterwards (by the unknown piece, say).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3
TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

text = ["the cat sat on the mat and the dog ran after the cat", "a mask is worn by a cat"] * 50

unigram = Tokenizer(models.Unigram())
unigram.pre_tokenizer = pre_tokenizers.Metaspace()
special = ["<unk>", "<s>", "</s>", "<mask>"]
trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>", show_progress=False)
unigram.train_from_iterator(text, trainer)
one = PreTrainedTokenizerFast(tokenizer_object=unigram, unk_token="<unk>", eos_token="</s>", mask_token="<mask>")

wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
trainer = trainers.WordPieceTrainer(
    vocab_size=200, special_tokens=["[UNK]", "[MASK]"], initial_alphabet=["[", "]"], show_progress=False
)
wordpiece.train_from_iterator([line + " [ mask ]" for line in text], trainer)
other = PreTrainedTokenizerFast(tokenizer_object=wordpiece, unk_token="[UNK]", mask_token="[MASK]")

found = []
for split in (False, True):
    one.split_special_tokens = split
    print(f"unigram:   split {split!s:5}:", one.tokenize("<mask> cat</s>"))
    ids = one("<mask> cat</s>")["input_ids"]
    found.append(one.mask_token_id in ids and one.eos_token_id in ids)
other.split_special_tokens = True
print("WordPiece: split True :", other.tokenize("[MASK] cat"))
found.append(other.mask_token_id not in other("[MASK] cat")["input_ids"])
sys.exit(0 if found == [True, True, True] else "the behaviour has changed")
PYTHON
