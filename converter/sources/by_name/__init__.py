"""Modules that are built from their name: a factory of the user's own, or a model of a zoo."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from converter.options import Options
from converter.sources.by_name.factory import find_factory
from converter.sources.by_name.libraries import find
from converter.sources.checkpoints.fill import in_own_files
from converter.sources.source import Source
from converter.sources.torch.module import filled, load_filled
from converter.sources.torch.random_weights import build_seeded
from passes.errors import UsageError


def load_built(text: str, options: Options) -> Source:
    """Build the model that `text` names, and export it."""
    zoo, _, name = text.partition(":")
    recipe = find(zoo, name, random=options.random_weights is not None, arguments=options.model_args)
    if recipe is not None and not recipe.has_weights and not options.has_weights:
        raise UsageError(
            f"{text} needs weights; none are downloaded.",
            hint="Give --checkpoint FILE, or --random-weights SEED for random ones.",
        )
    make = find_factory(text, options.model_args) if recipe is None else recipe.build
    build = partial(build_seeded, make, options.random_weights)
    is_loaded = recipe is not None and recipe.has_weights and options.checkpoint is None
    built = in_own_files(build) if is_loaded else filled(build, options)
    if recipe is not None and not options.inputs and options.example_inputs is None:
        options = replace(options, inputs=recipe.inputs(built.module))
    return load_filled(built, options, kind="factory" if recipe is None else zoo, description=text)
