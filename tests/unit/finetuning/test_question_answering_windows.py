"""Questions with their contexts: windows, the answer's place in them, and answers cut from the context."""

import json
import string

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from invented_tasks import PLACES, VERBS, questions, tokenizer, write_task
from published_tokenizers import WITH_BLANKS, WITHOUT_BLANKS
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from smelt.__main__ import main
from smelt.finetuning.batches import collate, predict
from smelt.tasks.examples import MISPLACED
from smelt.tasks.kinds import KINDS
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.kinds.question_answering import LONGEST_ANSWER, OVERLAP, candidates
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import IGNORED, Encoded
from smelt.tokenizers.unigram import SPECIAL_PIECES, fast_tokenizer

TASK = Task("questions", "question-answering", "squad-f1", None, [])
KIND = KINDS["question-answering"]
CPU = torch.device("cpu")
PUBLISHED = WITH_BLANKS | WITHOUT_BLANKS
LONG = " ".join(f"anna sees the {place}" for place in [*PLACES, "rome"] * 40)


def of(question: str, context: str, *answers: tuple[str, int]) -> Examples:
    starts = [start for _, start in answers]
    inputs = {"id": ["q"], "question": [question], "context": [context], "starts": [starts]}
    return Examples([0], ["en"], inputs, [[text for text, _ in answers]])


def placed(text: str, context: str) -> tuple[str, int]:
    return text, context.index(text)


def answered(places: tuple[int, int], examples: Examples, encoded: Encoded) -> str:
    """Return the answer between two positions of the only window."""
    ((answer,),) = KIND.answers(WindowPredictions([[places]], [[0.0]]), examples, encoded, TASK)
    return answer


@pytest.mark.parametrize("length", [40, 200, 512])
def test_windows_are_those_that_the_tokenizers_library_cuts(model_folder, length):
    pieces = load_pieces(model_folder)
    question = "the oslo"
    encoded = encode(of(question, LONG, placed("rome", LONG)), TASK, pieces, length)
    room = length - 3 - len(pieces.tokenizer(question, add_special_tokens=False)["input_ids"])
    theirs = pieces.tokenizer(
        question,
        LONG,
        truncation="only_second",
        max_length=length,
        stride=min(OVERLAP, room // 2),
        return_overflowing_tokens=True,
        return_token_type_ids=True,
    )
    assert [list(window.ids) for window in encoded.windows] == theirs["input_ids"]
    assert [list(window.types) for window in encoded.windows] == theirs["token_type_ids"]
    assert len(encoded.windows) > 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_answer_is_found_in_the_pieces_of_published_tokenizers(tmp_path, name):
    PUBLISHED[name](tmp_path)
    pieces = load_pieces(tmp_path)
    context = "Μαρία likes the 東京 of 12345 years ago . Boris doesn't like the café ( in 1984 ) ."
    for answer in ("Μαρία", "東京", "12345 years", "café ( in 1984", "ago .", context):
        examples = of("Anna sees Oslo ?", context, placed(answer, context))
        encoded = encode(examples, TASK, pieces, 512)
        ((first, last),), (window,) = encoded.targets, encoded.windows
        assert answer in answered((first, last), examples, encoded)
        # A piece may reach beyond the answer, but no further: without its first or its last, the answer is cut. The
        # lone "▁" of SentencePiece stands for a blank, and has the place of the letter behind it.
        first += pieces.tokenizer.convert_ids_to_tokens(window.ids[first]) == "▁"
        for inner in ((first + 1, last), (first, last - 1)):
            if inner[0] <= inner[1]:
                assert answer not in answered(inner, examples, encoded)
        assert len(window.ids) == len(pieces.tokenizer("Anna sees Oslo ?", context)["input_ids"])


def test_an_answer_keeps_its_case_where_the_tokenizer_lower_cases(tmp_path):
    known = [(piece, 0.0) for piece in SPECIAL_PIECES] + [(letter, -4.0) for letter in "▁éñ" + string.ascii_lowercase]
    core = fast_tokenizer(known, lowercase=True)
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(tmp_path)
    pieces = load_pieces(tmp_path)
    context = "JOSÉ Núñez vive\u200ben  ESPAÑA"
    for answer in ("JOSÉ Núñez", "É", "vive\u200ben", "ESPAÑA", context):
        examples = of("¿Quién?", context, placed(answer, context))
        encoded = encode(examples, TASK, pieces, 512)
        ((places),) = encoded.targets
        assert answered(places, examples, encoded) == answer


def test_the_answer_is_a_target_in_every_window_that_holds_it_whole(model_folder):
    pieces = load_pieces(model_folder)
    start = LONG.index("rome", LONG.index("rome") + 1)
    encoded = encode(of("who", LONG, ("rome", start)), TASK, pieces, 60)
    offsets = encoded.offsets[0]
    inside = 0
    for window, (first, last) in zip(encoded.windows, encoded.targets, strict=True):
        shift = window.words[0] - window.positions[0]
        pieces_of = [piece for piece in window.words if offsets[piece, 1] > start and offsets[piece, 0] < start + 4]
        if len(pieces_of) == 4:
            inside += 1
            assert (first + shift, last + shift) == (pieces_of[0], pieces_of[-1])
            assert LONG[offsets[first + shift, 0] : offsets[last + shift, 1]].strip() == "rome"
        else:
            assert (first, last) == (0, 0)
    assert inside == 2  # windows share half of what they hold
    assert encoded.answers_in_no_window == 0


def test_what_cannot_be_learnt_is_counted_and_never_a_target(model_folder):
    pieces = load_pieces(model_folder)
    misplaced = encode(of("who", "anna sees the oslo", ("rome", MISPLACED)), TASK, pieces, 40)
    assert misplaced.targets == [[IGNORED, IGNORED]]
    assert misplaced.answers_in_no_window == 1
    assert misplaced.counts(1)["answers_in_no_window"] == 1
    other = encode(
        of("who", "anna sees the oslo", ("rome", MISPLACED), placed("oslo", "anna sees the oslo")), TASK, pieces, 40
    )
    assert other.answers_in_no_window == 0
    too_long = encode(of("who", LONG, (LONG[:900], 0)), TASK, pieces, 60)
    assert set(map(tuple, too_long.targets)) == {(0, 0)}
    assert too_long.answers_in_no_window == 1


def test_a_long_question_leaves_half_of_the_window_to_the_context(model_folder):
    pieces = load_pieces(model_folder)
    question = " ".join(VERBS * 20)
    encoded = encode(of(question, LONG, placed("oslo", LONG)), TASK, pieces, 43)
    assert {len(window.ids) for window in encoded.windows[:-1]} == {43}
    assert len(encoded.windows[0].words) == 20
    assert encoded.truncated_words == 80 - 20
    assert encoded.words == 80 + len(LONG.split())
    covered = {piece for window in encoded.windows for piece in window.words}
    assert covered == set(range(len(encoded.offsets[0])))


def test_a_context_fifty_times_as_long_as_the_model_reads_is_one_example(model_folder):
    pieces = load_pieces(model_folder)
    context = " ".join([LONG] * 3)
    encoded = encode(of("who", context, placed("rome", context)), TASK, pieces, 64)
    assert len(encoded.offsets[0]) > 50 * 64
    assert {window.example for window in encoded.windows} == {0}
    assert {piece for window in encoded.windows for piece in window.words} == set(range(len(encoded.offsets[0])))


def outputs(windows: int, length: int) -> QuestionAnsweringModelOutput:
    draw = torch.Generator().manual_seed(0)
    return QuestionAnsweringModelOutput(
        start_logits=torch.randn(windows, length, generator=draw),
        end_logits=torch.randn(windows, length, generator=draw),
    )


def test_the_loss_is_the_mean_of_both_cross_entropies_and_padding_has_no_part(model_folder):
    pieces = load_pieces(model_folder)
    texts = ["anna sees the oslo", "boris likes the lima of anna and the cairo"]
    inputs = {"id": ["a", "b"], "question": ["who", "who"], "context": texts, "starts": [[14], [16]]}
    encoded = encode(Examples([0, 1], ["en", "en"], inputs, [["oslo"], ["lima"]]), TASK, pieces, 64)
    (batch,) = collate(encoded, [[0, 1]], pieces.padding, CPU)
    output = outputs(2, batch.ids.shape[1])
    loss = KIND.loss(KIND.logits(output, batch), batch.targets)
    wanted = 0.0
    for row, window in enumerate(encoded.windows):
        size = len(window.ids)
        sides = (output.start_logits, output.end_logits)
        wanted += sum(
            float(functional.cross_entropy(side[row : row + 1, :size], torch.tensor([place])))
            for side, place in zip(sides, encoded.targets[row], strict=True)
        )
    assert float(loss) == pytest.approx(wanted / 4, rel=1e-6)
    assert float(KIND.loss(KIND.logits(output, batch), torch.full((4,), IGNORED))) == 0.0


def test_candidates_are_the_best_parts_of_the_context(model_folder):
    """Against a search over all pairs of pieces of all windows."""
    pieces = load_pieces(model_folder)
    examples = of("who", LONG, placed("rome", LONG))
    encoded = encode(examples, TASK, pieces, 100)
    values = {}

    def logits_of(batch):
        output = outputs(len(batch.windows), batch.ids.shape[1])
        for row, number in enumerate(batch.windows):
            values[number] = (output.start_logits[row], output.end_logits[row])
        return KIND.logits(output, batch)

    found = predict(KIND, logits_of, encoded, 4, pieces.padding, CPU)
    (ours,) = candidates(found, examples, encoded)
    best: dict[tuple[int, int], float] = {}
    for number, window in enumerate(encoded.windows):
        first, last = values[number]
        for start in window.positions:
            for end in range(start, min(start + LONGEST_ANSWER, window.positions[-1] + 1)):
                key = tuple(window.words[place - window.positions[0]] for place in (start, end))
                best[key] = max(best.get(key, -np.inf), float(first[start] + last[end]))
    (first, last), score = max(best.items(), key=lambda item: item[1])
    offsets = encoded.offsets[0]
    assert ours[0].score == pytest.approx(score)
    assert LONG[ours[0].start : ours[0].end] == LONG[offsets[first, 0] : offsets[last, 1]].strip()
    assert [each.score for each in ours] == sorted((each.score for each in ours), reverse=True)
    assert len({(each.start, each.end, each.score) for each in ours}) == len(ours) == 20


def test_a_model_learns_to_answer(tmp_path):
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    words, model = tokenizer(), tmp_path / "bert"
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(words), pad_token_id=0, **shape)).save_pretrained(model)
    words.save_pretrained(model)
    splits = dict.fromkeys(("train", "validation", "test"), questions(64))
    task = write_task(tmp_path / "task", "question-answering", splits, "squad-f1")
    settings = {"epochs": 15, "batch": 8, "learning_rate": 0.003, "length": 32, "keep": True}
    flags = ["--model", model, "--task", task, "--output", tmp_path / "out", "--seed", 1]
    assert main(["finetune", *map(str, flags), "--settings", json.dumps(settings)]) == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    scores = {row["metric"]: row["value"] for row in metrics["scores"] if row["split"] == "test"}
    assert scores == {"squad_f1": 1.0, "exact_match": 1.0}
    assert metrics["counts"]["test"]["answers_in_no_window"] == 0
    found = parquet.read_table(tmp_path / "out/predictions.parquet").to_pylist()
    for row, wanted in zip(found, questions(64), strict=True):
        assert row["predicted"] in wanted["answers"]
        best = row["candidates"][0]
        assert wanted["context"][best["start"] :].startswith(row["predicted"])
