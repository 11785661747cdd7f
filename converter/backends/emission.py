"""A graph that has been through the passes becomes a Keras model, once it is known that every operator can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.options import Options
from converter.sources import Source
from passes.errors import joined

if TYPE_CHECKING:
    from converter.backends.keras.emit import Emission


def emit_model(final: ir.Model, options: Options, loaded: Source) -> Emission:
    """Build the Keras model.

    Raises:
        Unsupported: naming all nodes that are not converted.
    """
    from converter.backends.keras.emit import emit, unsupported

    problems = unsupported(final.graph)
    if problems:
        raise joined(problems)
    return emit(
        final,
        structure=options.structure,
        name=loaded.name,
        outputs=options.outputs,
        nameless=loaded.nameless,
        trainable=loaded.trainable,
    )
