"""torch.linspace, of as many steps as a size says."""

from __future__ import annotations

from typing import Any

import torch


def linspace(start: Any, end: Any, steps: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Any:
    """Counted from both ends, as torch does it: the first half from the start, the other from the end."""
    if not isinstance(steps, torch.SymInt) or any(isinstance(bound, torch.Tensor) for bound in (start, end)):
        return NotImplemented
    dtype = dtype or torch.get_default_dtype()
    place = torch.arange(steps)  # type: ignore[call-overload]
    step = (end - start) / torch.sym_max(steps - 1, 1)
    first, last = place.to(dtype) * step + start, end - (steps - 1 - place).to(dtype) * step
    return torch.where(place < steps // 2, first, last).to(dtype)
