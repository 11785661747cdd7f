"""What the functions are called: after the class of the module, or after the module."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Mapping

_CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}
"""Classes that say nothing of what is in them."""

OF_THE_FILE = {"keras", "layers", "ops", "np", "nested", "name", "index", "model", "weights", "build_model"}
"""Names that mean something in every file."""

_RESERVED = {*OF_THE_FILE, *dir(builtins), *keyword.kwlist}


def function_name(model: str, classes: Mapping[str, str], taken: Collection[str]) -> str:
    """`basic_block` for a model whose module is a BasicBlock; `layers_block` for `encoder-layers-3` without a class.

    Args:
        model: the name of a nested model.
        classes: of the source's modules, by the names of their models.
        taken: names of other functions.
    """
    kind = classes.get(model, "")
    wanted = _snake(kind) if kind and kind not in _CONTAINERS else _after_module(model)
    name, number = wanted, 1
    while name in taken or name in _RESERVED:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


def _after_module(model: str) -> str:
    *_, last = parts if (parts := re.findall(r"[A-Za-z_]\w*", model)) else ["block"]
    ends_in_number = re.search(r"[-._]\d+$", model) is not None
    found = _snake(re.sub(r"\W|_\d+$", "", last)).strip("_") or "block"
    return f"{found}_block" if ends_in_number and not found.endswith(("block", "layer")) else found
