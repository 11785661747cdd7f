"""How many bytes of weights a source may have: asked for, or half of the machine's memory. So may any tensor."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir as ir

from passes.errors import LimitExceeded, describe

if TYPE_CHECKING:
    import torch

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def budget(max_bytes: int | None) -> int:
    """The limit in bytes. The default leaves room for the one copy that Keras holds beside the source."""
    return machine_memory() // 2 if max_bytes is None else max_bytes


def check(nbytes: int, what: str, max_bytes: int | None) -> None:
    """Refuse `what` when it needs more than the budget.

    Raises:
        LimitExceeded: with both numbers.
    """
    limit = budget(max_bytes)
    if nbytes > limit:
        raise LimitExceeded(
            f"{what} needs {nbytes:,} bytes, more than the {limit:,} bytes allowed.",
            hint="Raise --max-bytes if this machine has the memory.",
        )


def check_module(module: torch.nn.Module, max_bytes: int | None) -> None:
    """Refuse a module whose parameters and buffers are over the budget."""
    check(module_bytes(module), f"The module {type(module).__name__}", max_bytes)


def module_bytes(module: torch.nn.Module) -> int:
    """What its parameters and buffers take."""
    return sum(t.numel() * t.element_size() for t in [*module.parameters(), *module.buffers()])


def check_values(model: ir.Model) -> None:
    """Refuse a graph with a tensor that this machine has no room for, before somebody computes it.

    A file of a hundred bytes can ask for a pad of a million pixels. Open sizes count as 1.

    Raises:
        LimitExceeded: naming the tensor and what makes it.
    """
    for value in (*model.graph.inputs, *(output for node in model.graph for output in node.outputs)):
        if value.shape is not None and value.dtype not in (None, ir.DataType.UNDEFINED, ir.DataType.STRING):
            nbytes = math.prod(size for size in value.shape if isinstance(size, int)) * value.dtype.bitwidth // 8
            if nbytes > budget(None):
                producer = value.producer()
                raise LimitExceeded(
                    f"The tensor {value.name!r} of shape {value.shape} needs {nbytes:,} bytes, more than half of this "
                    "machine's memory.",
                    node=None if producer is None else describe(producer),
                    hint="Give smaller sizes with --input where they are open.",
                )


def machine_memory() -> int:
    """The bytes of memory of this machine, or of the container it is."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _CGROUP_LIMITS):
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            total = min(total, int(text))
    return total
