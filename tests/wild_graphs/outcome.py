"""What becomes of a graph: "passes", why it is refused, or what is wrong; and the smallest part of it that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx.utils import Extractor

import converter
from converter.errors import BadSource, ConversionError
from converter.proof import cases
from converter.proof.compare import compare
from converter.proof.noise import uncertainty, weighed
from converter.proof.oracle import Oracle
from tests.harness import run_keras
from tests.wild_graphs.drawing import SIZES, Array

PASSES, NOISE, REFUSED, WRONG, CRASH = "passes", "rounding decides", "refused", "WRONG", "CRASH"


def outcome(model: onnx.ModelProto) -> str:
    """Beginning with one of the above; of several outputs the first that is wrong.

    A difference within three times what the oracle's own rounding does is none, as in a proof; where a whole number or
    a truth depends on rounding, the graph says nothing.
    """
    graph = ir.from_proto(model)
    try:
        oracle = Oracle(graph, threads=1)
    except BadSource:
        return f"{NOISE}: onnxruntime runs its nodes, not the graph"
    try:
        conversion = converter.convert(graph, verify=False)
    except ConversionError as error:
        return f"{REFUSED}: {error.message}"
    except Exception as error:  # noqa: BLE001 (a bug, which is what is looked for)
        return f"{CRASH} {type(error).__name__}: {error}"
    said = [_compared(oracle, conversion, trial) for trial in _trials(graph)]
    return next((each for each in said if each != PASSES), PASSES)


def _trials(graph: ir.Model) -> Iterator[Mapping[str, Array]]:
    inputs = cases.graph_inputs(graph)
    for seed, sizes in enumerate((*SIZES, {**SIZES[0], "batch": 1})):
        yield cases.feeds(inputs, cases.Case(seed, {**cases.base_sizes(inputs, {}), **sizes}))


def _compared(oracle: Oracle, conversion: converter.Conversion, feeds: Mapping[str, Array]) -> str:
    try:
        expected = oracle.run(feeds)
    except BadSource:  # it is not valid at this size
        return PASSES
    try:
        found = run_keras(conversion, feeds)
    except Exception as error:  # noqa: BLE001 (whatever the backend raises)
        return f"{WRONG} fails when it runs, {type(error).__name__}: {error}"
    noise: list[float] | None = None
    for place, (name, reference, result) in enumerate(
        zip([port.name for port in conversion.outputs], expected, found, strict=True)
    ):
        comparison = compare(reference, result, name=name)
        if comparison.passed:
            continue
        noise = noise or uncertainty(oracle, feeds, expected, _moved)
        if reference.dtype.kind != "f":
            return NOISE if noise[place] else f"{WRONG} {comparison.reason}"
        weighted = weighed(comparison, reference, noise[place])
        if not weighted.passed:
            return NOISE if weighted.ill_conditioned else f"{WRONG} {weighted.reason} (noise {noise[place]:.3g})"
    return PASSES


def _moved(a: Array, b: Array) -> float:
    """How far apart, whatever the type: one that changes its mind about a NaN has moved, too."""
    if a.shape != b.shape:
        return float("inf")
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not np.array_equal(np.isfinite(x), np.isfinite(y)):
        return float("inf")
    finite = np.isfinite(x)
    return float(np.abs(x[finite] - y[finite]).max(initial=0.0))


def smallest(model: onnx.ModelProto, said: str) -> onnx.ModelProto:
    """The graph up to its first value with the same kind of outcome, and from as late a value as that still has it."""
    kind = said.split(" ")[0].rstrip(":")
    inputs = [port.name for port in model.graph.input]
    names = [name for node in model.graph.node for name in node.output]
    for name in names:
        part = _between(model, inputs, name)
        if part is not None and outcome(part).startswith(kind):
            return _later(part, name, kind)
    return model


def _later(model: onnx.ModelProto, output: str, kind: str) -> onnx.ModelProto:
    for node in reversed(model.graph.node):
        known = {port.name for port in model.graph.input} | {each for n in model.graph.node for each in n.output}
        starts = [name for name in node.input if name in known]
        part = _between(model, starts, output)
        if part is not None and len(part.graph.node) < len(model.graph.node) and outcome(part).startswith(kind):
            return part
    return model


def _between(model: onnx.ModelProto, inputs: list[str], output: str) -> onnx.ModelProto | None:
    try:
        part: onnx.ModelProto = Extractor(model).extract_model(inputs, [output])
        used = {name for node in part.graph.node for name in node.input}
        kept = [port for port in part.graph.input if port.name in used]
        del part.graph.input[:]
        part.graph.input.extend(kept)
        onnx.checker.check_model(part)
    except Exception:  # noqa: BLE001 (then there is no such part)
        return None
    return part if kept else None
