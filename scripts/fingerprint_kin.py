"""Which models compute the same from the same weights: each is run with the same random ones.

Names and shapes do not show an activation, an epsilon or a pad. Those that differ in one stay apart; those that no
image tells apart are kin, and any of them may be taken for the other.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch.utils._python_dispatch import TorchDispatchMode

from converter.sources.by_name.libraries import find

LARGEST = 50_000_000
"""Parameters. Models above stay unproven, and so ambiguous."""

CLOSE = 1e-9
"""Of float64, relative to the largest output: rounding is below, an epsilon of 1e-6 instead of 1e-5 above."""

NEAR = 1e-2
"""Of float32: what differs by more is not looked at in float64."""

SMALL = 0.1
"""Standard deviation of what BatchNorm normalises: where it is small, epsilons show."""

CLASSES = 7
"""What all are built with."""

IMAGES = 2

Outputs = list[torch.Tensor]


class Uninitialised(TorchDispatchMode):
    """No random numbers for weights that are replaced anyway: that is most of the time that a builder takes."""

    DRAWS = ("normal_", "uniform_", "erfinv_")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in self.DRAWS:
            return args[0].zero_()  # within the bounds of who draws again until all is within
        return func(*args, **(kwargs or {}))


def kinships(groups: Sequence[Sequence[str]], tell: Callable[[str], None] = print) -> dict[str, int]:
    """A number for each source that computes what another of its group computes.

    Args:
        groups: sources with all names and shapes in common.
        tell: takes a line on what is not proven, and why.
    """
    numbers, found = itertools.count(), {}
    for group in track(groups, "kin", console=Console(stderr=True)):
        for alike in _clusters(group, tell):
            if len(alike) > 1:
                found |= dict.fromkeys(alike, next(numbers))
    return found


def _clusters(group: Sequence[str], tell: Callable[[str], None]) -> list[list[str]]:
    """The group, divided by what its members compute; what cannot be run is alone."""
    image: tuple[int, ...] = ()
    clusters: list[tuple[list[str], Outputs]] = []
    for source in group:
        try:
            module, shape = _build(source)
            if sum(parameter.numel() for parameter in module.parameters()) > LARGEST:
                tell(f"too large: {', '.join(group)}")
                return []
            image = image or shape
            outputs = _run(module, image, torch.float32)
            del module
            homes = (alike for alike, theirs in clusters if _same(outputs, theirs, (source, alike[0]), image))
            home = next(homes, None)
        except Exception as error:  # noqa: BLE001 - whatever a model makes of another's image
            tell(f"not run: {source}: {type(error).__name__}: {error}".splitlines()[0])
            continue
        if home is None:
            clusters.append(([source], outputs))
        else:
            home.append(source)
    return [alike for alike, _ in clusters]


def _same(mine: Outputs, theirs: Outputs, sources: tuple[str, str], image: tuple[int, ...]) -> bool:
    if not _within(mine, theirs, NEAR):
        return False
    if _within(mine, theirs, 0.0):
        return True
    precise = [_run(_build(source)[0], image, torch.float64) for source in sources]
    return _within(*precise, CLOSE)


def _within(mine: Outputs, theirs: Outputs, tolerance: float) -> bool:
    """Whether nothing differs by more than this share of the largest output."""
    if [each.shape for each in mine] != [each.shape for each in theirs]:
        return False
    for output, other in zip(mine, theirs, strict=True):
        largest = float(output.abs().max()) if output.numel() else 0.0
        if not bool(torch.isfinite(output).all()) or bool(((output - other).abs() > tolerance * largest).any()):
            return False
    return True


def _build(source: str) -> tuple[torch.nn.Module, tuple[int, ...]]:
    zoo, _, name = source.partition(":")
    recipe = find(zoo, name, arguments={"num_classes": CLASSES})
    assert recipe is not None
    with Uninitialised(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = recipe.build()
    sizes = [size for size in recipe.inputs(module)[0].shape if isinstance(size, int)]
    return module.eval(), (IMAGES, *sizes)


@torch.no_grad()
def _run(module: torch.nn.Module, image: tuple[int, ...], dtype: torch.dtype) -> Outputs:
    """What it computes with the weights that everything of its shapes is given."""
    generator = torch.Generator().manual_seed(0)
    state = dict(sorted(module.state_dict().items()))
    spread = SMALL if any(name.endswith("running_var") for name in state) else 1.0
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(_weight(name, tensor, spread, generator))
    pixels = torch.randn(image, generator=generator)
    outputs = list(_tensors(module.to(dtype)(pixels.to(dtype))))
    if not any(output.numel() and not torch.equal(output[0], output[-1]) for output in outputs if output.ndim):
        raise ValueError("does not tell two images apart")
    return outputs


def _weight(name: str, tensor: torch.Tensor, spread: float, generator: torch.Generator) -> torch.Tensor:
    """So that activations stay of order one, whatever the layer."""
    drawn = torch.randn(tensor.shape, generator=generator)
    if name.endswith("running_var"):
        return spread**2 * (1 + drawn.abs() / 2)
    if name.endswith("running_mean"):
        return spread * drawn / 5
    if tensor.ndim >= 2:
        return drawn * spread * math.sqrt(2 / max(1, math.prod(tensor.shape[1:])))
    return drawn / 5 + float(name.endswith(("weight", "gamma", "scale")))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _tensors(value[key])
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
