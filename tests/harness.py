"""The one comparison of the tests: onnxruntime on the source against what keraport made of it.

    check_onnx(TEXT)                       # the whole way to a Keras model in memory
    check_pass(SplitPads(), TEXT)          # a pass alone: onnxruntime before against onnxruntime after

Graphs are ONNX text (`onnx.parser`), protos, `ir.Model`s or paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
from onnx_ir.passes import InPlacePass

from converter.ports import ports_of, to_keras, to_source
from converter.proof.compare import Comparison, Tolerance, compare
from converter.proof.inputs import arrays, cases
from converter.proof.oracle import Oracle

Array = np.ndarray[Any, np.dtype[Any]]
Graph = str | Path | onnx.ModelProto | ir.Model
PRIVATE_DOMAINS = ("nhwc", "keraport")


@dataclass
class Checked:
    """What a check went through, for further assertions: the model, and the worst comparison of each output."""

    model: Any
    comparisons: list[Comparison]

    @property
    def max_abs(self) -> float:
        return max((c.max_abs for c in self.comparisons), default=0.0)


def graph(source: Graph) -> ir.Model:
    """An `ir.Model` of its own. Text may leave out the header, then it is opset 23, and keraport's domains if used."""
    if isinstance(source, ir.Model):
        return source.clone()
    if isinstance(source, onnx.ModelProto):
        return ir.from_proto(source)
    if isinstance(source, Path) or source.endswith(".onnx"):
        return ir.load(source)
    text = source.strip()
    if not text.startswith("<"):
        domains = ['"" : 23', *(f'"{domain}" : 1' for domain in PRIVATE_DOMAINS if f"{domain}." in text)]
        text = f"<ir_version: 10, opset_import: [{', '.join(domains)}]>\n{text}"
    return ir.from_proto(onnx.parser.parse_model(text))


def operators(model: ir.Model) -> list[str]:
    """The operators of the main graph in order, `nhwc::Conv` outside of the standard domain."""
    return [f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in model.graph]


def check_pass(
    under_test: InPlacePass,
    source: Graph,
    *,
    feeds: Sequence[Mapping[str, Array]] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    seeds: Iterable[int] = (0,),
    tolerance: Tolerance | None = None,
    reference: Graph | None = None,
    modified: bool | None = None,
) -> ir.Model:
    """Run a pass, twice, and require that the graph computes what it did and that the second run changes nothing.

    Args:
        under_test: the pass.
        source: the graph before it.
        feeds: inputs to try; made from `sizes` and `seeds` when not given.
        sizes: for dynamic dimensions, the numbers to try, all combinations: {"batch": (1, 3), "h": (5, 8)}.
        seeds: one set of inputs for each.
        tolerance: None takes the one of each output's dtype.
        reference: the graph to compare with instead of `source`, where onnxruntime is wrong or refuses.
        modified: whether the pass must say that it changed something.

    Returns:
        The graph after the pass.
    """
    model = graph(source)
    before = Oracle(graph(reference if reference is not None else source), threads=1)
    trials = list(feeds) if feeds is not None else _trials(model, sizes, seeds)
    result = under_test(model)
    if modified is not None:
        assert result.modified is modified, f"{type(under_test).__name__} said modified={result.modified}"
    after = Oracle(result.model, threads=1)
    inputs, outputs = ports_of(cases.graph_inputs(result.model)), ports_of(result.model.graph.outputs)
    for trial in trials:
        turned = {port.name: port.to_keras(np.asarray(trial[port.name])) for port in inputs}
        found = to_source(outputs, after.run(turned))
        _require(_compare_all(model, before.run(trial), found, tolerance), trial)
    again = under_test(result.model)
    assert not again.modified, f"{type(under_test).__name__} changes its own result: {operators(again.model)}"
    return again.model


def check_onnx(
    source: Graph,
    *,
    feeds: Sequence[Mapping[str, Array]] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    seeds: Iterable[int] = (0,),
    tolerance: Tolerance | None = None,
    reference: Graph | None = None,
    layout: str = "channels_last",
    **options: Any,
) -> Checked:
    """Convert a graph to a Keras model in memory and require equal outputs for every trial.

    The arguments are those of `check_pass`; `options` go to `converter.convert`. `model` of the result is the
    Keras model.
    """
    import converter

    model = graph(source)
    oracle = Oracle(graph(reference if reference is not None else source), threads=1)
    trials = list(feeds) if feeds is not None else _trials(model, sizes, seeds)
    conversion = converter.convert(model, verify=False, layout=layout, **options)
    worst: list[Comparison] = []
    for trial in trials:
        found = _compare_all(model, oracle.run(trial), run_keras(conversion, trial), tolerance)
        _require(found, trial)
        worst = found if not worst else [max(pair, key=lambda c: c.max_abs) for pair in zip(worst, found, strict=True)]
    return Checked(conversion.model, worst)


def run_keras(conversion: Any, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs of a converted model in memory, inputs and outputs in the source's order of axes."""
    import keras

    arrays = to_keras(conversion.inputs, [np.asarray(feeds[port.name]) for port in conversion.inputs])
    result = conversion.model(arrays if len(arrays) != 1 else arrays[0], training=False)
    outputs = [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(result)]
    return to_source(conversion.outputs, outputs)


def _trials(model: ir.Model, sizes: Mapping[str, Sequence[int]] | None, seeds: Iterable[int]) -> list[dict[str, Array]]:
    inputs = cases.graph_inputs(model)
    base = cases.base_sizes(inputs, {})
    choices = {name: (size,) for name, size in base.items()} | dict(sizes or {})
    if sizes is None:
        choices |= {n: (1, 3) for n, role in cases.dynamic_axes(inputs).items() if role == "batch"}
    return [
        arrays.feeds(inputs, cases.Case(seed, dict(zip(choices, numbers, strict=True))))
        for numbers in product(*choices.values())
        for seed in seeds
    ]


def _compare_all(
    model: ir.Model, reference: Sequence[Array], result: Sequence[Array], tolerance: Tolerance | None
) -> list[Comparison]:
    assert len(reference) == len(result), f"{len(result)} outputs, expected {len(reference)}"
    names = [value.name or "" for value in model.graph.outputs]
    return [compare(a, b, tolerance, name=name) for name, a, b in zip(names, reference, result, strict=True)]


def _require(comparisons: Sequence[Comparison], feeds: Mapping[str, Array]) -> None:
    shapes = {name: tuple(np.shape(array)) for name, array in feeds.items()}
    failures = [f"output {c.name!r}: {c.reason}" for c in comparisons if not c.passed]
    assert not failures, f"inputs {shapes}: " + "; ".join(failures)
