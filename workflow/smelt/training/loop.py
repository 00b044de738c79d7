"""The one training loop: pretraining, distillation and compression hand it a model, an objective and batches.

It goes on from a checkpoint to the same weights and the same curve, bit for bit, as a run that was never stopped; on
several processes, to rounding.
"""

import math
import time
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from smelt.energy import Energy, together
from smelt.errors import SmeltError, Unfinished
from smelt.training.checkpoints import random_state, set_random_state
from smelt.training.curve import EVERYTHING, Events, LearningCurve, Tally
from smelt.training.data import NARROWEST, Batch, ahead
from smelt.training.divergence import Divergence
from smelt.training.forward_pass import WIDTHS, compile_encoder, is_to_be_compiled, uncompiled
from smelt.training.memory import micro_batch_of, parts, ran_out
from smelt.training.objectives import Objective, Trainee, share_of_loss
from smelt.training.optimizers import engine_of, learning_rate
from smelt.training.progress import Progress, Speed, say
from smelt.training.recipes import Recipe
from smelt.training.run import BatchSource, Outcome, Run
from smelt.training.steps import StopRequests
from smelt.training.validation import listed, merged, sums_of, tallies_of


def train(model: nn.Module, objective: Objective, batches: BatchSource, recipe: Recipe, run: Run) -> Outcome:
    """Train a model in place, from the newest checkpoint if there is one.

    Raises:
        Unfinished: the run was told to stop before its last step; running again goes on from the checkpoint it kept.
        SmeltError: a loss is not a number or runs away, memory is too small for a single block, or a checkpoint is of
            another run or cannot be written.
    """
    loop = Loop(model, objective, batches, recipe, run)
    loop.resume()
    events = run.events if run.processes.first else None
    requests = StopRequests(run.minutes, run.processes, run.started)
    with Events(events, loop.curve) as loop.events, loop.progress, requests as stop:
        loop.go(stop)
    if run.processes.first:
        loop.curve.write(run.curve)
    return Outcome(loop.curve, loop.seconds / 3600, loop.energy(), loop.choose())


class Loop:
    """The state of a training between two steps."""

    def __init__(self, model: nn.Module, objective: Objective, batches: BatchSource, recipe: Recipe, run: Run) -> None:
        """Put the model and what the objective learns on their device, and make their optimizer."""
        self.model, self.objective = model, objective
        self.batches, self.recipe, self.run = batches, recipe, run
        self.processes = run.processes
        self.trainee = Trainee(model, objective).to(run.device)
        self.compiled = False
        self.engine = engine_of(self.trainee, recipe, run.processes)
        self.micro_batch = recipe.micro_batch
        self.step = self.saved = 0
        self.tokens = self.dropped = 0  # seen so far, and left out of what was seen
        self.report_is_due = False
        self.curve, self.since_row, self.since_line = LearningCurve(), Tally(), Tally()
        self.pending: list[tuple[int, list[str], Tensor]] = []
        self.divergence = Divergence(recipe.divergence)
        self.events = Events(None, self.curve)
        energy = self.energy if run.meter and run.processes.size == 1 else None  # several would have to ask together
        self.progress = Progress(replace(run.gauges, energy=energy), run.processes.first)
        self.began, self.seconds_before = time.monotonic(), 0.0
        self.energy_before: list[Energy | None] = []
        torch.manual_seed(run.seed + run.processes.rank)

    def resume(self) -> None:
        """Go back to the newest checkpoint, if there is one."""
        state = self.run.checkpoints.load()
        if state is None:
            return
        self.trainee.load_state_dict(state.shared["trainee"])
        self.engine.load(state.shared, state.own)
        self.step = self.saved = state.step
        self.micro_batch = self.recipe.micro_batch or state.shared["micro_batch"]
        self.tokens, self.dropped = state.shared["tokens"]
        self.seconds_before = state.shared["seconds"]
        energy = state.shared["energy"]
        self.energy_before = [Energy(**energy) if energy else None]
        self.divergence = Divergence(self.recipe.divergence, state.shared["divergence"])
        self.curve, self.since_row = LearningCurve(state.shared["curve"]), Tally(state.shared["since_row"])
        random = state.shared["random"]
        if len(random) == self.processes.size:
            set_random_state(random[self.processes.rank])
        else:  # other rows, other streams
            torch.manual_seed(self.run.seed + self.processes.rank + self.step * self.processes.size)
        self.say(f"going on from the checkpoint of step {self.step:,}")

    def go(self, stop: StopRequests) -> None:
        """Train from the present step to the last.

        Raises:
            SmeltError: memory has run out.
        """
        try:
            self.fit()
            self.go_on(stop)
        except torch.OutOfMemoryError:
            raise ran_out(self.run.device, self.step + 1, self.micro_batch) from None

    def fit(self) -> None:
        """Choose how many rows pass at once, where nothing has; compile after that, for the rows that will pass."""
        if self.micro_batch is None:
            self.trainee.train()
            batch = self.batches.train(self.step + 1)
            self.micro_batch = micro_batch_of(self.trainee, batch, self.recipe, self.run.device, self.processes)
        if self.objective.asked:
            # What an encoder shows of its layers it shows by hooks, which nothing compiled would call.
            if self.recipe.compile:
                self.say("not compiled: losses over layers look into the model as it trains")
        elif is_to_be_compiled(self.recipe, self.run.device):
            compile_encoder(self.model)
            self.compiled = True

    def go_on(self, stop: StopRequests) -> None:
        """Take the steps, and do what is due between them."""
        self.between_steps(stop)
        for batch in ahead(self.batches.train, self.step + 1, self.recipe.last_step):
            self.train_step(batch)
            self.between_steps(stop)

    @property
    def seconds(self) -> float:
        """Time the run has taken so far, with that of the processes before this one."""
        return self.seconds_before + time.monotonic() - self.began

    def energy(self) -> Energy | None:
        """Return what the run has used so far, in all processes; None where it is not known."""
        reading = self.run.meter.reading() if self.run.meter else None
        return together([*self.energy_before, *self.processes.gather(reading)])

    def train_step(self, batch: Batch) -> None:
        """Take one step of the optimizer."""
        self.trainee.train()
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
        """Return how many tokens the step's whole batch has, and how many things each term predicts in it.

        The first process's clock tells all of them when a line is due.
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
        return torch.autocast(self.run.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16")

    def between_steps(self, stop: StopRequests) -> None:
        """Measure, report, keep a checkpoint and stop, each if it is time to.

        Raises:
            Unfinished: the run is to stop before its end.
        """
        last = self.recipe.last_step
        loss = self.measure(stop) if self.measurement_is_due() else None
        if self.step > self.saved and (self.report_is_due or self.step == last):
            self.report()
        done = self.step == last and self.curve.measured(self.step)
        reason = None if done else stop.reason()
        if reason or done or self.step % self.recipe.checkpoint_every == 0 or self.run.checkpoints.is_best(loss):
            self.save(loss)
        if reason:
            kept = f"kept a checkpoint of step {self.step:,} of {last:,}" if self.step else "nothing was done yet"
            raise self.processes.alike(Unfinished("training", f"{reason}; {kept}. Run again to go on"))

    def measurement_is_due(self) -> bool:
        """Say whether this step is to be measured and has not been."""
        return self.recipe.is_measured(self.step) and not self.curve.measured(self.step)

    def measure(self, stop: StopRequests) -> float | None:
        """Add rows to the curve: training since the last row, and validation; none of them if told to stop.

        Return the loss on what is held out, or None where nothing was measured.
        """
        self.collect()
        speed = self.progress.of_row
        with self.progress.pause():
            validation = self.validate(stop)
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
        self.say(f"step {self.step:,}  validation  {listed(validation[EVERYTHING])}")
        return validation[EVERYTHING].loss(self.objective.weights())

    def validate(self, stop: StopRequests) -> dict[str, Tally] | None:
        """Return what each language's held-out blocks, and all together, measure; None if told to stop meanwhile."""
        rows = self.micro_batch
        # Several processes have different numbers of batches, so they cannot ask for a reason after each.
        stopped = stop.reason if self.processes.size == 1 else lambda: None
        self.trainee.eval()
        with self.autocast(), uncompiled() if self.compiled else nullcontext():
            tallies = tallies_of(self.trainee, self.batches.validation(), rows, self.run.device, stopped)
        return None if tallies is None else merged(self.processes.gather(tallies))

    def collect(self) -> None:
        """Add up the steps since the last call, in order; only here does the loop wait for the device.

        Raises:
            SmeltError: the loss or the gradient of a step is not a number, or the loss has run away.
        """
        for step, names, sums in self.pending:
            values = sums.tolist()
            if not all(map(math.isfinite, [values[0], *values[1::3]])):  # the gradient's norm and the terms' totals
                raise self.spoilt(step, f"the loss or its gradient is not a number at step {step:,}")
            tally = Tally()
            tally.add_all(names, values[1:])
            if problem := self.divergence.check(step, tally.loss(self.objective.weights())):
                raise self.spoilt(step, problem)
            self.since_row.join(tally)
            self.since_line.join(tally)
        self.pending.clear()

    def spoilt(self, step: int, problem: str) -> SmeltError:
        """Return the error of a step that spoilt the training."""
        good = f"the last good checkpoint is of step {self.saved:,}" if self.saved else "there is no checkpoint yet"
        advice = "Lower learning_rate, lengthen warmup or use precision fp32"
        made_of = f"its batch is made of {self.batches.described(step)}"
        return self.processes.alike(SmeltError("training", f"{problem}; {good}; {made_of}. {advice}"))

    def report(self) -> None:
        """Print a line on the steps since the last one."""
        self.collect()
        if not self.processes.first:
            return
        rate = learning_rate(self.step, self.recipe)
        self.progress.line(self.step, self.recipe.last_step, rate, self.since_line.metrics())
        self.since_line = Tally()

    def save(self, loss: float | None) -> None:
        """Keep a checkpoint of this step, unless there is one that knows as much."""
        if self.step == self.saved and (loss is None or self.step == 0):
            return
        self.collect()
        energy = self.energy()
        shared, own = self.engine.state()
        shared |= {
            "trainee": self.trainee.state_dict(),
            "micro_batch": self.micro_batch,
            "curve": self.curve.text(),
            "since_row": self.since_row.sums,
            "divergence": self.divergence.state(),
            "tokens": (self.tokens, self.dropped),
            "seconds": self.seconds,
            "energy": energy.to_json() if energy else None,
            "random": self.processes.gather(random_state()),
        }
        with self.progress.pause():
            self.run.checkpoints.save(self.step, shared, own, loss)
        self.saved = self.step

    def choose(self) -> int:
        """Give the model, and the objective, the weights that the recipe chooses; return their step."""
        best = self.run.checkpoints.best() if self.recipe.choose == "best" else None
        if best is None:
            return self.step
        self.trainee.load_state_dict(best.shared["trainee"])
        return best.step

    def say(self, line: str) -> None:
        """Print a line, once for all processes."""
        if self.processes.first:
            say(line)

    def _settings(self, speed: Speed) -> dict[str, float]:
        measured = {"tokens_per_second": speed.tokens_per_second} if speed.steps else {}
        seen = {"tokens": float(self.tokens), "tokens_dropped": float(self.dropped)}
        return {"learning_rate": learning_rate(self.step, self.recipe)} | seen | measured
