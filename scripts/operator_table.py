"""Which operators of the ONNX standard are converted: read from the registry, not kept by hand."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from passes.graph.unsupported import BY_PASSES, REFUSED


@dataclass(frozen=True)
class Operators:
    """The standard's operators by what becomes of them.

    `unclassified` is empty when passes/graph/unsupported.py is complete.
    """

    emitted: list[str]
    by_passes: list[str]
    refused: list[str]
    unclassified: list[str]
    twice: list[str]


def classify() -> Operators:
    """Every operator of the newest standard that the onnx package knows, without the deprecated ones."""
    from converter.terminal.quiet_tensorflow import import_backend

    import_backend()
    from converter.backends.keras import ops  # noqa: F401 - fills the registry
    from converter.backends.keras.build.registry import OPERATORS

    standard = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain and not schema.deprecated}
    emitted = {name.partition("::")[2] or name for name in OPERATORS} & standard
    by_passes = set(BY_PASSES) - emitted
    refused = {name for group in REFUSED for name in group.operators}
    return Operators(
        emitted=sorted(emitted),
        by_passes=sorted(by_passes),
        refused=sorted(refused),
        unclassified=sorted(standard - emitted - by_passes - refused),
        twice=sorted((emitted | by_passes) & refused),
    )
