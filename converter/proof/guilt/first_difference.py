"""Where a conversion goes wrong: the pass that changed the outcome, else the layer that computes otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.options import Options
from converter.ports import ports_of, to_source
from converter.prepare import prepare_source
from converter.proof.compare import Comparison, compare, tolerance_for
from converter.proof.guilt.diff import Traced, Values, turned
from converter.proof.oracle import Oracle
from converter.proof.verdict import Verification
from converter.sources import Source
from passes.errors import MODULE_KEY, BadSource, describe

Array = np.ndarray[Any, np.dtype[Any]]
Observer = Callable[[str, ir.Model], None]


@dataclass(frozen=True)
class Tracing:
    """What a model computes, value by value.

    Attributes:
        cumulative: takes the model's inputs: each layer is given what the ones before it made.
        isolated: takes what the oracle computes, by value: each layer is given that.
    """

    cumulative: Callable[[list[Array]], Iterable[Traced]]
    isolated: Callable[[Mapping[str, Array]], Iterable[Traced]]


def locate(
    verification: Verification,
    source: Source,
    oracle: Oracle,
    tracing: Tracing,
    options: Options,
) -> dict[str, Any] | None:
    """`first_difference` for a conversion that failed its verification; None where no output was wrong, because the
    export differs from its module or the precision is too low."""
    feeds = verification.counterexample
    if feeds is None:
        return None

    def run_passes(observer: Observer) -> ir.Model:
        return prepare_source(source, options, observer=observer).final

    try:
        return first_difference(feeds, oracle.run(feeds), run_passes=run_passes, tracing=tracing)
    except BadSource:  # our graph does not run where the source does: what the model said is all that is known
        return None


def first_difference(
    feeds: Mapping[str, Array],
    expected: Sequence[Array],
    *,
    run_passes: Callable[[Observer], ir.Model],
    tracing: Tracing,
) -> dict[str, Any]:
    """Find it for one set of inputs that is known to come out wrong.

    Args:
        feeds: the inputs, axes as in the source.
        expected: what the oracle says about the source.
        run_passes: runs the pipeline on a fresh copy of the source, calls the observer after every pass, and returns
            the final graph.
        tracing: of the emitted model.

    Returns:
        {"stage": "pass", "pass": ...}, with the "node" and "module" after the pass that compute another number first
        where that can be told, or {"stage": "layer", ...} as `ValueDifference` has it: the layer that is wrong though
        its inputs are right, else the first one that is wrong as errors flow. Both with "value", "reason" and
        "max_abs". {"stage": "model", "reason": ...} where the model stops, {"stage": "saved file"} where the model in
        memory agrees everywhere.
    """
    found: list[dict[str, Any]] = []
    before: list[ir.Model] = []

    def observe(name: str, model: ir.Model) -> None:
        if found:
            return
        wrong = _outputs_differ(model, feeds, expected)
        if wrong is not None:
            place = _changed(before[0], model, feeds) if before else {}
            found.append({"stage": "pass", "pass": name, **place, **_details(wrong)})
        before[:] = [model.clone()]

    final = run_passes(observe)
    if found:
        return found[0]
    values = Values(final, feeds)
    try:
        flowing = list(tracing.cumulative(list(values.inputs.values())))
        compared = values.differences(tracing.isolated(values.known), flowing)
    except Exception as error:  # noqa: BLE001 - Keras raises what it likes, and the report says what
        return {"stage": "model", "value": None, "reason": f"{type(error).__name__}: {error}", "max_abs": None}
    guilty = next((item for item in compared if not item.isolated.passed), None)
    if guilty is not None:
        return {"view": "isolated", **guilty.to_dict()}
    victim = next((item for item in compared if item.cumulative is not None and not item.cumulative.passed), None)
    if victim is not None and victim.cumulative is not None:
        return {"view": "cumulative", **victim.to_dict(), **_details(victim.cumulative)}
    reason = "the model in memory agrees, the saved one does not"
    return {"stage": "saved file", "value": None, "reason": reason, "max_abs": None}


def _changed(before: ir.Model, after: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Any]:
    """The first node of a stage that computes other numbers than the stage before has under the same name.

    Axes may have been moved on purpose: only the sorted numbers are compared.
    """
    try:
        old = Oracle(before).values(turned(before, feeds))
        new = Oracle(after).values(turned(after, feeds))
    except BadSource:
        return {}
    for node in after.graph:
        for value in node.outputs:
            if value.name in old and value.name in new and not _same_numbers(old[value.name], new[value.name]):
                return {"node": describe(node), "module": node.metadata_props.get(MODULE_KEY, ""), "at": value.name}
    return {}


def _same_numbers(a: Array, b: Array) -> bool:
    if a.size != b.size or a.dtype != b.dtype or a.dtype.kind in "OUS":
        return a.size == b.size
    return compare(np.sort(a, axis=None), np.sort(b, axis=None), tolerance_for(a.dtype)).passed


def _outputs_differ(model: ir.Model, feeds: Mapping[str, Array], expected: Sequence[Array]) -> Comparison | None:
    """The first wrong output of a stage. A stage that onnxruntime refuses says nothing: the next one is asked."""
    try:
        outputs = Oracle(model).run(turned(model, feeds))
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
