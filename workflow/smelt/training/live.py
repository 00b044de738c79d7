"""How many bytes of tensors are alive at once while something runs on the CPU, whose allocator keeps no count of it."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Counts the memory of tensors that are made within the block, from when each is made until it is freed.

    All that torch's operations return is counted: what autograd keeps, gradients, buffers of functions of our own, and
    what passes without gradients leave for a while. What an operation takes and frees inside itself is not.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        """Bytes at the highest point so far."""
        self._now = 0
        self._known: dict[int, int] = {}  # bytes by storage; 0 for those that were there before

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation, and count what it has made."""
        given: Mapping[str, Any] = kwargs or {}
        for tensor in tree_leaves((args, given)):
            self._take(tensor, before=True)
        made = func(*args, **given)
        for tensor in tree_leaves(made):
            self._take(tensor, before=False)
        return made

    def _take(self, tensor: Any, *, before: bool) -> None:
        if not isinstance(tensor, Tensor):
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            self._known[key] = 0 if before else storage.nbytes()
            self._now += self._known[key]
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._drop, key).atexit = False

    def _drop(self, key: int) -> None:
        self._now -= self._known.pop(key, 0)
