"""`package.module:factory`: a callable of the user's own that returns an nn.Module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from converter.sources.by_name.callables import find_callable
from converter.sources.torchvision_import import with_torchvision
from passes.errors import BadSource


def find_factory(text: str, arguments: Mapping[str, Any] | None = None) -> Callable[[], torch.nn.Module]:
    """Import the factory, with the current directory on the path; what it returns is checked when it is called.

    Args:
        arguments: what it is called with.

    Raises:
        UsageError: no such module, no such callable in it, or it does not take the arguments.
        BadSource: the module fails while it is imported.
    """
    given = dict(arguments or {})
    found = find_callable(text, given, with_torchvision)
    return lambda: _build(lambda: found(**given), text)


def _build(factory: Callable[[], Any], text: str) -> torch.nn.Module:
    try:
        module = with_torchvision(factory)
    except Exception as error:  # whatever the user's factory raises
        raise BadSource(f"{text} failed: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise BadSource(f"{text} returned {type(module).__name__}, not a torch.nn.Module.")
    return module
