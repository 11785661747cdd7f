"""A module built for a checkpoint: with its weights in place of others, never beside them, where that can be.

on meta     built without numbers; the checkpoint's tensors are its parameters, mapped from their file
in place    built with numbers, because it has some that the checkpoint does not give; those of its parameters go
copied      into the parameters, because something else holds on to their memory: a view, a list
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from converter.sources import memory_budget
from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.checkpoints.fit import COUNTERS
from converter.sources.checkpoints.load import copy_weights, fitting
from converter.sources.checkpoints.mapped_file import MappedFile, in_own_maps
from converter.sources.checkpoints.on_meta import META, NotOnMeta, are_gone, build_on_meta, memory_of
from converter.sources.quiet import first_lines
from passes.errors import BadSource, LimitExceeded

NOTED = 512 << 20
"""Bytes of weights from which on it matters, and is told, that there were others before."""

Build = Callable[[], torch.nn.Module]


@dataclass(frozen=True)
class Filled:
    """A module as it was built or filled.

    Attributes:
        notes: for the report.
        weights: the checkpoint's name.
        files: that its parameters are mapped from.
    """

    module: torch.nn.Module
    notes: list[str] = field(default_factory=list)
    weights: str | None = None
    files: tuple[MappedFile, ...] = ()


class _Held(Exception):
    """The weights that a module was built with are in use beyond its parameters."""


def fill(
    build: Build, path: Path, *, trust: bool = False, max_bytes: int | None = None, is_factory: bool = True
) -> Filled:
    """A module with the weights in `path`.

    Args:
        build: gives a new module each time, which is what other calls give.
        is_factory: whether it makes tensors; elsewise it copies some.

    Raises:
        BadSource: the file cannot be read safely, or its keys do not fit the module; they are named.
        LimitExceeded: the module or the file is larger than `max_bytes`.
    """
    content, why = read_checkpoint(path, trust=trust, max_bytes=max_bytes), ""
    if is_factory:
        try:
            return _on_meta(build, content, path, max_bytes)
        except LimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - a factory that needs numbers raises anything
            why = _NUMBERS.format(first_lines(error, lines=1, width=200))
    module = _checked(build(), max_bytes)
    try:
        filled = _in_place(module, content, path)
    except _Held:
        module = build()
        filled, why = Filled(module, copy_weights(module, content, path), path.name), _HELD
    _refuse_meta(module, path)
    if is_factory and memory_budget.module_bytes(module) > NOTED:
        filled.notes.append(f"{type(module).__name__} {why}")
    return filled


_NUMBERS = "was first built with weights of its own, because it needs numbers then: {}."
_HELD = "holds on to the weights that it was built with, so the checkpoint's were copied: both were in memory."


def _on_meta(build: Build, content: Any, path: Path, max_bytes: int | None) -> Filled:
    module, made = build_on_meta(build)
    _checked(module, max_bytes)
    notes, state = fitting(module, content, path)
    files = _assign(module, state)
    _count_from_zero(module)
    if not made.are_gone:
        raise NotOnMeta("it computes numbers that the checkpoint does not hold")
    return Filled(module, notes, path.name, files)


def _in_place(module: torch.nn.Module, content: Any, path: Path) -> Filled:
    notes, state = fitting(module, content, path)
    before = memory_of(tensor for name, tensor in module.state_dict().items() if name in state)
    try:
        files = _assign(module, state)
    except Exception as error:  # a module with its own way of loading
        raise _Held from error
    if not are_gone(before):
        raise _Held
    return Filled(module, notes, path.name, files)


def _refuse_meta(module: torch.nn.Module, path: Path) -> None:
    """A module that came from the meta device may need more than a checkpoint has."""
    missing = [name for name, tensor in _members(module) if tensor.device == META]
    if missing:
        raise BadSource(
            f"{type(module).__name__} is on the meta device, and {path.name} gives no numbers for {missing[0]!r}.",
            hint="Give what builds it in its place (package.module:factory), or build it on the CPU.",
        )


def _assign(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> tuple[MappedFile, ...]:
    """Make these tensors the module's parameters and buffers; what was one before is one afterwards."""
    names: dict[int, list[str]] = {}
    attributes: dict[str, dict[str, Any]] = {}
    for name, tensor in _members(module):
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.device.type not in ("cpu", "meta"):
            raise _Held  # it is more than its numbers, or they belong elsewhere
        names.setdefault(id(tensor), []).append(name)
        attributes[name] = dict(vars(tensor))
    own = module.state_dict()
    mapped, files = in_own_maps({name: tensor.detach() for name, tensor in state.items()})
    taken: set[int] = set()
    given = {name: _fitted(tensor, own[name], taken) for name, tensor in mapped.items()}
    del own
    module.load_state_dict(given, strict=False, assign=True)
    now = dict(_members(module))
    for *others, last in names.values():  # of a weight with several names torch copies the last one's numbers
        vars(now[last]).update(attributes[last])
        for other in others:
            path, _, leaf = other.rpartition(".")
            setattr(module.get_submodule(path), leaf, now[last])
    return files


def _fitted(tensor: torch.Tensor, own: torch.Tensor, taken: set[int]) -> torch.Tensor:
    """The tensor itself where it has its memory to itself and is of the module's type; else a copy that is."""
    storage = tensor.untyped_storage()
    is_alone = storage.nbytes() == tensor.nbytes and storage.data_ptr() not in taken
    taken.add(storage.data_ptr())
    if is_alone and tensor.dtype == own.dtype and tensor.stride() == own.stride():
        return tensor
    return torch.empty_like(own, device="cpu").copy_(tensor)


def _members(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Parameters and buffers by all of their names, in the order in which they are loaded."""
    return [
        (f"{path}.{name}" if path else name, tensor)
        for path, child in module.named_modules(remove_duplicate=False)
        for name, tensor in (*child._parameters.items(), *child._buffers.items())
        if tensor is not None
    ]


def _count_from_zero(module: torch.nn.Module) -> None:
    """Counters of training steps, which no checkpoint is asked for, begin as torch's own layers have them."""
    for child in module.modules():
        for name, buffer in child._buffers.items():
            if name in COUNTERS and buffer is not None and buffer.device == META and type(child).__module__ in _TORCHS:
                child._buffers[name] = torch.zeros_like(buffer, device="cpu")


_TORCHS = ("torch.nn.modules.batchnorm", "torch.optim.swa_utils")


def _checked(module: torch.nn.Module, max_bytes: int | None) -> torch.nn.Module:
    memory_budget.check_module(module, max_bytes)
    return module
