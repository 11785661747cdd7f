"""Which calls are said in another way while a module is traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from converter.sources.torch.open_sizes.grids import affine_grid
from converter.sources.torch.open_sizes.slices import cut
from converter.sources.torch.open_sizes.spectra import istft
from converter.sources.torch.open_sizes.steps import linspace

OTHERWISE: Mapping[Any, Callable[..., Any]] = {
    functional.affine_grid: affine_grid,
    torch.Tensor.istft: istft,
    torch.istft: istft,
    torch.linspace: linspace,
    torch.ops.aten.slice: cut,
}
"""Each takes what torch's function takes, and gives NotImplemented where no size is open."""


class SizesStayOpen(torch.overrides.TorchFunctionMode):
    """Lets open sizes stay open in the calls of OTHERWISE."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in OTHERWISE:
            with self:
                result = OTHERWISE[function](*args, **kwargs)
            if result is not NotImplemented:
                return result
        return function(*args, **kwargs)
