"""Random weights that show mistakes.

A freshly initialised network hides faults: BatchNorm statistics of 0 and 1, scales of one, biases of zero, layer
scales of 1e-6. Every parameter that the initialisation left constant is moved, and every BatchNorm gets the statistics
of what really reaches it, perturbed; activations then stay of order one through any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from converter.sources.torch.call.examples import Call
from converter.sources.torch.eval_mode import evaluate_anew
from passes.errors import BadSource

SPREAD = 0.2
"""Standard deviation of what is added to a constant parameter."""

SCALE = 0.3
"""Mean of BatchNorm's scales. With scales around 1 an untrained residual network is chaotic: it magnifies rounding by
15 % per block: fcn_resnet50 in PyTorch's own float32 is 1e-4 away from float64. Trained ones are not like that."""


def build_seeded(build: Callable[[], torch.nn.Module], seed: int | None) -> torch.nn.Module:
    """Call `build`; with a seed, its initialisation is reproducible and the global generator is left as it was."""
    if seed is None:
        return build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


@torch.no_grad()
def randomise(module: torch.nn.Module, call: Call, seed: int) -> list[torch.Tensor]:
    """Perturb constant parameters, then set the BatchNorm statistics in one forward pass over `call`, in place.

    The module is afterwards in evaluation mode.

    Returns:
        The statistics that were set.

    Raises:
        BadSource: `forward` does not run with such weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for child in module.modules():
        if _is_batchnorm(child) and isinstance(child.weight, torch.Tensor):
            child.weight.fill_(SCALE)
    for parameter in module.parameters():
        if parameter.is_floating_point() and parameter.numel() and bool((parameter == parameter.flatten()[0]).all()):
            parameter.add_(_normal(parameter, generator), alpha=SPREAD)
    evaluate_anew(module)
    norms: list[Any] = [child for child in module.modules() if _is_batchnorm(child)]
    hooks = [
        norm.register_forward_pre_hook(lambda norm, args: _set_statistics(norm, args[0], generator)) for norm in norms
    ]
    try:
        module(*call.args, **call.kwargs)
    except Exception as error:  # whatever the user's forward raises
        raise BadSource(
            f"forward() of {type(module).__name__} fails with random weights: {type(error).__name__}: {error}",
            hint="Give a checkpoint instead.",
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return [statistics for norm in norms for statistics in (norm.running_mean, norm.running_var)]


def _is_batchnorm(module: torch.nn.Module) -> bool:
    return isinstance(getattr(module, "running_mean", None), torch.Tensor)


def _set_statistics(norm: Any, x: torch.Tensor, generator: torch.Generator) -> None:
    """The true mean, off by N(0, 0.1) standard deviations; the true variance, times U(0.5, 1.5).

    The variance of a channel is kept above a hundredth of its squared mean: a smaller one would only magnify rounding.
    """
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean, variance = x.float().mean(axes), x.float().var(axes, unbiased=False)
    variance = torch.maximum(variance, mean.square() * 0.01).clamp_min(1e-3)
    uniform = torch.rand(mean.shape, generator=generator).to(mean.device)
    norm.running_mean.copy_(mean + 0.1 * variance.sqrt() * _normal(mean, generator))
    norm.running_var.copy_(variance * (0.5 + uniform))


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator).to(like)
