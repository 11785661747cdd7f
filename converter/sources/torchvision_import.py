"""Importing torchvision, and what imports it, where its compiled operators do not load: beside a CPU build of torch."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import torch

from converter.sources.torchvision_kernels import define, say_that_they_are_there
from passes.errors import BadSource, UsageError

T = TypeVar("T")

_MISSING = "torchvision::nms does not exist"

_LIBRARIES: list[torch.library.Library] = []
"""Operator libraries that we defined: they vanish when nothing holds them."""


def with_torchvision(action: Callable[[], T]) -> T:
    """Do what may import torchvision, by somebody else's code; once more where its operators were missing."""
    try:
        return action()
    except Exception as error:
        if _MISSING not in _chain(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what was imported half
    import_torchvision()
    return action()


def _chain(error: BaseException | None) -> str:
    """The messages of an error and of what caused it."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def import_torchvision() -> ModuleType:
    """torchvision, with operators of ours where its own did not load: its Python side needs them to exist."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_optional("torchvision")
        except RuntimeError as error:
            if _MISSING not in str(error):
                raise BadSource(f"torchvision cannot be imported: {error}") from error
        library = torch.library.Library("torchvision", "DEF")
        define(library)
        _LIBRARIES.append(library)
        module = import_optional("torchvision")
        say_that_they_are_there()
        return module


def import_optional(package: str) -> ModuleType:
    """A package that keraport can do without; the extra that has it is called after it.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UsageError(
            f"This source needs {package}, which is not installed.", hint=f"pip install 'keraport[{package}]'"
        ) from error
