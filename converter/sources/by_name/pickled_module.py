"""A `.pt` file: a whole module, pickled or as TorchScript (both are code, and need `--trust`), or weights alone."""

from __future__ import annotations

from pathlib import Path

import torch

from converter.options import Options
from converter.sources.by_name.bare_weights import load_bare, load_saved_pretrained
from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.source import Source
from converter.sources.torch.module import load_module
from passes.errors import Unsupported


def load_pickled(path: Path, options: Options) -> Source:
    """Load the module in `path`, or the one that its weights belong to, and export it.

    Raises:
        BadSource: the file needs `trust`, or is damaged.
        UsageError: it holds weights, and no single architecture is known that they fit.
        Unsupported: it is TorchScript.
    """
    saved = load_saved_pretrained(path, options)
    if saved is not None:
        return saved
    module = read_checkpoint(path, trust=options.trust, max_bytes=options.max_bytes)
    if not isinstance(module, torch.nn.Module):
        return load_bare(path, module, options)
    if isinstance(module, torch.jit.ScriptModule):
        raise Unsupported(
            f"{path.name} is TorchScript, which torch.export does not take.",
            hint=f"Build the model in Python: package.module:factory --checkpoint {path} --trust takes its weights.",
        )
    return load_module(module, options, description=f"the {type(module).__name__} in {path.name}")
