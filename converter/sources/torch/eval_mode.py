"""A module in evaluation mode, and afterwards as it was: a conversion changes nothing that belongs to the user.

What `forward` may change is put back: the mode of every submodule, its attributes and what its own lists and dicts hold
(buffers, hooks, tables that it keeps), and the numbers of its tensors. Buffers and plain tensors are copied beforehand;
a parameter is copied when the first operation is about to write to it, so that weights are not held twice.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_CONTAINERS = (list, dict, set, OrderedDict, deque)


@contextlib.contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[Kept]:
    """Evaluation mode inside; afterwards the module is in the state it was in."""
    kept = Kept(module)
    evaluate_anew(module)
    try:
        yield kept
    finally:
        kept.restore()


def evaluate_anew(module: torch.nn.Module) -> None:
    """Evaluation mode by way of training mode: there LeViT's attention and its kin drop the tables they gathered.

    To be called after weights were changed in place: the tables would still be those of the weights before.
    """
    module.train()
    module.eval()


class Kept:
    """The state of a module at one moment."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._modes = [(child, child.training) for child in module.modules()]
        self._attributes = [(child, dict(child.__dict__)) for child in module.modules()]
        self._contents = [
            (value, copy.copy(value))
            for _, attributes in self._attributes
            for value in attributes.values()
            if type(value) in _CONTAINERS
        ]
        self._parameters = dict(module.named_parameters())
        self._buffers = dict(module.named_buffers())
        held = itertools.chain(
            *(attributes.values() for _, attributes in self._attributes),
            *(content.values() if isinstance(content, dict) else content for _, content in self._contents),
        )
        plain = [
            value for value in held if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter)
        ]
        self._numbers = {id(tensor): _Numbers(tensor) for tensor in (*self._buffers.values(), *plain)}
        self._registered = {id(tensor) for tensor in (*self._buffers.values(), *self._parameters.values())}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """To run `forward` in: parameters that it writes to are kept, too."""
        writes = _Writes(self._parameters.values())
        try:
            with writes:
                yield
        finally:
            self._numbers = writes.kept | self._numbers  # of two runs, the first copied what was there before

    def written(self, module: torch.nn.Module) -> list[str]:
        """The names of the buffers and parameters that hold other numbers than they did, or may at other inputs.

        A buffer that `forward` replaces by one of another shape is a table that it made longer, and no state.
        """
        now = dict(module.named_buffers())
        names = [name for name, parameter in self._parameters.items() if id(parameter) in self._numbers]
        for name, before in self._buffers.items():
            numbers, after = self._numbers[id(before)], now.get(name, before)
            replaced = after is not before and after.shape == before.shape and not _equal(after, numbers.copy)
            if numbers.were_written or replaced:
                names.append(name)
        return names

    def keeps_more(self, module: torch.nn.Module) -> bool:
        """Whether the module keeps anything else now: an attribute, an entry of a list, a table of another shape.

        That may be what it has worked out once, or what it has seen: a second call tells.
        """
        for value, content in self._contents:
            if len(value) != len(content) or any(
                a is not b for a, b in zip(_entries(value), _entries(content), strict=True)
            ):
                return True
        for child, attributes in self._attributes:
            if child.__dict__.keys() != attributes.keys():
                return True
            if any(value is not attributes[name] for name, value in child.__dict__.items() if name != "training"):
                return True
        return any(numbers.were_written for number, numbers in self._numbers.items() if number not in self._registered)

    def accept(self, tensors: Iterable[torch.Tensor]) -> None:
        """What these hold now is what they hold afterwards."""
        self._numbers.update({id(tensor): _Numbers(tensor) for tensor in tensors if id(tensor) in self._numbers})

    def restore_numbers(self) -> None:
        """What the tensors held, and which tensors the buffers were; what the module worked out for itself stays."""
        contents = {id(value): content for value, content in self._contents}
        for child, attributes in self._attributes:
            for name, before in contents[id(attributes["_buffers"])].items():
                after = child._buffers.get(name)
                if after is not None and before is not None and after.shape == before.shape:
                    child._buffers[name] = before
        for numbers in self._numbers.values():
            numbers.restore()

    def restore(self) -> None:
        for numbers in self._numbers.values():
            numbers.restore()
        for value, content in self._contents:
            _refill(value, content)
        for child, attributes in self._attributes:
            for name in child.__dict__.keys() - attributes.keys():
                del child.__dict__[name]
            child.__dict__.update(attributes)
        for child, mode in self._modes:
            child.training = mode


class _Numbers:
    """What a tensor held. `_version` counts the operations that wrote to it; numpy's are not among them."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor
        self._version = _version(tensor)
        self.copy = tensor.detach().clone()

    @property
    def were_written(self) -> bool:
        return _version(self._tensor) != self._version or not _equal(self._tensor, self.copy)

    def restore(self) -> None:
        if self.were_written:
            with torch.no_grad():
                self._tensor.data.copy_(self.copy)
            self._version = _version(self._tensor)


class _Writes(TorchDispatchMode):
    """Copies a tensor of those given before the first operation that writes to it.

    Tensors that share their memory are one: a write to a view of a parameter is a write to the parameter.
    """

    supports_higher_order_operators = True  # torch.cond and the like go through, and what they call is seen

    def __init__(self, tensors: Any) -> None:
        super().__init__()
        self.kept: dict[int, _Numbers] = {}
        self._watched: dict[int, list[torch.Tensor]] = {}
        for tensor in tensors:
            if tensor.numel() and tensor.device.type != "meta":
                self._watched.setdefault(_memory(tensor), []).append(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        schema = getattr(func, "_schema", None)  # operators of higher order have none
        for place, argument in enumerate(schema.arguments if schema is not None else ()):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                for tensor in value if isinstance(value, (list, tuple)) else [value]:
                    self._keep(tensor)
        return func(*args, **kwargs)

    def _keep(self, written: Any) -> None:
        if isinstance(written, torch.Tensor) and type(written) in (torch.Tensor, torch.nn.Parameter):
            for tensor in self._watched.get(_memory(written), ()) if written.device.type != "meta" else ():
                if id(tensor) not in self.kept:
                    self.kept[id(tensor)] = _Numbers(tensor)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bit for bit, NaN too."""
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if a.is_floating_point() or a.is_complex():
        return bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) and torch.equal(a.isnan(), b.isnan()))
    return bool(torch.equal(a, b))


def _entries(container: Any) -> Iterable[Any]:
    """Sets have no order that two copies share, and no use as a memory of tensors."""
    if isinstance(container, dict):
        return itertools.chain(container.keys(), container.values())
    return () if isinstance(container, set) else container


def _refill(value: Any, content: Any) -> None:
    """The same container with what it held."""
    if isinstance(value, list):
        value[:] = content
    else:
        value.clear()
        value.extend(content) if isinstance(value, deque) else value.update(content)
