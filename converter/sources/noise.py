"""The random numbers that a source draws become inputs of its graph: then it is a function, which can be compared.

Given    z = RandomNormalLike<scale=2>(x);  y = Add(x, z)
Result   t = Mul(z_noise, 2);  y = Add(x, t)                 z_noise an input, of the shape of x

What a file has to draw itself is thus told from what is computed with it, on both sides alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from converter.sources.source import DrawnNoise, Source
from passes.dims.polynomial import Dim, symbols
from passes.errors import MODULE_KEY, ConversionError
from passes.graph.builder import FreshNames, shape_of, sizes_of
from passes.normalize.operators.random_numbers import DISTRIBUTIONS, draws, noise_for, write_out
from passes.order import SETTLING
from passes.shapes.infer import InferShapes

UNTIL_SHAPES = SETTLING[: SETTLING.index(InferShapes) + 1]


def with_noise_as_inputs(source: Source) -> Source:
    """The source with an input for what each of its nodes draws, on a copy of the graph.

    As it is where it draws nothing, or something that is refused later: in a branch, a loop or a function, of a size
    that does not follow from those of the inputs, or where sizes that its file fixes were opened.
    """
    nodes = [node for node in source.model.graph if draws(node)]
    if not nodes or source.opened is not None:
        return source
    shaped = source.model.clone()
    try:
        for each in UNTIL_SHAPES:
            each()(shaped)
    except ConversionError:  # told where it belongs, when the passes are run
        return source
    model = source.model.clone()
    _name_sizes(model.graph, shaped.graph)
    noise = _drawn(model, {value.name: node for node in shaped.graph for value in node.outputs})
    if not noise:
        return source
    model.ir_version = max(model.ir_version, 4)  # from which on constants are no inputs
    count = f"The model draws random numbers in {len(noise)} place{'s' * (len(noise) > 1)}"
    told = f"{count}: in the proof they are inputs, the same for both sides; the file draws them anew at each call."
    return replace(source, model=model, noise=noise, notes=[*source.notes, told])


def _name_sizes(graph: ir.Graph, shaped: ir.Graph) -> None:
    """The sizes that an input leaves open without a name have those by which the noise is counted."""
    named = {value.name: value.shape for value in shaped.inputs}
    for value in graph.inputs:
        shape = named.get(value.name)
        if shape is not None and value.shape is not None:
            value.shape = shape


def _drawn(model: ir.Model, shaped: dict[str | None, ir.Node]) -> dict[str, DrawnNoise]:
    """Rewrite each node of which the noise is known; the inputs made for them, by name."""
    names = FreshNames(model)
    asked = {symbol for value in model.graph.inputs for symbol in _symbols(sizes_of(value))}
    found: dict[str, DrawnNoise] = {}
    for node in [node for node in model.graph if draws(node)]:
        like = shaped.get(node.outputs[0].name)
        wanted = None if like is None else noise_for(like)
        if like is None or wanted is None or None in wanted[0] or not _symbols(wanted[0]) <= asked:
            continue
        kind = like.outputs[0].dtype
        assert kind is not None  # noise_for has looked at it
        name = names.fresh(f"{node.outputs[0].name}_noise")
        value = ir.Value(name=name, shape=shape_of(wanted[0]), type=ir.TensorType(wanted[1]))
        found[name] = DrawnNoise(
            DISTRIBUTIONS[node.op_type], _seed(node), node.name or str(node.outputs[0].name), _module(like)
        )
        write_out(node, names, value, kind)
        model.graph.inputs.append(value)
    return found


def _seed(node: ir.Node) -> int | None:
    """As onnxruntime reads it. Dropout has a whole number, the others a float."""
    seed = node.attributes.get("seed")
    return None if seed is None or not np.isfinite(seed.value) else int(seed.value)


def _module(node: ir.Node) -> str | None:
    return node.metadata_props.get(MODULE_KEY) or None


def _symbols(sizes: Sequence[Dim | None]) -> set[str]:
    return {name for size in sizes if size is not None for name in symbols(size)}
