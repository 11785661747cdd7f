"""A graph that has been through the passes becomes a Keras model, once it is known that every operator can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.options import Options
from converter.sources import Source
from passes.errors import Unsupported, joined

if TYPE_CHECKING:
    from converter.backends.keras.emitted import Emission


def emit_model(final: ir.Model, options: Options, loaded: Source) -> Emission:
    """Build the Keras model.

    Raises:
        Unsupported: naming all nodes that are not converted, or, where the model has to be portable, not by plain
            Keras.
    """
    from converter.backends.keras.emit import emit, unsupported

    problems = unsupported(final.graph)
    if problems:
        raise joined(problems)
    emission = emit(
        final,
        structure=options.structure,
        name=loaded.name,
        outputs=options.outputs,
        nameless=loaded.nameless,
        trainable=loaded.trainable,
        noise=loaded.noise,
    )
    if options.portable and emission.custom_layers:
        raise joined([_not_portable(told) for told in emission.custom_layers])
    return emission


def _not_portable(told: dict[str, str | None]) -> Unsupported:
    where = f"{told['node']!r}" + (f" in module {told['module']}" if told["module"] else "")
    return Unsupported(
        f"Plain Keras cannot say it: {told['reason']}.",
        node=where,
        hint=f"Without --portable it becomes a {told['layer']} layer of keraport.layers, which the file then needs.",
    )
