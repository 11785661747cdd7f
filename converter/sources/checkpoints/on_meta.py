"""A module built on torch's meta device: its weights have shapes and no numbers until a checkpoint gives them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")


class NotOnMeta(Exception):
    """What is built depends on numbers, of which there are none."""


class MetaTensors(TorchDispatchMode):
    """Notes the memory of every tensor that is made on the meta device.

    Raises:
        NotOnMeta: where numbers come from there: torch itself refuses most of it, but not all.
    """

    def __init__(self) -> None:
        super().__init__()
        self._storages: list[StorageWeakRef] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        result = func(*args, **kwargs)
        made = _tensors(result)
        if any(map(_is_meta, given)):
            leaves = [leaf for leaf in _pytree.tree_leaves(result) if leaf is not None]
            if not all(map(_is_meta, (*given, *made))) or len(made) != len(leaves):
                raise NotOnMeta(f"{func} takes numbers from the meta device")
        self._storages += memory_of(filter(_is_meta, made))
        return result

    @property
    def are_gone(self) -> bool:
        """Whether every tensor that was made has been replaced."""
        return are_gone(self._storages)


def build_on_meta(build: Callable[[], torch.nn.Module]) -> tuple[torch.nn.Module, MetaTensors]:
    """What `build` builds, all of its tensors without numbers.

    Raises:
        NotOnMeta: it needs numbers, or keeps the device to make tensors on later.
        Exception: whatever else that makes it fail.
    """
    with MetaTensors() as made, META:
        module = build()
    if any(str(value) == "meta" for child in module.modules() for value in vars(child).values() if _is_place(value)):
        raise NotOnMeta("it keeps its device")
    return module, made


def memory_of(tensors: Iterable[torch.Tensor]) -> list[StorageWeakRef]:
    """Their memory, which is not kept by that."""
    return [StorageWeakRef(tensor.untyped_storage()) for tensor in tensors]


def are_gone(memory: Iterable[StorageWeakRef]) -> bool:
    """Whether nothing holds on to any of it: no tensor, no view of one, wherever it may be kept."""
    left = [each for each in memory if not each.expired()]
    if left:
        gc.collect()
    return all(each.expired() for each in left)


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _is_meta(tensor: torch.Tensor) -> bool:
    return tensor.device == META


def _is_place(value: Any) -> bool:
    return isinstance(value, (str, torch.device))
