"""Embedding models on similarity and retrieval, as they are and fine-tuned, held against sentence-transformers."""

import json
import os
import shutil

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import torch
from embedding_toy import retrieval_task, scored_pairs, sentence_model, similarity_task
from invented_tasks import tokenizer
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import (
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
)
from sentence_transformers.sentence_transformer.losses import CoSENTLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from test_finetuning_interruptions import OFTEN, assert_same_bits, fail_at, killed
from tests.pasted import run_card
from tokenizers import processors
from transformers import GPT2Config, GPT2Model

from smelt.__main__ import main
from smelt.finetuning.embedding import EmbeddingPhase
from smelt.finetuning.finetune import open_inputs
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.kinds import KINDS
from smelt.tasks.prepared_task import read_split, read_task
from smelt.tasks.windows import NearTexts
from smelt.training.epochs import EpochTraining

AS_IT_IS = {"epochs": 0, "length": 32}


def finetune(model, task, *outputs, seeds=(1,), **settings) -> int:
    words = ["--model", model, "--task", task, "--output", *outputs, "--seed", *seeds]
    chosen = {"epochs": 2, "batch": 8, "learning_rate": 0.003, "length": 32} | settings
    return main(["finetune", *map(str, words), "--settings", json.dumps(chosen)])


def metrics(output):
    return json.loads((output / "metrics.json").read_text())


def scores(output, split="test"):
    return {
        (row["language"], row["metric"]): row["value"] for row in metrics(output)["scores"] if row["split"] == split
    }


def mean_pooled(folder, length=32):
    states = Transformer(str(folder))
    model = SentenceTransformer(modules=[states, Pooling(states.get_embedding_dimension(), "mean")], device="cpu")
    model.max_seq_length = length
    return model


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "decoder"
    pieces = tokenizer()
    torch.manual_seed(0)
    GPT2Model(GPT2Config(vocab_size=len(pieces), n_embd=32, n_layer=2, n_head=2, n_positions=64)).save_pretrained(
        folder
    )
    pieces.save_pretrained(folder)
    return folder


# ---- As it is


def test_a_plain_encoder_is_pooled_by_the_mean_and_scored_as_by_sentence_transformers(model_folder, tmp_path):
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model_folder, task, tmp_path / "out", **AS_IT_IS) == 0
    rows = scored_pairs(64)
    texts = [[row[side] for row in rows] for side in ("text", "pair")]
    peer = EmbeddingSimilarityEvaluator(*texts, [float(row["label"]) for row in rows], similarity_fn_names=["cosine"])
    expected = peer(mean_pooled(model_folder))
    assert scores(tmp_path / "out")["en", "spearman"] == pytest.approx(expected["spearman_cosine"], abs=1e-4)
    assert scores(tmp_path / "out")["en", "pearson"] == pytest.approx(expected["pearson_cosine"], abs=1e-6)
    found = metrics(tmp_path / "out")
    assert (found["best_epoch"], found["embedding"]["pooling"], found["settings"]["epochs"]) == (0, "mean", 0)


def test_labels_of_pairs_are_scored_as_by_sentence_transformers(model_folder, tmp_path):
    task = similarity_task(tmp_path / "pairs", binary=True)
    assert finetune(model_folder, task, tmp_path / "out", **AS_IT_IS) == 0
    rows = parquet.read_table(task / "test.parquet").to_pylist()
    texts = [[row[side] for row in rows] for side in ("text", "pair")]
    peer = BinaryClassificationEvaluator(*texts, [int(row["label"]) for row in rows], similarity_fn_names=["cosine"])
    expected = peer(mean_pooled(model_folder))
    assert scores(tmp_path / "out") == {("en", "average_precision"): pytest.approx(expected["cosine_ap"], abs=1e-6)}


def test_passages_are_ranked_as_by_sentence_transformers(model_folder, tmp_path):
    task = retrieval_task(tmp_path / "search")
    assert finetune(model_folder, task, tmp_path / "out", **AS_IT_IS) == 0
    rows = parquet.read_table(task / "test.parquet").to_pylist()
    held = parquet.read_table(task / "passages.parquet").to_pylist()
    peer = InformationRetrievalEvaluator(
        {row["id"]: row["text"] for row in rows},
        {row["id"]: row["text"] for row in held},
        {row["id"]: {row["relevant"][0]["passage"]} for row in rows},
    )
    expected = peer(mean_pooled(model_folder))
    found = scores(tmp_path / "out")
    assert found["en", "ndcg_at_10"] == pytest.approx(expected["cosine_ndcg@10"])
    assert found["en", "mrr_at_10"] == pytest.approx(expected["cosine_mrr@10"])
    assert found["en", "recall_at_10"] == pytest.approx(expected["cosine_recall@10"])


def test_the_modules_and_prompts_of_a_folder_are_used(model_folder, tmp_path):
    prompts = {"query": "finds the ", "document": "likes ", "other": "sees the "}
    model = sentence_model(model_folder, tmp_path / "embedder", prompts=prompts)
    task = retrieval_task(tmp_path / "search")
    assert finetune(model, task, tmp_path / "out", **AS_IT_IS) == 0
    found = metrics(tmp_path / "out")["embedding"]
    assert found["pooling"] == "cls"
    assert found["prompts"] == {"query": "finds the ", "document": "likes "}
    loaded = SentenceTransformer(str(model), device="cpu")
    rows = parquet.read_table(task / "test.parquet").to_pylist()
    held = {row["id"]: row["text"] for row in parquet.read_table(task / "passages.parquet").to_pylist()}
    found = parquet.read_table(tmp_path / "out" / "predictions.parquet").to_pylist()
    cosines = loaded.encode_query([row["text"] for row in rows]) @ loaded.encode_document(list(held.values())).T
    for row, values in zip(found, cosines, strict=True):
        ranked = sorted(zip(held, values, strict=True), key=lambda each: (-each[1], each[0]))
        assert row["cosines"] == pytest.approx([value for _, value in ranked], abs=1e-5)


def test_a_study_names_a_prompt_or_writes_one(model_folder, tmp_path):
    model = sentence_model(model_folder, tmp_path / "embedder", prompts={"STS": "sees the "})
    task = similarity_task(tmp_path / "pairs")
    for number, prompt in enumerate(["STS", "sees the ", "likes the "]):
        assert finetune(model, task, tmp_path / f"out{number}", prompts={"similarity": prompt}, **AS_IT_IS) == 0
    named, written, other = (scores(tmp_path / f"out{number}") for number in range(3))
    assert named == written != other


def test_an_unknown_prompt_is_one_line(model_folder, tmp_path, capsys):
    model = sentence_model(model_folder, tmp_path / "embedder", prompts={"STS": "sees the "})
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model, task, tmp_path / "out", prompts={"similarity": "sts"}, **AS_IT_IS) == 1
    error = capsys.readouterr().err
    assert "prompts.similarity: 'sts' is no prompt of its folder, which has STS" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_decoder_needs_a_pooling(decoder, tmp_path, capsys):
    task = similarity_task(tmp_path / "pairs")
    assert finetune(decoder, task, tmp_path / "out", **AS_IT_IS) == 1
    assert "is a decoder (gpt2) without modules.json: name the pooling" in capsys.readouterr().err
    assert finetune(decoder, task, tmp_path / "out", pooling="cls", **AS_IT_IS) == 1
    assert "whose first token reads nothing" in capsys.readouterr().err
    assert finetune(decoder, task, tmp_path / "out", pooling="lasttoken", **AS_IT_IS) == 0
    assert metrics(tmp_path / "out")["embedding"]["pooling"] == "lasttoken"


def test_a_text_without_any_token_is_one_line(decoder, tmp_path, capsys):
    pieces = tokenizer()
    pieces.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$A $B", special_tokens=[]
    )
    bare = tmp_path / "bare"
    shutil.copytree(decoder, bare)
    pieces.save_pretrained(bare)
    task = similarity_task(tmp_path / "pairs")
    assert finetune(bare, task, tmp_path / "out", pooling="lasttoken", **AS_IT_IS) == 0
    rows = [row | {"text": "" if row["example"] == 3 else row["text"]} for row in scored_pairs(64)]
    parquet.write_table(arrow.Table.from_pylist(rows), task / "test.parquet")
    assert finetune(bare, task, tmp_path / "again", pooling="lasttoken", **AS_IT_IS) == 1
    assert "gives the text '' no piece, and puts none around it" in capsys.readouterr().err.replace('"', "'")
    assert finetune(decoder, task, tmp_path / "again", pooling="lasttoken", **AS_IT_IS) == 0


def test_a_pooling_beside_modules_is_refused(model_folder, tmp_path, capsys):
    model = sentence_model(model_folder, tmp_path / "embedder")
    assert finetune(model, similarity_task(tmp_path / "pairs"), tmp_path / "out", pooling="mean", **AS_IT_IS) == 1
    assert "has modules of its own (modules.json)" in capsys.readouterr().err


def test_a_folder_that_lacks_weights_is_refused(model_folder, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    weights = load_file(broken / "model.safetensors")
    lost = next(name for name in weights if "query.weight" in name)
    del weights[lost]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    assert finetune(broken, similarity_task(tmp_path / "pairs"), tmp_path / "out", **AS_IT_IS) == 1
    assert "lacks 1 of its weights" in capsys.readouterr().err


def test_a_classifier_has_to_be_learnt(model_folder, text_task, tmp_path, capsys):
    assert finetune(model_folder, text_task, tmp_path / "out", epochs=0) == 1
    assert "epochs is 0, but the task needs a classifier" in capsys.readouterr().err


def test_a_loss_cannot_choose(model_folder, tmp_path, capsys):
    assert finetune(model_folder, similarity_task(tmp_path / "pairs"), tmp_path / "out", choose="loss") == 1
    assert "choose is loss, which is not measured of embeddings" in capsys.readouterr().err


def test_a_task_with_a_test_split_alone_is_for_models_as_they_are(model_folder, tmp_path, capsys):
    task = retrieval_task(tmp_path / "search")
    for split in ("train", "validation"):
        path = task / f"{split}.parquet"
        parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    assert finetune(model_folder, task, tmp_path / "out", **AS_IT_IS) == 0
    assert {row["split"] for row in metrics(tmp_path / "out")["scores"]} == {"test"}
    assert not (tmp_path / "out" / "predictions-validation.parquet").exists()
    assert finetune(model_folder, task, tmp_path / "tuned") == 1
    assert "search: has a test split alone: expected epochs: 0" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif("SMELT_DATA" not in os.environ, reason="SMELT_DATA names no folder of real data")
def test_questions_of_xquad_are_scored_as_by_sentence_transformers(model_folder, tmp_path):
    assert main(["task", "--name", "xquad-retrieval", "--output", str(tmp_path / "task")]) == 0
    rows = parquet.read_table(tmp_path / "task" / "test.parquet").to_pylist()
    held = parquet.read_table(tmp_path / "task" / "passages.parquet").to_pylist()
    for split in ("validation", "train"):
        path = tmp_path / "task" / f"{split}.parquet"
        parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    assert finetune(model_folder, tmp_path / "task", tmp_path / "out", tested_on=["es"], **AS_IT_IS) == 0
    own = [row for row in rows if row["language"] == "es"]
    peer = InformationRetrievalEvaluator(
        {row["id"]: row["text"] for row in own},
        {row["id"]: row["text"] for row in held if (row["split"], row["language"]) == ("test", "es")},
        {row["id"]: {row["relevant"][0]["passage"]} for row in own},
        precision_recall_at_k=[10, 100],
    )
    expected = peer(mean_pooled(model_folder))
    found = scores(tmp_path / "out")
    assert len(own) == 1190
    for key, of_peer in (("ndcg_at_10", "ndcg@10"), ("mrr_at_10", "mrr@10"), ("recall_at_100", "recall@100")):
        assert found["es", key] == pytest.approx(expected[f"cosine_{of_peer}"], abs=2e-3)


# ---- Fine-tuned


@pytest.mark.parametrize("loss", ["cosent", "cosine"])
def test_similarity_is_learnt(model_folder, tmp_path, loss):
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model_folder, task, tmp_path / "before", **AS_IT_IS) == 0
    assert finetune(model_folder, task, tmp_path / "after", epochs=8, similarity_loss=loss) == 0
    before, after = (scores(tmp_path / name)["en", "spearman"] for name in ("before", "after"))
    assert after > max(before + 0.1, 0.7)


def test_retrieval_is_learnt_in_two_languages_and_both_are_scored(model_folder, tmp_path):
    task = retrieval_task(tmp_path / "search", ("en", "sw"))
    assert finetune(model_folder, task, tmp_path / "before", **AS_IT_IS) == 0
    assert finetune(model_folder, task, tmp_path / "after", epochs=12) == 0
    before, after = (scores(tmp_path / name) for name in ("before", "after"))
    assert {language for language, _ in after} == {"en", "sw", "all", "mean", "deviation"}
    assert after["all", "mrr_at_10"] > before["all", "mrr_at_10"] + 0.05


def test_each_pair_and_each_query_has_its_prediction(model_folder, tmp_path):
    assert finetune(model_folder, similarity_task(tmp_path / "pairs"), tmp_path / "one", epochs=1) == 0
    table = parquet.read_table(tmp_path / "one" / "predictions.parquet")
    assert table.column_names == ["example", "language", "text", "pair", "gold", "predicted"]
    assert len(table) == 64
    assert finetune(model_folder, retrieval_task(tmp_path / "search"), tmp_path / "two", epochs=1) == 0
    table = parquet.read_table(tmp_path / "two" / "predictions.parquet")
    assert table.column_names == ["example", "language", "id", "text", "gold", "predicted", "cosines"]
    assert all(sorted(cosines, reverse=True) == cosines for cosines in table["cosines"].to_pylist())


def test_seeds_give_what_they_give_alone_and_differ(model_folder, tmp_path):
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model_folder, task, tmp_path / "a", tmp_path / "b", seeds=(1, 2)) == 0
    assert finetune(model_folder, task, tmp_path / "c", seeds=(2,)) == 0
    assert scores(tmp_path / "b") == scores(tmp_path / "c") != scores(tmp_path / "a")


def test_kept_weights_load_in_sentence_transformers_with_the_same_embeddings(model_folder, tmp_path):
    model = sentence_model(model_folder, tmp_path / "embedder", prompts={"query": "finds the "})
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model, task, tmp_path / "out", keep=True) == 0
    kept = tmp_path / "out" / "model"
    assert finetune(kept, task, tmp_path / "again", **AS_IT_IS) == 0
    assert scores(tmp_path / "again") == scores(tmp_path / "out")
    assert SentenceTransformer(str(kept), device="cpu").prompts["query"] == "finds the "
    card = (kept / "README.md").read_text()
    assert "library_name: sentence-transformers" in card
    assert "pipeline_tag: sentence-similarity" in card
    run_card(kept)


def test_kept_weights_are_evaluated_as_another_model(model_folder, tmp_path):
    task = similarity_task(tmp_path / "pairs")
    assert finetune(model_folder, task, tmp_path / "out", keep=True, pooling="mean") == 0
    words = ["--model", tmp_path / "out" / "model", "--name", "smaller", "--task", task]
    words += ["--metrics", tmp_path / "out" / "metrics.json", "--output", tmp_path / "again"]
    assert main(["evaluate", *map(str, words)]) == 0
    assert metrics(tmp_path / "again")["model"] == "smaller"
    assert metrics(tmp_path / "again")["best_epoch"] == metrics(tmp_path / "out")["best_epoch"]
    assert scores(tmp_path / "again") == scores(tmp_path / "out")


@pytest.mark.parametrize("with_modules", [False, True])
def test_a_grid_is_decided_on_validation_and_one_run_is_tested(model_folder, tmp_path, with_modules):
    task = retrieval_task(tmp_path / "search")
    model = sentence_model(model_folder, tmp_path / "embedder") if with_modules else model_folder
    rates = {"learning_rate": [0.003, 1e-6]}
    cells = [f"batch-8_rate-{rate}_epochs-2" for rate in rates["learning_rate"]]
    words = ["--model", model, "--task", task, "--seed", 1, "--weights", tmp_path / "weights"]
    settings = ["--settings", json.dumps({"epochs": 2, "batch": 8, "length": 32} | rates)]
    outputs = [tmp_path / "grid" / cell for cell in cells]
    assert main(["finetune", *map(str, [*words, "--cell", *cells, "--output", *outputs]), *settings]) == 0
    assert all(row["split"] == "validation" for output in outputs for row in metrics(output)["scores"])
    last = [*words, "--cells", *outputs, "--output", tmp_path / "out"]
    assert main(["finetune", *map(str, last), *settings]) == 0
    chosen = [row for row in metrics(tmp_path / "out")["grid"] if row["chosen"]]
    best = max(metrics(output)["scores"][0]["value"] for output in outputs)
    assert [row["validation"]["ndcg_at_10"] for row in chosen] == [best]


@pytest.mark.parametrize("with_modules", [False, True])
def test_all_parts_of_a_model_drop_out_from_the_first_step(model_folder, tmp_path, monkeypatch, with_modules):
    model = sentence_model(model_folder, tmp_path / "embedder") if with_modules else model_folder
    learn, modes = EmbeddingPhase.learn, []

    def watched(phase: EmbeddingPhase, step: int) -> object:
        modes.append({part.training for part in phase.model.modules()})
        return learn(phase, step)

    monkeypatch.setattr(EmbeddingPhase, "learn", watched)
    assert finetune(model, retrieval_task(tmp_path / "search"), tmp_path / "out") == 0
    assert modes == [{True}] * 4


@pytest.mark.parametrize(
    ("owner", "method", "calls"),
    [
        pytest.param(EmbeddingPhase, "learn", {1, 3}, id="in the first step, and in the second"),
        pytest.param(EmbeddingPhase, "learn", {6, 9}, id="in the middle of epochs"),
        pytest.param(EmbeddingPhase, "predict", {2, 4}, id="at validation, and at the test split"),
        pytest.param(EpochTraining, "end_stretch", {2}, id="at the end of an epoch"),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(model_folder, tmp_path, monkeypatch, owner, method, calls):
    task = retrieval_task(tmp_path / "search")
    settings = {"batch": 4, "keep": True}
    assert finetune(model_folder, task, tmp_path / "straight", **settings) == 0
    fail_at(monkeypatch, owner, method, calls, killed)
    for _ in calls:
        with pytest.raises(SystemExit):
            finetune(model_folder, task, tmp_path / "broken", *OFTEN, **settings)
        assert not (tmp_path / "broken").exists()
    assert finetune(model_folder, task, tmp_path / "broken", *OFTEN, **settings) == 0
    assert_same_bits(tmp_path / "straight", tmp_path / "broken")


# ---- Losses


def test_a_batch_without_repeats_has_the_loss_of_sentence_transformers():
    torch.manual_seed(0)
    queries, passages = torch.randn(6, 8), torch.randn(6, 8)
    learnt = [NearTexts(place, 10 + place, near=frozenset([10 + place])) for place in range(6)]
    found = KINDS["retrieval"].embedding_loss(queries, passages, learnt, "cosent")
    expected = MultipleNegativesRankingLoss(None).compute_loss_from_embeddings([queries, passages], None)
    assert found.item() == pytest.approx(expected.item())


def test_a_passage_that_is_relevant_too_is_no_negative():
    torch.manual_seed(0)
    queries, passages = torch.randn(3, 8), torch.randn(3, 8)
    near = frozenset([10, 11])
    learnt = [NearTexts(0, 10, near=near), NearTexts(0, 11, near=near), NearTexts(2, 12, near=frozenset([12]))]
    found = KINDS["retrieval"].embedding_loss(queries, passages, learnt, "cosent")
    cosines = 20 * torch.nn.functional.normalize(queries, dim=1) @ torch.nn.functional.normalize(passages, dim=1).T
    cosines[0, 1] = cosines[1, 0] = -torch.inf
    assert found.item() == pytest.approx(torch.nn.functional.cross_entropy(cosines, torch.arange(3)).item(), rel=1e-5)


def test_pairs_have_the_loss_of_sentence_transformers():
    torch.manual_seed(0)
    first, second = torch.randn(5, 8), torch.randn(5, 8)
    learnt = [NearTexts(0, 1, score) for score in (0.0, 0.5, 0.5, 1.0, 0.25)]
    found = KINDS["similarity"].embedding_loss(first, second, learnt, "cosent")
    expected = CoSENTLoss(None).compute_loss_from_embeddings([first, second], torch.tensor([0.0, 0.5, 0.5, 1.0, 0.25]))
    assert found.item() == pytest.approx(expected.item())


# ---- Texts


def test_words_behind_the_length_are_counted(model_folder, tmp_path):
    task = retrieval_task(tmp_path / "search")
    splits = {name: read_split(task, name, read_task(task)) for name in ("train", "validation", "test")}
    inputs = open_inputs(model_folder, task, splits, FinetuningSettings(epochs=0, length=16))
    found = inputs.counts["test"]
    pieces, held = tokenizer(), splits["test"].passages["en"].values()
    cut = 0
    for text in [*held, *splits["test"].inputs["text"]]:
        offsets = pieces(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        cut += len(text[offsets[13][1] :].split()) if len(offsets) > 14 else 0
    assert found["truncated_words"] == cut > 0
    assert found["words"] == 6 * 16 + 3 * 16
    assert (found["examples"], found["windows"]) == (16, 32)


def test_equal_cosines_are_ranked_by_id(model_folder, tmp_path):
    task = retrieval_task(tmp_path / "search")
    table = parquet.read_table(task / "passages.parquet").to_pandas()
    table["text"] = "the same"
    table.to_parquet(task / "passages.parquet")
    assert finetune(model_folder, task, tmp_path / "out", **AS_IT_IS) == 0
    names = sorted(table["id"].unique())
    for ranked in parquet.read_table(tmp_path / "out" / "predictions.parquet")["predicted"].to_pylist():
        assert ranked == names
    expected = np.mean([1 / (place + 1) for place in range(10)] + [0] * 6)
    assert scores(tmp_path / "out")["en", "mrr_at_10"] == pytest.approx(expected)
