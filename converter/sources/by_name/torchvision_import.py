"""Importing torchvision, and what imports it, where its compiled operators do not load: beside a CPU build of torch."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import torch

from passes.errors import BadSource, UsageError

_LIBRARIES: list[torch.library.Library] = []
"""Operator libraries that we defined: they vanish when nothing holds them."""


def import_torchvision() -> ModuleType:
    """torchvision, with the schemas of `nms` and `qnms` defined by us where its own did not load.

    Its Python side needs them to exist; none of the models we build calls them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_optional("torchvision")
        except RuntimeError as error:
            if "torchvision::nms does not exist" not in str(error):
                raise BadSource(f"torchvision cannot be imported: {error}") from error
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
        return import_optional("torchvision")


def import_optional(package: str) -> ModuleType:
    """A package that keraport can do without.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise UsageError(
            f"This source needs {package}, which is not installed.", hint=f"pip install {package}"
        ) from error
