"""Training on token blocks, the steps of pretraining and distillation: a model, an objective and batches.

Between the steps it does the same as every training (smelt.training.steps), and measures a learning curve. Several
processes share a step; a loss is read only when a line or a measurement is due, so that the device never waits.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from smelt.errors import SmeltError
from smelt.training.curve import EVERYTHING, Events, LearningCurve, Tally
from smelt.training.data import NARROWEST, Batch, prefetch
from smelt.training.divergence import Divergence
from smelt.training.forward_pass import WIDTHS, compile_encoder, is_to_be_compiled, without_compilation
from smelt.training.memory import micro_batch_of, parts, ran_out
from smelt.training.objectives import ModelWithObjective, Objective, share_of_loss
from smelt.training.optimizers import engine_of, learning_rate
from smelt.training.progress import Progress, Speed, say
from smelt.training.recipes import Recipe
from smelt.training.run import BatchSource, Outcome, Run
from smelt.training.steps import SteppedTraining, Values
from smelt.training.validation import merge, metrics_line, sums_of, tallies_of


def train(model: nn.Module, objective: Objective, batches: BatchSource, recipe: Recipe, run: Run) -> Outcome:
    """Train a model in place, from the newest checkpoint if there is one.

    Raises:
        Unfinished: the run was stopped before its last step; running again continues from the checkpoint it kept.
        SmeltError: a loss is not a number or diverges, memory is too small for a single block, or a checkpoint is of
            another run or cannot be written.
    """
    training = BlockTraining(model, objective, batches, recipe, run)
    training.go()
    if training.processes.first:
        training.curve.write(run.curve)
    return Outcome(training.curve, run.account.hours, run.account.energy(), training.choose())


class BlockTraining(SteppedTraining):
    """The state of a training on token blocks between two steps."""

    def __init__(self, model: nn.Module, objective: Objective, batches: BatchSource, recipe: Recipe, run: Run) -> None:
        """Move the model and the objective to their device, and make their optimizer."""
        super().__init__(run)
        self.model, self.objective = model, objective
        self.batches, self.recipe, self.run = batches, recipe, run
        self.module = ModelWithObjective(model, objective).to(run.device)
        self.compiled = False
        self.engine = engine_of(self.module, recipe, self.processes)
        self.micro_batch = recipe.machine.micro_batch
        self.tokens = self.dropped = 0  # seen so far, and skipped in the blocks seen
        self.report_is_due = False
        self.curve, self.since_row, self.since_line = LearningCurve(), Tally(), Tally()
        self.pending: list[tuple[int, list[str], Tensor]] = []
        self.divergence = Divergence(recipe.checkpoints.divergence)
        self.events = Events(None, self.curve)
        energy = run.account.energy if self.processes.size == 1 else None  # several would have to ask together
        self.progress = Progress(replace(run.gauges, energy=energy), self.processes.first)
        torch.manual_seed(run.seed + self.processes.rank)

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Write events and lines while it trains.

        Raises:
            SmeltError: memory has run out.
        """
        try:
            with Events(self.run.events if self.processes.first else None, self.curve) as self.events, self.progress:
                yield
        except torch.OutOfMemoryError:
            raise ran_out(self.run.device, self.step + 1, self.micro_batch) from None

    def begin(self) -> None:
        """Choose the micro-batch, and prefetch batches from the next step on."""
        self.choose_micro_batch()
        self.upcoming = prefetch(self.batches.train, self.step + 1, self.recipe.schedule.last_step)

    def choose_micro_batch(self) -> None:
        """Choose how many rows pass at once, unless it is given; then compile for this number of rows."""
        if self.micro_batch is None:
            self.module.train()
            batch = self.batches.train(self.step + 1)
            self.micro_batch = micro_batch_of(self.module, batch, self.recipe, self.run.device, self.processes)
        if self.objective.required_outputs:
            # Outputs of layers are collected by hooks, which compiled code does not call.
            if self.recipe.machine.compile:
                self.say("not compiled: losses over layers read the model's layers as it trains")
        elif is_to_be_compiled(self.recipe.machine, self.run.device):
            compile_encoder(self.model)
            self.compiled = True

    def take_step(self) -> None:
        """Take one step of the optimizer."""
        batch = next(self.upcoming)
        self.module.train()
        tokens, counts = self.exchange(batch)
        sums: list[Tensor] = []
        for part in parts(batch, self.micro_batch or len(batch), WIDTHS if self.compiled else NARROWEST):
            with self.autocast():
                terms = self.engine.forward(part.to(self.run.device), counts)
            self.engine.backward(share_of_loss(terms, counts))
            sums.append(sums_of(terms))
        norm = self.engine.step(learning_rate(self.step + 1, self.recipe))
        self.step += 1
        self.progress.add(tokens)
        total = self.processes.sum(torch.stack(sums).sum(0))
        self.pending.append((self.step, list(counts), torch.cat([norm.view(1).to(total), total])))

    def exchange(self, batch: Batch) -> tuple[int, dict[str, int]]:
        """Return the number of tokens of the step's whole batch, and of predictions of each term in it.

        The first process's clock decides for all of them when a line is due.
        """
        counts = self.objective.counts(batch)
        due = self.processes.first and self.progress.due()
        tokens, dropped, due_somewhere, *numbers = self.processes.sum(
            torch.tensor([batch.tokens, batch.dropped, due, *counts.values()], dtype=torch.int64)
        ).tolist()
        self.tokens, self.dropped = self.tokens + tokens, self.dropped + dropped
        self.report_is_due = bool(due_somewhere)
        return tokens, dict(zip(counts, numbers, strict=True))

    def autocast(self) -> torch.autocast:
        """Return the context of the recipe's precision."""
        return torch.autocast(self.run.device.type, torch.bfloat16, enabled=self.recipe.model.precision == "bf16")

    @property
    def is_over(self) -> bool:
        """Whether the last step is taken and measured."""
        return self.step == self.recipe.schedule.last_step and self.curve.has_step(self.step)

    def measure_where_due(self) -> float | None:
        """Measure and report, each if it is due; return the validation loss, or None if it was not measured."""
        loss = self.measure() if self.measurement_is_due() else None
        if self.step > self.saved and (self.report_is_due or self.step == self.recipe.schedule.last_step):
            self.report()
        return loss

    def checkpoint_is_due(self, loss: float | None) -> bool:
        """Return whether to keep a checkpoint: at the end, at regular steps, and of the best weights."""
        regular = self.is_over or self.step % self.recipe.checkpoints.every == 0
        return regular or self.run.checkpoints.is_best(loss)

    def position(self) -> str:
        """Return the step, in words."""
        return f"step {self.step:,} of {self.recipe.schedule.last_step:,}"

    def measurement_is_due(self) -> bool:
        """Return whether this step is to be measured and has not been yet."""
        return self.recipe.measures_after(self.step) and not self.curve.has_step(self.step)

    def measure(self) -> float | None:
        """Add rows to the curve: training since the last row, and validation; none if asked to stop meanwhile.

        Return the loss on held-out blocks, or None if nothing was measured.
        """
        self.collect()
        speed = self.progress.of_row
        with self.progress.pause():
            validation = self.validate()
            if validation is None:
                return None
            if self.step:
                self.curve.add(self.step, "train", EVERYTHING, self.since_row.metrics() | self._settings(speed))
                self.curve.add(self.step, "train", EVERYTHING, self.since_row.predictions())
            for language, tally in validation.items():
                self.curve.add(self.step, "validation", language, tally.metrics())
            if self.processes.first:
                self.curve.write(self.run.curve)
                self.events.write()
        self.since_row, self.progress.of_row = Tally(), Speed()
        if EVERYTHING not in validation:
            return None
        self.say(f"step {self.step:,}  validation  {metrics_line(validation[EVERYTHING])}")
        return validation[EVERYTHING].loss(self.objective.weights())

    def validate(self) -> dict[str, Tally] | None:
        """Return the tallies of held-out blocks, by language and together; None if asked to stop meanwhile."""
        rows = self.micro_batch
        # Several processes have different numbers of batches, so they cannot ask for a reason after each.
        stopped = self.stop.reason if self.processes.size == 1 else lambda: None
        self.module.eval()
        with self.autocast(), without_compilation() if self.compiled else nullcontext():
            tallies = tallies_of(self.module, self.batches.validation(), rows, self.run.device, stopped)
        return None if tallies is None else merge(self.processes.gather(tallies))

    def collect(self) -> None:
        """Add up the steps since the last call, in order; the loop waits for the device only here.

        Raises:
            SmeltError: the loss or the gradient of a step is not a number, or the loss diverges.
        """
        for step, names, sums in self.pending:
            values = sums.tolist()
            if not all(map(math.isfinite, [values[0], *values[1::3]])):  # the gradient's norm and the terms' totals
                raise self.explain_failure(step, f"the loss or its gradient is not a number at step {step:,}")
            tally = Tally()
            tally.add_all(names, values[1:])
            if problem := self.divergence.check(step, tally.loss(self.objective.weights())):
                raise self.explain_failure(step, problem)
            self.since_row.join(tally)
            self.since_line.join(tally)
        self.pending.clear()

    def explain_failure(self, step: int, problem: str) -> SmeltError:
        """Return the error for a step that spoilt the training."""
        good = f"the last good checkpoint is of step {self.saved:,}" if self.saved else "there is no checkpoint yet"
        advice = "Lower optimizer.learning_rate, lengthen schedule.warmup or set model.precision: fp32"
        made_of = f"its batch is made of {self.batches.describe(step)}"
        return self.processes.alike(SmeltError("training", f"{problem}; {good}; {made_of}. {advice}"))

    def report(self) -> None:
        """Print a line on the steps since the last one."""
        self.collect()
        if not self.processes.first:
            return
        rate = learning_rate(self.step, self.recipe)
        self.progress.line(self.step, self.recipe.schedule.last_step, rate, self.since_line.metrics())
        self.since_line = Tally()

    def save(self, loss: float | None = None) -> None:
        """Keep a checkpoint of this step; its time does not count for the speed."""
        self.collect()
        with self.progress.pause():
            super().save(loss)

    def state(self) -> tuple[Values, Values]:
        """Return the weights and everything else that the next step depends on."""
        shared, own = self.engine.state()
        shared |= {
            "trainee": self.module.state_dict(),  # a name that earlier checkpoints have, too
            "micro_batch": self.micro_batch,
            "curve": self.curve.text(),
            "since_row": self.since_row.sums,
            "divergence": self.divergence.state(),
            "tokens": (self.tokens, self.dropped),
        }
        return shared, own

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.module.load_state_dict(shared["trainee"])
        self.engine.load(shared, own)
        self.micro_batch = self.recipe.machine.micro_batch or shared["micro_batch"]
        self.tokens, self.dropped = shared["tokens"]
        self.divergence = Divergence(self.recipe.checkpoints.divergence, shared["divergence"])
        self.curve, self.since_row = LearningCurve(shared["curve"]), Tally(shared["since_row"])

    def draw_on(self, random: list[Values]) -> None:
        """Restore the states of the generators, or seed them again if the number of processes has changed."""
        if len(random) == self.processes.size:
            super().draw_on(random)
        else:  # a process's rows have changed, too
            torch.manual_seed(self.run.seed + self.processes.rank + self.step * self.processes.size)

    def choose(self) -> int:
        """Load the weights that the recipe chooses into model and objective; return their step."""
        best = self.run.checkpoints.best() if self.recipe.validation.choose == "best" else None
        if best is None:
            return self.step
        self.module.load_state_dict(best.shared["trainee"])
        return best.step

    def say(self, line: str) -> None:
        """Print a line, once for all processes."""
        if self.processes.first:
            say(line)

    def _settings(self, speed: Speed) -> dict[str, float]:
        measured = {"tokens_per_second": speed.tokens_per_second} if speed.steps else {}
        seen = {"tokens": float(self.tokens), "tokens_dropped": float(self.dropped)}
        return {"learning_rate": learning_rate(self.step, self.recipe)} | seen | measured
