"""A `.pt` file that holds a whole module, pickled or as TorchScript. Both are code, and need `--trust`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from converter.options import Options
from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.checkpoints.load import state_dicts
from converter.sources.source import Source
from converter.sources.torch.module import load_module
from passes.errors import Unsupported, UsageError

MOST_SHOWN = 5


def load_pickled(path: Path, options: Options) -> Source:
    """Load the module in `path` and export it.

    Raises:
        BadSource: the file needs `trust`, or is damaged.
        UsageError: it holds weights without an architecture.
        Unsupported: it is TorchScript.
    """
    module = read_checkpoint(path, trust=options.trust, max_bytes=options.max_bytes)
    if not isinstance(module, torch.nn.Module):
        raise UsageError(
            f"{path.name} holds weights only; the model they belong to is not in it. {_first_weights(module)}".strip(),
            hint=f"Give the model as package.module:factory, torchvision:NAME or timm:NAME with --checkpoint {path}.",
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise Unsupported(
            f"{path.name} is TorchScript, which torch.export does not take.",
            hint=f"Build the model in Python: package.module:factory --checkpoint {path} --trust takes its weights.",
        )
    return load_module(module, options, description=f"the {type(module).__name__} in {path.name}")


def _first_weights(content: Any) -> str:
    """The first of them with their shapes, by which their owner may know them."""
    states = state_dicts(content)
    if not states:
        return ""
    _, weights = max(states, key=lambda pair: len(pair[1]))
    shown = [f"{name} [{', '.join(map(str, tensor.shape))}]" for name, tensor in list(weights.items())[:MOST_SHOWN]]
    more = len(weights) - len(shown)
    return f"They are {', '.join(shown)}{f' and {more} more' if more > 0 else ''}."
