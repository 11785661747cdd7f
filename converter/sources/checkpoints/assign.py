"""Tensors made a module's parameters and buffers, instead of copied into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from converter.sources.checkpoints.fit import COUNTERS
from converter.sources.checkpoints.on_meta import META, are_gone, memory_of

_TORCHS = ("torch.nn.modules.batchnorm", "torch.optim.swa_utils")


class Held(Exception):
    """What a module has is more than its parameters: something else uses their memory, or they are no plain ones."""


def replace(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Make tensors a module's own, and see that nothing is left of those that were.

    Raises:
        Held: something is, or the module loads in a way of its own. It is of no use any more.
    """
    before = memory_of(tensor for name, tensor in module.state_dict().items() if name in state)
    try:
        assign(module, state)
    except Exception as error:  # whatever a hook of the module raises
        raise Held from error
    if not are_gone(before):
        raise Held


def assign(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Make tensors a module's own; what was one tensor before is one afterwards."""
    names: dict[int, list[str]] = {}
    attributes: dict[str, dict[str, Any]] = {}
    for name, tensor in members(module):
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.device.type not in ("cpu", "meta"):
            raise Held  # it is more than its numbers, or they belong elsewhere
        names.setdefault(id(tensor), []).append(name)
        attributes[name] = dict(vars(tensor))
    first = {name: group[0] for group in names.values() for name in group}
    own = module.state_dict()
    taken: dict[int, str] = {}
    given = {name: _fitted(value.detach(), own[name], first.get(name, name), taken) for name, value in state.items()}
    del own
    module.load_state_dict(given, strict=False, assign=True)
    now = dict(members(module))
    for *others, last in names.values():  # of a weight with several names torch copies the last one's numbers
        vars(now[last]).update(attributes[last])
        for other in others:
            path, _, leaf = other.rpartition(".")
            setattr(module.get_submodule(path), leaf, now[last])


def _fitted(tensor: torch.Tensor, own: torch.Tensor, name: str, taken: dict[int, str]) -> torch.Tensor:
    """The tensor itself where its memory is that of `name` alone and its type the module's; else a copy."""
    storage = tensor.untyped_storage()
    is_alone = storage.nbytes() == tensor.nbytes and taken.setdefault(storage.data_ptr(), name) == name
    if is_alone and tensor.dtype == own.dtype and tensor.stride() == own.stride():
        return tensor
    return torch.empty_like(own, device="cpu").copy_(tensor)


def members(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Parameters and buffers by all of their names, in the order in which they are loaded."""
    return [
        (f"{path}.{name}" if path else name, tensor)
        for path, child in module.named_modules(remove_duplicate=False)
        for name, tensor in (*child._parameters.items(), *child._buffers.items())
        if tensor is not None
    ]


def count_from_zero(module: torch.nn.Module) -> None:
    """Counters of training steps, which no checkpoint is asked for, begin as torch's own layers have them."""
    for child in module.modules():
        for name, buffer in child._buffers.items():
            if name in COUNTERS and buffer is not None and buffer.device == META and type(child).__module__ in _TORCHS:
                child._buffers[name] = torch.zeros_like(buffer, device="cpu")
