"""Distil a smaller model from teachers on token blocks: the command `distil`.

IN   block folders of the first teacher's tokenizer, one a language; the teachers' folders; the settings that the
     study gives
OUT  a model's folder: config.json, model.safetensors, tokenizer, README.md (its card), provenance.json; its curve, and
     beside it TensorBoard's events
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.card import Card, CardValue, write_card
from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError
from smelt.files import whole_folder
from smelt.languages import iso_codes
from smelt.model_families import max_positions
from smelt.model_folder import copy_tokenizer, publish_tokenizer, read_citation, read_inherited
from smelt.models.encoders import resize_vocabulary
from smelt.models.job_flags import add_job_flags, run_here, start_processes
from smelt.models.students import checksums, load_teachers, new_student, refuse_differing, shared_pieces
from smelt.models.training_card import (
    MASKED,
    effective_settings,
    facts,
    held_out,
    in_words,
    training_amounts,
    training_data,
)
from smelt.provenance import write_provenance
from smelt.study.makers.distil import DistillationSettings
from smelt.training.blocks import TokenBlocks
from smelt.training.losses import TERMS, Losses, refuse_losses_without_mlm
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import Recipe

if TYPE_CHECKING:
    import torch

    from smelt.models.job import Blocks, Trainable
    from smelt.training.run import Outcome

LIMITS = """\
Those of the models that it was distilled from, whose predictions it was made to repeat: it has learnt no task, and what
it says about people and places is what they and its texts say. Figures above are of held-out documents of its own
corpus."""
LEARNT = {
    "kl": "the {}'s predictions at temperature {:g}, {}",
    "mlm": "masked language modelling {}",
    "cosine": "the direction of the {}'s last hidden states",
    "hidden": "the hidden states of the {}'s layers",
    "attention": "the attention of the {}'s layers",
}
STARTS = {
    "alternate": "every other layer of the teacher",
    "code": "layers 0, 2, 4, 7, 9 and 11 of the teacher",
    "first": "the first layers of the teacher",
    "last": "the last layers of the teacher",
    "random": "random weights",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `distil`."""
    parser.add_argument(
        "--teachers", type=Path, nargs="+", required=True, help="folders of the teachers, that with the tokenizer first"
    )
    parser.add_argument(
        "--settings",
        action=KeyValues,
        kind=DistillationSettings,
        required=True,
        help="student, losses, recipe, alpha, seed, versions",
    )
    add_job_flags(parser)
    add_examples(
        parser,
        "--teachers mbert --blocks sw --settings @student.yaml --checkpoints kept --output student --curve curve.csv",
    )


def run(arguments: argparse.Namespace) -> None:
    """Distil one model, in as many processes as the job has GPUs."""
    start_processes(arguments)
    run_here(arguments, arguments.teachers[0], DistillationPlan(arguments.settings, arguments.teachers))


@dataclass(frozen=True)
class DistillationPlan:
    """The training plan of the maker `distil`."""

    settings: DistillationSettings
    teachers: Sequence[Path]
    """Folders; the student has the first one's tokenizer and starts from its layers."""

    def identity(self, recipe: Recipe) -> dict[str, Any]:
        """Return the settings, without those that make no other model, and the checksums of the teachers."""
        settings = self.settings.model_dump() | {"recipe": recipe.identity()}
        return {"settings": settings, "teachers": checksums(self.teachers)}

    def check(self, recipe: Recipe, blocks: "Blocks") -> None:
        """Refuse teachers of different pieces, or with pieces that no loss would teach, and too few blocks for a batch.

        Raises:
            SmeltError: one of these.
        """
        refuse_differing(self.teachers)
        self._refuse_untaught()
        if (found := sum(map(len, blocks["train"]))) < recipe.data.batch:
            raise SmeltError(
                "recipe",
                f"data.batch: {recipe.data.batch:,} blocks are more than the {found:,} that there are to learn from:"
                " expected a smaller batch, or a larger corpus",
            )

    def _refuse_untaught(self) -> None:
        for teacher in self.teachers:
            if shared_pieces([teacher], len(load_tokenizer(teacher))) is not None:
                try:
                    refuse_losses_without_mlm(self.settings.losses, str(teacher))
                except ValueError as error:
                    raise SmeltError("--settings", str(error)) from None

    def begin(self, recipe: Recipe, pieces: Pieces, device: "torch.device") -> "Trainable":
        """Return the student, and its objective with the teachers in it."""
        import torch

        from smelt.models.job import Trainable
        from smelt.training.distillation import distillation_of

        settings, losses = self.settings, self.settings.losses
        folders = self.teachers if losses.needs_teachers else self.teachers[:1]
        teachers = load_teachers(folders, losses, recipe.data, pieces)
        torch.manual_seed(settings.seed)  # reading a teacher may have drawn from the generator
        student = new_student(teachers[0], settings.student, recipe, pieces, device)
        beside = extra_flops(student, teachers, losses, recipe)
        objective = distillation_of(
            losses, teachers, student, pieces, recipe.model.precision, shared_pieces(folders, pieces.size)
        )
        return Trainable(student, objective, beside)

    def write(
        self, output: Path, model: Any, blocks: Sequence[TokenBlocks], recipe: Recipe, outcome: "Outcome"
    ) -> None:
        """Write the student's folder."""
        settings = self.settings.model_copy(update={"recipe": recipe})
        write_student(output, DistilledModel(model, self.teachers, settings, blocks, outcome))


def extra_flops(student: Any, teachers: Sequence[Any], losses: Losses, recipe: Recipe) -> float:
    """Return the floating-point operations a token that a distillation takes in addition to training the student.

    These are the teachers' passes, forward only, which are a third of a training pass; and the student's head over all
    tokens, where predictions are compared there.
    """
    from smelt.training.speed import flops_per_token

    length, masked = recipe.data.length, recipe.objective.masking_probability
    compared = (1.0 if losses.positions == "all" else masked) if losses.kl else 0.0
    of_student = max(compared, masked if losses.mlm else 0.0)
    taught = teachers if losses.needs_teachers else []
    of_teachers = sum(flops_per_token(teacher, length, compared) / 3 for teacher in taught)
    counted = flops_per_token(student, length, masked)
    return of_teachers + flops_per_token(student, length, of_student) - counted


@dataclass(frozen=True)
class DistilledModel:
    """A student at the end of its training, with all that it was made from."""

    model: Any
    teachers: Sequence[Path]
    settings: DistillationSettings
    blocks: Sequence[TokenBlocks]
    outcome: "Outcome"


def write_student(output: Path, made: DistilledModel) -> None:
    """Write the folder, whole; the model, whose vocabulary was padded while it trained, gets the tokenizer's size.

    Raises:
        SmeltError: transformers reads other pieces from it than from its teacher's folder.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    teacher = made.teachers[0]
    tokenizer = load_tokenizer(teacher)
    resize_vocabulary(made.model, len(tokenizer))
    made.model.requires_grad_(True)
    with whole_folder(output) as folder:
        made.model.to("cpu").save_pretrained(folder)
        copy_tokenizer(teacher, folder)
        publish_tokenizer(folder, max_positions(made.model.config))
        if pieces_of(load_tokenizer(folder)).digest != pieces_of(tokenizer).digest:
            raise SmeltError(teacher, "its tokenizer reads text otherwise in its student's folder")
        write_card(folder, card(output.name, made))
        # blocks.json holds the checksums of the blocks, which were compared when training began.
        inputs: dict[str, Path | Sequence[Path]] = {
            "blocks": [part.folder / "blocks.json" for part in made.blocks],
            "teachers": made.teachers,
        }
        settings, outcome = made.settings.model_dump(), made.outcome
        write_provenance(folder, "distil", settings, inputs, [made.settings.seed], outcome.hours, outcome.energy)


def card(name: str, made: DistilledModel) -> Card:
    """Return the student's card."""
    settings = made.settings
    inherited = read_inherited(made.teachers)
    return Card(
        name=name,
        summary=summary(made),
        languages=iso_codes(sorted(part.language for part in made.blocks)),
        facts=facts(made.model) | training_amounts(settings.recipe.objective.sentences, made.blocks, made.outcome),
        tables={
            "Training data": training_data(made.blocks, settings, settings.recipe.objective.sentences),
            "Losses": loss_rows(settings),
            "Recipe": rows("setting", effective_settings(settings.recipe, made.model.config.hidden_size)),
            "On held-out documents": held_out(made.outcome),
        },
        limits=LIMITS,
        relation="finetune" if inherited["base_models"] else None,
        citation=read_citation(made.teachers[0]),
        **inherited,
    )


def summary(made: DistilledModel) -> str:
    """Return the teachers, the start and the length of the training, in a few sentences."""
    settings, recipe = made.settings, made.settings.recipe
    teachers = " and ".join(f"`{folder.name}`" for folder in made.teachers)
    student, start = settings.student, settings.student.start
    began = STARTS[start] if isinstance(start, str) else f"layers {', '.join(map(str, start))} of the teacher"
    chosen = (
        " Its weights are those of the lowest loss on held-out documents." if recipe.validation.choose == "best" else ""
    )
    still = " Its positions are sines and cosines, which did not learn." if student.positions == "sinusoidal" else ""
    layers = layers_in_words(made.model.config.num_hidden_layers)
    return (
        f"A student of {layers} for {in_words(len(made.blocks))}, distilled from {teachers} on raw text (Sanh et al."
        f" 2019) for {recipe.schedule.duration}. It began as {began}.{still}{chosen}"
    )


def layers_in_words(layers: int) -> str:
    """Return a number of layers in words that agree with it."""
    return "one layer" if layers == 1 else f"{layers} layers"


def loss_rows(settings: DistillationSettings) -> list[Mapping[str, CardValue]]:
    """Return a row for each loss with a weight: the weight, and what the student learnt by it."""
    weights = settings.losses.weights()
    return [
        {"loss": term, "weight": weights[term], "what was learnt": describe_loss(term, settings)}
        for term in TERMS
        if weights[term]
    ]


def describe_loss(term: str, settings: DistillationSettings) -> str:
    """Return what a student learns by a loss, in words."""
    if term == "mlm":
        return LEARNT[term].format(
            MASKED[settings.recipe.objective.masking].format(settings.recipe.objective.longest_run)
        )
    over = "of all tokens" if settings.losses.positions == "all" else "of masked tokens"
    return LEARNT[term].format("teacher", settings.losses.temperature, over)


def rows(column: str, values: Mapping[str, str]) -> list[Mapping[str, CardValue]]:
    """Return a table of names and values."""
    return [{column: key, "value": value} for key, value in values.items()]
