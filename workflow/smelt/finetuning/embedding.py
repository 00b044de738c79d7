"""Embedding models on tasks of embeddings: evaluated as they are, or fine-tuned; imported for such tasks alone.

The losses, poolings and prompts are those of sentence-transformers; steps, checkpoints, the choice of the best weights
and the outcome's files are those of all fine-tunings.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor
from torch.nn import functional

from smelt.companions import find_companions, is_sentence_model
from smelt.errors import SmeltError, quote
from smelt.finetuning.batches import DIVERGED
from smelt.finetuning.embedder import load_embedder, pooling_of, prompts_for, refuse_random_weights
from smelt.finetuning.job import SHORTEST, FinetuningInputs, FineTuningJob, TaskPhase
from smelt.finetuning.outcome import SCORED, FinetuningOutcome, Scored
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples, WindowPredictions
from smelt.tasks.kinds.embedding import EmbeddingKind
from smelt.tasks.prepared_task import read_task
from smelt.tasks.windows import Encoded, TextsToEmbed
from smelt.training.epochs import LearntBatch
from smelt.training.steps import Limits

TASK_ROLES = ("query", "document")
"""Roles that sentence-transformers knows as tasks of its modules."""


class EmbeddingInputs(FinetuningInputs):
    """An embedding model and a prepared task, for runs of any seeds and settings."""

    def __init__(self, folder: Path, prepared: Path, splits: dict[str, Examples], settings: FinetuningSettings) -> None:
        """Load the model once, to refuse what does not suit the task before anything is computed.

        Args:
            folder: the model's.
            prepared: the task's.
            splits: its examples; test is left out where nothing is tested.
            settings: of all runs, apart from what a grid tries.

        Raises:
            SmeltError: one of them does not load, or does not suit the other.
        """
        self.folder, self.prepared, self.splits = folder, prepared, splits
        self.task = read_task(prepared)
        if settings.choose == "loss":
            raise SmeltError("--settings", "choose is loss, which is not measured of embeddings: expected metric")
        model = load_embedder(folder, settings)
        refuse_random_weights(folder, model)
        self.prompts = prompts_for(model, settings.prompts, self.kind.roles, folder)
        self.pooling, self.length, self.tokenizer = pooling_of(model), int(model.max_seq_length), model.tokenizer
        longest = max(self._special_and_prompt(prompt) for prompt in self.prompts.values())
        if self.length - longest < SHORTEST:
            found = f"the model reads {self.length} tokens at once, {longest} of them special ones and its prompt"
            raise SmeltError(folder, f"{found}: expected {SHORTEST} and more for a text")

    @property
    def kind(self) -> EmbeddingKind:
        """The task's kind."""
        kind = kind_of(self.task)
        assert isinstance(kind, EmbeddingKind)
        return kind

    def job(self, settings: FinetuningSettings, seed: int, threads: int) -> "EmbeddingJob":
        """Return one run."""
        return EmbeddingJob(self, settings, seed, threads)

    @cached_property
    def scored(self) -> Scored:
        """The splits, and their texts."""
        encoded = {name: self.kind.encode(part, self.task, None, self.length) for name, part in self.splits.items()}
        for part in encoded.values():
            self._count_words(part)
        return Scored(self.task, self.splits, encoded)

    @property
    def words(self) -> dict[str, Any]:
        """Nothing: no word has a label."""
        return {}

    @property
    def files(self) -> list[Path]:
        """The files of the model's folder that decide what it computes, those of its modules among them."""
        beside = find_companions(self.folder, str(self.folder)).files if is_sentence_model(self.folder) else ()
        return list(dict.fromkeys([*super().files, *(self.folder / name for name in beside)]))

    def _special_and_prompt(self, prompt: str) -> int:
        return len(self.tokenizer(prompt, verbose=False)["input_ids"])

    def _count_words(self, encoded: Encoded) -> None:
        """Count the words behind the last token that the model reads of a text.

        Raises:
            SmeltError: a text has no token at all.
        """
        texts = encoded.embedded
        for role, prompt in self.prompts.items():
            own = [text for text, of in zip(texts.texts, texts.roles, strict=True) if of == role]
            around = self._special_and_prompt(prompt)
            room = self.length - around
            for start in range(0, len(own), 1000):
                part = own[start : start + 1000]
                found = self.tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
                for text, offsets in zip(part, found["offset_mapping"], strict=True):
                    if not offsets and not around:
                        why = f"its tokenizer gives the text {quote(text)} no piece, and puts none around it"
                        raise SmeltError(self.folder, f"{why}: there is nothing to embed")
                    if len(offsets) > room:
                        encoded.truncated_words += len(text[offsets[room - 1][1] :].split())


class EmbeddingJob(FineTuningJob):
    """One run: an embedding model, a task, settings and a seed."""

    inputs: EmbeddingInputs

    @cached_property
    def model(self) -> SentenceTransformer:
        """The model as its folder has it, in training mode: nothing is drawn."""
        # The library loads its parts for inference, which the whole does not show.
        return load_embedder(self.inputs.folder, self.settings).train()

    @property
    def used(self) -> dict[str, Any]:
        """The settings as they take effect; pooling and prompts of the model's own folder stand beside them."""
        return self.settings.model_dump() | {"length": self.inputs.length}

    def run(self, limits: Limits) -> FinetuningOutcome:
        """Fine-tune, or evaluate the model as it is; errors as for any fine-tuning."""
        if self.settings.epochs:
            return super().run(limits)
        return self._outcome(self._phase(), {"best_epoch": 0, "epochs": []})

    def test(self, weights: Path, measured: dict[str, Any]) -> FinetuningOutcome:
        """Score kept weights; those of the model's folder it has already. Errors as for any fine-tuning."""
        if weights.parent == self.inputs.folder:
            return self._outcome(self._phase(), measured)
        return super().test(weights, measured)

    def _outcome(self, phase: TaskPhase, measured: dict[str, Any]) -> FinetuningOutcome:
        own = {"pooling": self.inputs.pooling, "prompts": self.inputs.prompts}
        return super()._outcome(phase, measured | {"embedding": own})

    def _phase(self) -> "EmbeddingPhase":
        return EmbeddingPhase(self.model, self.settings, self.seed, torch.device(self.device), self.inputs)

    def save(self, folder: Path) -> None:
        """Write the model, with its modules and tokenizer, as a folder that sentence-transformers loads."""
        self.model.save_pretrained(str(folder), create_model_card=False)


class EmbeddingPhase(TaskPhase):
    """An embedding model that learns a task for some epochs."""

    def __init__(
        self,
        model: SentenceTransformer,
        settings: FinetuningSettings,
        seed: int,
        device: torch.device,
        inputs: EmbeddingInputs,
    ) -> None:
        """Take a model, and what it learns and is chosen by."""
        scored = inputs.scored
        # Of a task with a test split alone nothing is learnt, so that nothing is chosen either.
        self.train = scored.encoded["train"].embedded if "train" in scored.encoded else TextsToEmbed()
        lengths = [len(self.train.texts[pair.first]) + len(self.train.texts[pair.second]) for pair in self.train.learnt]
        first = next(split for split in SCORED if split in scored.encoded)
        super().__init__(model, settings, seed, device, lengths, scored.encoded[first], scored.scorer(first))
        self.embedding_kind, self.prompts = inputs.kind, inputs.prompts

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        pairs = [self.train.learnt[number] for number in self.batch_of(step)]
        with self._precision():
            rows, tokens = self._embed([place for pair in pairs for place in (pair.first, pair.second)])
            first = torch.stack([rows[pair.first] for pair in pairs]).float()
            second = torch.stack([rows[pair.second] for pair in pairs]).float()
        loss = self.embedding_kind.embedding_loss(first, second, pairs, self.settings.similarity_loss)
        loss.backward()  # type: ignore[no-untyped-call]
        return LearntBatch(loss.item(), len(pairs), tokens)

    def _embed(self, places: Sequence[int]) -> tuple[dict[int, Tensor], int]:
        """Return the embedding of each text of a batch, each made once, and the number of tokens read for them."""
        rows: dict[int, Tensor] = {}
        tokens = 0
        for role, prompt in self.prompts.items():
            own = [place for place in dict.fromkeys(places) if self.train.roles[place] == role]
            if not own:
                continue
            task = {"task": role} if role in TASK_ROLES else {}
            features = self.model.preprocess([self.train.texts[place] for place in own], prompt=prompt, **task)
            features = batch_to_device(features, self.device)
            tokens += int(features["attention_mask"].sum())
            embeddings = self.model(features, **task)["sentence_embedding"]
            rows |= dict(zip(own, embeddings, strict=True))
        return rows, tokens

    def predict(self, encoded: Encoded) -> WindowPredictions:
        """Return the embeddings of the texts of a split, each of length 1."""
        texts = encoded.embedded
        found: Tensor | None = None
        for role, prompt in self.prompts.items():
            own = [number for number, other in enumerate(texts.roles) if other == role]
            task = {"task": role} if role in TASK_ROLES else {}
            with self._precision():
                part = self.model.encode(
                    [texts.texts[number] for number in own],
                    prompt=prompt,
                    batch_size=2 * self.settings.batch,
                    convert_to_tensor=True,
                    show_progress_bar=False,
                    **task,
                )
            if found is None:
                found = torch.empty(len(texts.texts), part.shape[1])
            found[own] = functional.normalize(part.float(), dim=1).cpu()
        assert found is not None
        if not torch.isfinite(found).all():
            raise SmeltError("predictions", DIVERGED)
        return WindowPredictions([], [], embeddings=found.numpy())

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")
