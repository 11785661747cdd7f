"""The passes run on a copy of a source, with the one graph kept that the oracle may need on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.sources import memory_budget
from passes.normalize.open_batch import Opened
from passes.order import run_pipeline

if TYPE_CHECKING:
    from converter.options import Options
    from converter.sources import Source

NORMALISED = "SplitPads"
"""After this pass the graph is standard ONNX without anything that onnxruntime is known to get wrong."""


@dataclass(frozen=True)
class Prepared:
    """A source after the passes.

    Attributes:
        normalised: with explicit pads, axes still as in the source: for `Oracle.for_source`.
        final: for the backend.
    """

    normalised: ir.Model
    final: ir.Model


def prepare_source(
    source: Source,
    options: Options,
    *,
    keep_normalised: bool = True,
    observer: Callable[[str, ir.Model], None] | None = None,
) -> Prepared:
    """`prepare` for a source, with what was asked for."""
    return prepare(
        source.model,
        layout=options.layout,
        fold_batchnorm=options.folds_batchnorm,
        dropout=options.dropout,
        opened=source.opened,
        keep_normalised=keep_normalised,
        observer=observer,
    )


def prepare(
    model: ir.Model,
    *,
    layout: str = "channels_last",
    fold_batchnorm: bool = False,
    dropout: bool = True,
    opened: Opened | None = None,
    keep_normalised: bool = True,
    observer: Callable[[str, ir.Model], None] | None = None,
) -> Prepared:
    """Run the pipeline on a copy: the model given stays as it is, weights are shared.

    Args:
        opened: of the source.
        keep_normalised: for `Oracle.for_source`; without it `normalised` is the final graph.

    Raises:
        ValueError: no pass is called NORMALISED: which graph the oracle falls back on is not to change silently.
        LimitExceeded: a tensor on the way is larger than half of the machine's memory.
        ConversionError: as the pass says it.
    """
    kept: list[ir.Model] = []

    def observe(name: str, graph: ir.Model) -> None:
        if name == NORMALISED and keep_normalised:
            kept[:] = [graph.clone()]
        if observer is not None:
            observer(name, graph)

    final = run_pipeline(
        model.clone(),
        layout=layout,
        fold_batchnorm=fold_batchnorm,
        dropout=dropout,
        opened=opened,
        observer=observe,
    )
    if keep_normalised and not kept:
        raise ValueError(f"The pipeline has no pass {NORMALISED!r}, after which the oracle's graph is kept.")
    memory_budget.check_values(final)
    return Prepared(kept[0] if kept else final, final)
