"""Modules that are built from their name: a factory of the user's own, or a model of a zoo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter.sources.by_name.factory import find_factory
from converter.sources.by_name.libraries import find
from converter.sources.input_spec import InputSpec
from converter.sources.source import Source
from converter.sources.torch.module import load_module
from converter.sources.torch.random_weights import build_seeded
from passes.errors import UsageError


def load_built(
    text: str,
    *,
    specs: Sequence[InputSpec] = (),
    example_inputs: Any = None,
    checkpoint: str | Path | None = None,
    random_weights: int | None = None,
    trust: bool = False,
    max_bytes: int | None = None,
    state: str = "refuse",
) -> Source:
    """Build the model that `text` names, and export it."""
    zoo, _, name = text.partition(":")
    recipe = find(zoo, name, random=random_weights is not None)
    if recipe is None:
        module = build_seeded(find_factory(text), random_weights)
    else:
        if not recipe.has_weights and checkpoint is None and random_weights is None:
            raise UsageError(
                f"{text} needs weights; none are downloaded.",
                hint="Give --checkpoint FILE, or --random-weights SEED for random ones.",
            )
        module = build_seeded(recipe.build, random_weights)
        if not specs and example_inputs is None:
            specs = recipe.inputs(module)
    return load_module(
        module,
        specs=specs,
        example_inputs=example_inputs,
        checkpoint=checkpoint,
        random_weights=random_weights,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
        kind="factory" if recipe is None else zoo,
        description=text,
    )
