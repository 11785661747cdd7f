"""Slices from one size to another, as a table of relative positions is cut to the length of a sequence."""

from __future__ import annotations

from typing import Any

import torch


def cut(x: torch.Tensor, axis: int = 0, start: Any = None, stop: Any = None, step: Any = 1) -> Any:
    """x[n - t : n + t - 1] is 2t - 1 long, where it lies inside: a trace would not know how long it is.

    Where the example's slice reaches beyond an end, or counts from the other one, it stays a slice. That it lies inside
    at other sizes, too, is a guard of the trace.
    """
    if not isinstance(start, torch.SymInt) or not isinstance(stop, int | torch.SymInt) or step != 1:
        return NotImplemented
    known = [_example(number) for number in (0, start, stop, x.shape[axis])]
    numbers = [number for number in known if number is not None]
    if len(numbers) < len(known) or numbers != sorted(numbers):
        return NotImplemented
    return x.narrow(axis, start, stop - start)


def _example(number: Any) -> int | None:
    """What a size is in the example, if it has one there."""
    if not isinstance(number, torch.SymInt):
        return int(number)
    return number.node.hint if number.node.has_hint() else None
