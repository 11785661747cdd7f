"""A module around another one, with a `forward` of its own and everything else of the other's."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

import torch

Wrapper = TypeVar("Wrapper", bound=torch.nn.Module)


def wrapped(
    module: torch.nn.Module, kind: type[Wrapper], parameters: Iterable[inspect.Parameter], **attributes: Any
) -> Wrapper:
    """A `kind` that takes these parameters and has the submodules, parameters and buffers of the module.

    They are the module's own, under their own names: an export shows the same paths. Hooks are left out: they are run
    where the module itself is called, which is `_module`.
    """
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)

    def forward(self: Wrapper, /, *args: Any, **kwargs: Any) -> Any:
        return kind.forward(self, *args, **kwargs)

    # A class of its own: tracers read the signature of the class's function.
    forward.__signature__ = inspect.Signature([itself, *parameters])  # type: ignore[attr-defined]
    result: Wrapper = type(type(module).__name__, (kind,), {"forward": forward})()
    own = {name: value for name, value in module.__dict__.items() if not name.endswith("_hooks") and name != "forward"}
    result.__dict__.update(own, _module=module, **attributes)
    return result
