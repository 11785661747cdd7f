"""The parameters of a module's `forward`, and which of them a call reaches."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch

from passes.errors import UsageError


def parameters(module: torch.nn.Module) -> list[inspect.Parameter]:
    """All but `**kwargs`."""
    found = inspect.signature(module.forward).parameters.values()
    return [parameter for parameter in found if parameter.kind is not inspect.Parameter.VAR_KEYWORD]


def input_names(module: torch.nn.Module) -> list[str]:
    """The parameters of `forward`, as the user should name them."""
    return [parameter.name for parameter in parameters(module)]


ALIASES = "_keraport_aliases"
"""Where a module that we have wrapped says how its inputs are called, when their names are no Python."""


def aliases(module: torch.nn.Module) -> dict[str, str]:
    """The names of inputs (`images.0`) to those of the parameters of `forward` (`images_0`), where they differ."""
    found: dict[str, str] = module.__dict__.get(ALIASES, {})
    return found


def required(parameter: inspect.Parameter) -> bool:
    """Whether a call must give it."""
    return parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_POSITIONAL


def positional(available: Sequence[inspect.Parameter], count: int) -> list[inspect.Parameter]:
    """The parameters that `count` positional arguments reach."""
    chosen = [p for p in available if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    if chosen and chosen[-1].kind is inspect.Parameter.VAR_POSITIONAL:
        chosen = [*chosen[:-1], *[chosen[-1]] * max(0, count - len(chosen) + 1)]
    if count > len(chosen):
        names = ", ".join(dict.fromkeys(parameter.name for parameter in chosen)) or "nothing"
        raise UsageError(
            f"{count} inputs are given, but forward() takes {len(chosen)}: {names}.",
            hint=f"The tensors of a list are {chosen[-1].name}.0, {chosen[-1].name}.1 and so on." if chosen else None,
        )
    return chosen[:count]


def reached(available: Sequence[inspect.Parameter], chosen: Sequence[inspect.Parameter]) -> set[str]:
    """Which of the chosen parameters a positional call reaches: those before the first that is left out."""
    names_reached: set[str] = set()
    names = {parameter.name for parameter in chosen}
    for parameter in available:
        if parameter.name not in names or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            break
        names_reached.add(parameter.name)
    return names_reached
