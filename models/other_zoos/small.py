"""How a model of another library is built: by name, and as a module of plain tensors."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from torch import nn

from converter.sources.torchvision_import import import_torchvision


def build(module: str, name: str, /, **arguments: Any) -> nn.Module:
    """The class or function `name` of a package, called."""
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()  # most of them import it too, and do not get it past its missing operators
    made = getattr(importlib.import_module(module), name)(**arguments)
    assert isinstance(made, nn.Module)
    return made
