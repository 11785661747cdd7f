"""What becomes of a graph: "passes", why it is refused, or what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper

import converter
from converter.errors import BadSource, ConversionError
from converter.proof.compare import Tolerance, compare
from converter.proof.inputs import cases
from converter.proof.noise import nudged, weighed
from converter.proof.oracle import Oracle
from converter.proof.oracle.faults import known_fault
from converter.proof.precision import tolerances_of
from tests.harness import run_keras
from tests.wild_graphs.drawing import SIZES, Array, numbers

SHAKE = """<domain: "shake", opset_import: ["" : 23]> Shake (x, k) => (y) {
    shape = Shape(x) n = Size(x) zero = Constant<value_int: int = 0>() one = Constant<value_int: int = 1>()
    i = Range(zero, n, one) f = Cast<to: int = 1>(i) p = Mul(f, k) s = Sin(p)
    ulp = Constant<value: tensor = float {2e-7}>() r = Mul(s, ulp)
    flat = Reshape(r, shape) d = Mul(x, flat) y = Add(x, d)
}"""
SHAKE_SUM = (
    SHAKE.replace("Shake (x, k)", "ShakeSum (x, k, of)")
    .replace("shape = Shape(x)", "shape = Shape(x) a = Abs(of) m = ReduceMax<keepdims: int = 0>(a)")
    .replace("Mul(x, flat)", "Mul(m, flat)")
)
SHAKE_HALF = (
    SHAKE.replace("Shake (x, k)", "ShakeHalf (x, k)").replace("2e-7", "5e-4").replace("Sin(p)", "Expand(g, shape)")
    .replace("p = Mul(f, k)", "c = Sin(k) g = Sign(c)")
)  # fmt: skip
"""Of 16 bits, which onnxruntime computes in 32 where it has no kernel, without the rounding between: all up or down."""
_SUMS = (
    "Attention Conv ConvTranspose CumSum Einsum Gemm GroupNormalization InstanceNormalization LayerNormalization "
    "MatMul MeanVarianceNormalization ReduceL1 ReduceMean ReduceSum Sub"
)
HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
SUMS = frozenset(_SUMS.split())
"""What they sum up may cancel: the result is then off by what was rounded before."""

SHAKES = (12.9898, 78.233, 3.7, 45.164)
PASSES, NOISE, REFUSED, WRONG, CRASH = "passes", "rounding decides", "refused", "WRONG", "CRASH"


def outcome(model: onnx.ModelProto) -> str:
    """Beginning with one of the above; of several outputs the first that is wrong.

    A difference within three times what rounding does is none, as in a proof; where a whole number or a truth depends
    on rounding, the graph says nothing.
    """
    graph = ir.from_proto(model)
    if known_fault(graph):
        return f"{NOISE}: onnxruntime is known to be wrong"
    try:
        oracle, shaken = Oracle(graph, threads=1), Oracle(ir.from_proto(_shaken(model)), threads=1)
    except BadSource:
        return f"{NOISE}: onnxruntime runs its nodes, not the graph"
    try:
        conversion = converter.convert(graph, verify=False)
    except ConversionError as error:
        return f"{REFUSED}: {error.message}"
    except Exception as error:  # noqa: BLE001 (a bug, which is what is looked for)
        return f"{CRASH} {type(error).__name__}: {error}"
    tolerances = tolerances_of(graph.graph)
    said = [_compared(oracle, shaken, conversion, trial, tolerances) for trial in _trials(graph)]
    return next((each for each in said if each != PASSES), PASSES)


def _trials(graph: ir.Model) -> Iterator[Mapping[str, Array]]:
    """The numbers with which the graph was drawn: at others it may compute what is not defined."""
    inputs = cases.graph_inputs(graph)
    for named in SIZES:
        sizes = {**cases.base_sizes(inputs, {}), **named}
        yield {
            value.name or "": numbers(
                [size if isinstance(size, int) else sizes[size.value or ""] for size in value.shape or ()],
                value.dtype.numpy().name if value.dtype is not None else "float32",
                place,
            )
            for place, value in enumerate(inputs, 1)
        }


def _compared(
    oracle: Oracle,
    shaken: Oracle,
    conversion: converter.Conversion,
    feeds: Mapping[str, Array],
    tolerances: Mapping[str, Tolerance],
) -> str:
    try:
        expected = oracle.run(feeds)
    except BadSource:  # it is not valid at this size
        return PASSES
    if not all(array.size for array in expected):  # of what is empty onnxruntime forgets axes
        return PASSES
    try:
        found = run_keras(conversion, feeds)
    except Exception as error:  # noqa: BLE001 (whatever the backend raises)
        return f"{WRONG} fails when it runs, {type(error).__name__}: {error}"
    noise: list[float] | None = None
    for place, (name, reference, result) in enumerate(
        zip([port.name for port in conversion.outputs], expected, found, strict=True)
    ):
        comparison = compare(reference, result, tolerances.get(name), name=name)
        if comparison.passed:
            continue
        noise = noise or _noise(shaken, feeds, expected)
        if np.isinf(noise[place]):
            return NOISE
        if reference.dtype.kind != "f":
            return NOISE if noise[place] else f"{WRONG} {comparison.reason}"
        weighted = weighed(comparison, reference, noise[place])
        if not weighted.passed:
            return NOISE if weighted.ill_conditioned else f"{WRONG} {weighted.reason} (noise {noise[place]:.3g})"
    return PASSES


def _shaken(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with a rounding on every float that a node makes, another one at each place and for each "shake".

    Inputs that are moved do not do: where two rows are equal, they stay so, and which is the greater is rounding's.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.functions.extend(onnx.parser.parse_function(text) for text in (SHAKE, SHAKE_SUM, SHAKE_HALF))
    result.opset_import.append(helper.make_opsetid("shake", 1))
    result.graph.input.append(helper.make_tensor_value_info("shake", onnx.TensorProto.FLOAT, []))
    floats = {port.name for port in (*model.graph.value_info, *model.graph.output) if _is_float(port)}
    inputs = {port.name for port in model.graph.input if _is_float(port)}
    halves = {port.name for port in model.graph.value_info if port.type.tensor_type.elem_type in HALVES}
    del result.graph.node[:]
    for node in model.graph.node:
        made = result.graph.node.add()
        made.CopyFrom(node)
        for place, name in enumerate(node.output):
            if name in floats:
                made.output[place] = f"{name}_before"
                is_sum = node.op_type in SUMS and node.input[0] in {*floats, *inputs}
                told = [f"{name}_before", "shake", *(node.input[:1] if is_sum else ())]
                is_half = node.op_type == "Cast" and node.input[0] in halves
                kind = "ShakeSum" if is_sum else "ShakeHalf" if is_half else "Shake"
                result.graph.node.append(helper.make_node(kind, told, [name], domain="shake"))
    return result


def _is_float(port: onnx.ValueInfoProto) -> bool:
    return bool(port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def _noise(shaken: Oracle, feeds: Mapping[str, Array], expected: Sequence[Array]) -> list[float]:
    try:
        answers = [
            shaken.run({**nudged(feeds, seed), "shake": np.array(shake, np.float32)})
            for seed, shake in enumerate(SHAKES)
        ]
    except BadSource:
        return [float("inf")] * len(expected)
    return [max(_moved(a, answer[place]) for answer in answers) for place, a in enumerate(expected)]


def _moved(a: Array, b: Array) -> float:
    """How far apart, whatever the type: one that changes its mind about a NaN has moved, too."""
    if a.shape != b.shape:
        return float("inf")
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not np.array_equal(np.isfinite(x), np.isfinite(y)):
        return float("inf")
    finite = np.isfinite(x)
    return float(np.abs(x[finite] - y[finite]).max(initial=0.0))
