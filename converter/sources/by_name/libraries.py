"""Models by name: `torchvision:NAME`, `timm:NAME`, `transformers:FOLDER`. Nothing is ever downloaded."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from converter.input_spec import InputSpec
from converter.model_args import check_model_args
from converter.sources.by_name.transformers_folder import build_transformers
from converter.sources.torch.call import examples, signature
from converter.sources.torchvision_import import import_optional, import_torchvision
from passes.errors import UsageError

_SIZE = {"inception_v3": 299}
"""Image sizes of torchvision's models, where they are not 224."""


@dataclass(frozen=True)
class Recipe:
    """How to build a named model, and the inputs it usually has."""

    build: Callable[[], torch.nn.Module]
    inputs: Callable[[torch.nn.Module], list[InputSpec]]
    has_weights: bool = False


def find(zoo: str, name: str, *, random: bool = False, arguments: Mapping[str, Any] | None = None) -> Recipe | None:
    """The recipe for `zoo:name`; None when there is no such zoo.

    Args:
        random: whether the weights will be drawn, not read.
        arguments: what the builder is called with.

    Raises:
        UsageError: the zoo has no such model, is not installed, or its builder does not take the arguments.
    """
    given = dict(arguments or {})
    if zoo == "transformers":
        if given:
            raise UsageError("A transformers folder takes no --model-arg.", hint="Its config.json says what it is.")
        build, inputs = build_transformers(name, random=random)
        return Recipe(build, inputs, has_weights=not random)
    makers = {"torchvision": _torchvision, "timm": _timm}
    return makers[zoo](name, given) if zoo in makers else None


def list_models(zoo: str) -> list[str]:
    """The names of all models of torchvision or timm, sorted.

    Raises:
        UsageError: it is not installed.
    """
    torchvision = import_torchvision()
    return sorted(torchvision.models.list_models() if zoo == "torchvision" else import_optional("timm").list_models())


def _torchvision(name: str, given: dict[str, Any]) -> Recipe:
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
    check_model_args(builder, given, f"torchvision's {name}")
    size = _SIZE.get(name, 224)
    build = _built(lambda: builder(**options | given), given, f"torchvision's {name}")
    return Recipe(build, _image((3, size, size)))


def _timm(name: str, given: dict[str, Any]) -> Recipe:
    if importlib.util.find_spec("timm") is not None:  # timm's own need; without it, that is what is missing
        import_torchvision()
    timm = import_optional("timm")
    if not timm.is_model(name):
        raise UsageError(f"timm has no model {name!r}.", hint=_similar(name, timm.list_models()))
    config = timm.get_pretrained_cfg(name)
    size = config.input_size if config is not None else (3, 224, 224)
    build = _built(lambda: timm.create_model(name, pretrained=False, **given), given, f"timm's {name}")
    return Recipe(build, _image((given.get("in_chans", size[0]), *size[1:])))


def _built(make: Callable[[], torch.nn.Module], given: Mapping[str, Any], what: str) -> Callable[[], torch.nn.Module]:
    """A builder that says which arguments it fails with."""

    def build() -> torch.nn.Module:
        try:
            return make()
        except Exception as error:  # whatever the library makes of the user's arguments
            if not given:
                raise
            named = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise UsageError(f"{what} cannot be built with {named}: {error}", hint="See --model-arg.") from error

    return build


def _image(size: tuple[int, ...]) -> Callable[[torch.nn.Module], list[InputSpec]]:
    return lambda module: [InputSpec(signature.input_names(module)[0], "float32", (examples.BATCH, *size))]


def _similar(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(name, known)
    return f"Did you mean {', '.join(matches)}?" if matches else f"It has {len(known)} models, {known[0]} for example."
