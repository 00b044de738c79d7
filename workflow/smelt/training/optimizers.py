"""Optimizers, the learning rate's schedule, and the engine that turns losses into steps: alone or with DeepSpeed.

An engine takes the share of this process's rows in the whole batch's mean loss, so that the gradient does not depend on
how the batch is split into micro-batches and processes.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from smelt.errors import SmeltError
from smelt.training.data import Batch
from smelt.training.distributed import Processes
from smelt.training.objectives import ModelWithObjective, Term
from smelt.training.recipes import Recipe


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer, with LayerNorm and biases outside weight decay and LAMB's adaptation."""
    groups = parameter_groups(model, recipe.optimizer.weight_decay)
    betas = (recipe.optimizer.beta1, recipe.optimizer.beta2)
    if recipe.optimizer.name == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=betas, eps=recipe.optimizer.epsilon, fused=True)
    lamb: torch.optim.Optimizer = _lamb(groups, recipe.peak_rate, betas, recipe.optimizer.epsilon)
    return lamb


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two groups: matrices, with weight decay and adaptation, and vectors (LayerNorm, biases), without."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the rate of a step, counted from 1: a linear rise to the peak, then a linear fall to 0 after the last."""
    if step <= recipe.warmup_steps:
        return recipe.peak_rate * step / recipe.warmup_steps
    return (
        recipe.peak_rate
        * (recipe.schedule.total_steps - step + 1)
        / (recipe.schedule.total_steps - recipe.warmup_steps)
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all groups of an optimizer one rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _lamb(groups: list[dict[str, Any]], rate: float, betas: tuple[float, float], epsilon: float) -> Any:
    """Return LAMB (You et al. 2020) as in ALBERT's code, without bias correction.

    The library's defaults are another optimizer: it decays separately from the update, bounds the norm of the weights
    at 10, which an embedding's weights exceed, and divides the rate by Adam's first bias correction, which multiplies
    the first steps by ten.
    """
    from pytorch_optimizer import Lamb

    matrices, vectors = groups
    lamb = Lamb(
        [matrices | {"adam": False}, vectors | {"adam": True}],
        lr=rate,
        betas=betas,
        eps=epsilon,
        weight_decouple=False,
        adam_debias=True,
    )
    lamb.clamp = math.inf
    return lamb


OptimizerState = dict[str, Any]


class Engine(Protocol):
    """A model and its objective, with their optimizer."""

    def forward(self, batch: Batch, counts: Mapping[str, int]) -> list[Term]:
        """Return the terms of a micro-batch, given their numbers of predictions in the whole batch."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch's share of the loss."""

    def step(self, rate: float) -> Tensor:
        """Update the weights with what has been added; return the gradient's norm before clipping, a scalar."""

    def state(self) -> tuple[OptimizerState, OptimizerState]:
        """Return the optimizer's state: the part that all processes share, and this process's own."""

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Go back to a state; the weights have already been restored."""


def engine_of(module: ModelWithObjective, recipe: Recipe, processes: Processes) -> Engine:
    """Return the engine for a number of processes; the module is on its device already."""
    optimizer = optimizer_of(module, recipe)
    if processes.size == 1:
        return Single(module, optimizer, recipe.optimizer.clip)
    return Several(module, optimizer, recipe, processes)


class Single:
    """One process: torch alone."""

    def __init__(self, module: ModelWithObjective, optimizer: torch.optim.Optimizer, clip: float) -> None:
        """Take the module, its optimizer, and the highest norm of the gradient."""
        self.module, self.optimizer, self.clip = module, optimizer, clip

    def forward(self, batch: Batch, counts: Mapping[str, int]) -> list[Term]:
        """Return the terms of a micro-batch, given their numbers of predictions in the whole batch."""
        terms: list[Term] = self.module(batch, counts)
        return terms

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch's share of the loss."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, rate: float) -> Tensor:
        """Update the weights with what has been added; return the gradient's norm before clipping, a scalar."""
        set_learning_rate(self.optimizer, rate)
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def state(self) -> tuple[OptimizerState, OptimizerState]:
        """Return the optimizer's state; nothing is this process's own."""
        return {"optimizer": self.optimizer.state_dict()}, {}

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:  # noqa: ARG002 - nothing is its own
        """Go back to a state."""
        self.optimizer.load_state_dict(shared["optimizer"])


class Several:
    """Several processes: DeepSpeed sums the gradients, and with ZeRO splits the states that the recipe says."""

    def __init__(
        self, module: ModelWithObjective, optimizer: torch.optim.Optimizer, recipe: Recipe, processes: Processes
    ) -> None:
        """Wrap the module and its optimizer; every process does so, with the same weights."""
        deepspeed = processes.agree(load_deepspeed)
        self.processes, self.clip = processes, recipe.optimizer.clip
        self.shared_out = recipe.optimizer.zero > 0
        self.norm = torch.zeros(())
        if not self.shared_out:
            optimizer.register_step_pre_hook(self._clip)
        self.engine, self.optimizer, *_ = deepspeed.initialize(
            model=module, optimizer=optimizer, config=configuration(recipe)
        )

    def forward(self, batch: Batch, counts: Mapping[str, int]) -> list[Term]:
        """Return the terms of a micro-batch, given their numbers of predictions in the whole batch."""
        terms: list[Term] = self.engine(batch, counts)
        return terms

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a micro-batch's share of the loss; DeepSpeed will take the mean over processes."""
        self.engine.backward(loss * self.processes.size, scale_wrt_gas=False)

    def step(self, rate: float) -> Tensor:
        """Update the weights with what has been added; return the gradient's norm before clipping, a scalar."""
        set_learning_rate(self.optimizer, rate)
        self.engine.step()
        return torch.as_tensor(self.engine.get_global_grad_norm()) if self.shared_out else self.norm

    def state(self) -> tuple[OptimizerState, OptimizerState]:
        """Return the optimizer's state: the same in all processes, or with ZeRO each process's share."""
        if not self.shared_out:
            return {"optimizer": self.optimizer.state_dict()}, {}
        state = self.optimizer.state_dict()
        return {}, {name: state[name] for name in ZERO_STATE}

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Go back to a state."""
        if not self.shared_out:
            self.optimizer.load_state_dict(shared["optimizer"])
            return
        states: list[OptimizerState | None] = [None] * self.processes.size  # DeepSpeed looks at this process's only
        states[self.processes.rank] = self.optimizer.state_dict() | dict(own)
        self.optimizer.load_state_dict(states, load_from_fp32_weights=True)

    def _clip(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Clip the gradients of the whole batch (ZeRO does so itself)."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.norm = nn.utils.clip_grad_norm_(parameters, self.clip)


# The parts of ZeRO's state for a process that tensors and numbers can hold; the rest follows from the model.
ZERO_STATE = ("base_optimizer_state", "single_partition_of_fp32_groups", "overflow")


def configuration(recipe: Recipe) -> dict[str, Any]:
    """Return DeepSpeed's configuration for a recipe; gradients are summed until the loop calls for a step."""
    return {
        "train_micro_batch_size_per_gpu": 1,  # only for its counters: the loop chooses rows and micro-batches
        "managed_gradient_accumulation": False,
        "gradient_clipping": recipe.optimizer.clip if recipe.optimizer.zero else 0.0,
        "zero_optimization": {"stage": recipe.optimizer.zero},
        "zero_allow_untested_optimizer": True,
        # Without the empty list gradients would be exchanged in bf16, too.
        "torch_autocast": {
            "enabled": recipe.model.precision == "bf16",
            "dtype": "bfloat16",
            "lower_precision_safe_modules": [],
        },
        "steps_per_print": None,
    }


def load_deepspeed() -> Any:
    """Return the library, without its own shared-memory exchange on CPUs.

    The exchange would be compiled at first use, for a minute or more, and a process killed meanwhile leaves a lock that
    blocks the next one for ever. CPUs exchange through gloo.

    Raises:
        SmeltError: it is not installed.
    """
    try:
        import deepspeed
    except ImportError:
        install = "DS_BUILD_OPS=0 pip install --constraint constraints.txt '.[several]'"
        raise SmeltError("deepspeed", f"is not installed, and several processes need it: {install}") from None
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
