"""Models by name: `torchvision:NAME`, `timm:NAME`, `transformers:FOLDER`. Nothing is ever downloaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from converter.input_spec import InputSpec
from converter.sources.by_name.torchvision_import import import_optional, import_torchvision
from converter.sources.by_name.transformers_folder import build_transformers
from converter.sources.torch import examples, signature
from passes.errors import UsageError

_SIZE = {"inception_v3": 299}
"""Image sizes of torchvision's models, where they are not 224."""


@dataclass(frozen=True)
class Recipe:
    """How to build a named model, and the inputs it usually has."""

    build: Callable[[], torch.nn.Module]
    inputs: Callable[[torch.nn.Module], list[InputSpec]]
    has_weights: bool = False


def find(zoo: str, name: str, *, random: bool = False) -> Recipe | None:
    """The recipe for `zoo:name`; None when there is no such zoo.

    Raises:
        UsageError: the zoo has no such model, or is not installed.
    """
    if zoo == "transformers":
        build, inputs = build_transformers(name, random=random)
        return Recipe(build, inputs, has_weights=not random)
    makers = {"torchvision": _torchvision, "timm": _timm}
    return makers[zoo](name) if zoo in makers else None


def list_models(zoo: str) -> list[str]:
    """The names of all models of torchvision or timm, sorted.

    Raises:
        UsageError: it is not installed.
    """
    torchvision = import_torchvision()
    return sorted(torchvision.models.list_models() if zoo == "torchvision" else import_optional("timm").list_models())


def _torchvision(name: str) -> Recipe:
    torchvision = import_torchvision()
    try:
        builder = torchvision.models.get_model_builder(name)
    except ValueError as error:
        raise UsageError(
            f"torchvision has no model {name!r}.", hint=_similar(name, torchvision.models.list_models())
        ) from error
    options: dict[str, Any] = {"weights": None}
    known = inspect.signature(builder).parameters
    if "weights_backbone" in known:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = True
    size = _SIZE.get(name, 224)
    return Recipe(lambda: builder(**options), _image((3, size, size)))


def _timm(name: str) -> Recipe:
    import_torchvision()
    timm = import_optional("timm")
    if not timm.is_model(name):
        raise UsageError(f"timm has no model {name!r}.", hint=_similar(name, timm.list_models()))
    config = timm.get_pretrained_cfg(name)
    size = config.input_size if config is not None else (3, 224, 224)
    return Recipe(lambda: timm.create_model(name, pretrained=False), _image(size))


def _image(size: tuple[int, ...]) -> Callable[[torch.nn.Module], list[InputSpec]]:
    return lambda module: [InputSpec(signature.input_names(module)[0], "float32", (examples.BATCH, *size))]


def _similar(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(name, known)
    return f"Did you mean {', '.join(matches)}?" if matches else f"It has {len(known)} models, {known[0]} for example."
