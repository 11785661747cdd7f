"""Where a conversion goes wrong first: the pass that changed the outcome, else the layer that computes otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.ports import ports_of, to_source
from converter.prepare import prepare
from converter.proof.compare import Comparison, compare
from converter.proof.oracle import Oracle
from converter.proof.verdict import Verification
from converter.sources import Source
from passes.errors import BadSource

Array = np.ndarray[Any, np.dtype[Any]]
Observer = Callable[[str, ir.Model], None]
Traced = tuple[str, str, str, str, Array]
"""ONNX value name, layer name, module path, description of the node, what Keras computed for it."""


def locate(
    verification: Verification,
    source: Source,
    oracle: Oracle,
    trace: Callable[[list[Array]], Iterable[Traced]],
    *,
    layout: str = "channels_last",
    fold_batchnorm: bool = False,
) -> dict[str, Any] | None:
    """`first_difference` for a conversion that failed its verification; None where no output was wrong, because the
    export differs from its module or the precision is too low."""
    feeds = verification.counterexample
    if feeds is None:
        return None

    def run_passes(observer: Observer) -> ir.Model:
        return prepare(source.model, layout=layout, fold_batchnorm=fold_batchnorm, observer=observer).final

    return first_difference(feeds, oracle.run(feeds), run_passes=run_passes, trace=trace)


def first_difference(
    feeds: Mapping[str, Array],
    expected: Sequence[Array],
    *,
    run_passes: Callable[[Observer], ir.Model],
    trace: Callable[[list[Array]], Iterable[Traced]],
) -> dict[str, Any]:
    """Find it for one set of inputs that is known to come out wrong.

    Args:
        feeds: the inputs, axes as in the source.
        expected: what the oracle says about the source.
        run_passes: runs the pipeline on a fresh copy of the source, calls the observer after every pass, and returns
            the final graph.
        trace: computes the emitted model value by value, in order; takes its inputs, axes as the model has them.

    Returns:
        {"stage": "pass", "pass": ...} or {"stage": "layer", "layer": ..., "node": ..., "module": ...}, with "value",
        "reason" and "max_abs". {"stage": "model", "reason": ...} where the model stops, {"stage": "saved file"} where
        the model in memory agrees everywhere.
    """
    found: list[dict[str, Any]] = []

    def observe(name: str, model: ir.Model) -> None:
        if found:
            return
        wrong = _outputs_differ(model, feeds, expected)
        if wrong is not None:
            found.append({"stage": "pass", "pass": name, **_details(wrong)})

    final = run_passes(observe)
    if found:
        return found[0]
    turned = _turned(final, feeds)
    values = Oracle(final).values(turned)
    # Nested models are traced one by one: the order of the graph says what came first.
    order = {value.name: place for place, node in enumerate(final.graph) for value in node.outputs}
    try:
        traced = [item for item in trace(list(turned.values())) if item[0] in values and item[0] in order]
    except Exception as error:  # noqa: BLE001 - Keras raises what it likes, and the report says what
        return {"stage": "model", "value": None, "reason": f"{type(error).__name__}: {error}", "max_abs": None}
    for value, layer, module, node, array in sorted(traced, key=lambda item: order[item[0]]):
        comparison = compare(values[value], array, name=value)
        if not comparison.passed:
            place = {"stage": "layer", "layer": layer, "node": node, "module": module}
            return {**place, **_details(comparison)}
    reason = "the model in memory agrees, the saved one does not"
    return {"stage": "saved file", "value": None, "reason": reason, "max_abs": None}


def _turned(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs with the axes that this stage's graph gives them."""
    ports = ports_of([value for value in model.graph.inputs if value.name in feeds])
    return {port.name: port.to_keras(feeds[port.name]) for port in ports}


def _outputs_differ(model: ir.Model, feeds: Mapping[str, Array], expected: Sequence[Array]) -> Comparison | None:
    """The first wrong output of a stage. A stage that onnxruntime refuses says nothing: the next one is asked."""
    try:
        outputs = Oracle(model).run(_turned(model, feeds))
    except BadSource:
        return None
    ports = ports_of(model.graph.outputs)
    for port, reference, output in zip(ports, expected, to_source(ports, outputs), strict=True):
        comparison = compare(reference, output, name=port.name)
        if not comparison.passed:
            return comparison
    return None


def _details(comparison: Comparison) -> dict[str, Any]:
    return {"value": comparison.name, "reason": comparison.reason, "max_abs": comparison.to_dict()["max_abs"]}
