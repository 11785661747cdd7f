"""The smallest part of a graph that comes out as the whole does."""

from __future__ import annotations

import onnx
from onnx.utils import Extractor

from tests.wild_graphs.outcome import outcome


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
