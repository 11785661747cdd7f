"""The smallest graph that still goes wrong, as files that can be attached to a report of the bug.

repro.onnx   the node by itself, in standard operators, axes as in ONNX
inputs.npz   what it is given
layer.keras  what keraport made of it
repro.py     runs both and compares; needs onnxruntime and Keras, not keraport
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.atomic_output import write_text
from converter.proof.compare import tolerance_for
from converter.proof.guilt.diff import ValueDifference, Values, part_of
from passes.lower import to_standard

Array = np.ndarray[Any, np.dtype[Any]]

SCRIPT = '''"""{what}

Run it in this folder: python repro.py
"""

import keras
import numpy as np
import onnxruntime

given = dict(np.load("inputs.npz"))
session = onnxruntime.InferenceSession("repro.onnx")
expected = session.run({outputs!r}, {{taken.name: given[taken.name] for taken in session.get_inputs()}})
inputs = [np.transpose(given[name], axes) for name, axes in {inputs!r}]
found = keras.tree.flatten(keras.saving.load_model("layer.keras")(inputs if len(inputs) > 1 else inputs[0]))
for name, a, b, axes in zip({outputs!r}, expected, found, {axes!r}):
    b = np.transpose(keras.ops.convert_to_numpy(b), axes)
    apart, allowed = np.abs(a.astype(float) - b.astype(float)), {atol} + {rtol} * np.abs(a.astype(float))
    at = np.unravel_index(np.argmax(apart - allowed), apart.shape)
    print(f"{{name}} {{a.shape}} {{b.shape}}: difference {{apart[at]:.3g}} at {{at}}, allowed {{allowed[at]:.3g}}")
    assert (apart <= allowed).all(), "They differ."
'''


def write_repro(folder: Path, found: ValueDifference, values: Values, part: tuple[Any, Sequence[ir.Value]]) -> Path:
    """Write the files into a folder, which is made where there is none.

    Args:
        found: the guilty layer.
        values: of the run in which it was found.
        part: the layer as a Keras model of its own, and the values that it takes.
    """
    node = values.nodes[found.value]
    model, taken = part
    graph = to_standard(part_of(values.final, [node]))
    # Both what the layer takes and what it should take.
    given = {value.name or "": values.known[value.name or ""] for value in (*taken, *graph.graph.inputs)}
    inward, outward = _without_transposes(graph.graph)
    names = {value.name for value in graph.graph.inputs}
    feeds = {
        name: np.transpose(array, _inverse(inward.get(name), array, forward=True))
        for name, array in given.items()
        if name in names
    }
    extra = {name: array for name, array in given.items() if name not in names}  # Keras counts on it, ONNX does not
    folder.mkdir(parents=True, exist_ok=True)
    ir.save(graph, folder / "repro.onnx")
    np.savez(folder / "inputs.npz", **feeds, **extra)  # type: ignore[arg-type]
    model.save(folder / "layer.keras")
    tolerance = tolerance_for(values.known[found.value].dtype)
    outputs = [value.name for value in graph.graph.outputs]
    write_text(
        folder / "repro.py",
        SCRIPT.format(
            what=f"{found.node}: {found.isolated.reason}.",
            inputs=[(name, _inverse(inward.get(name), given[name])) for name in (value.name or "" for value in taken)],
            outputs=outputs,
            axes=[_inverse(outward.get(str(name)), values.known[str(name)], forward=True) for name in outputs],
            atol=tolerance.atol,
            rtol=tolerance.rtol,
        ),
    )
    return folder


def _inverse(axes: Sequence[int] | None, array: Array, *, forward: bool = False) -> list[int]:
    """The permutation that takes the graph's axes to the model's; forward, the one that takes the model's to it."""
    if axes is None:
        return list(range(array.ndim))
    return [int(axis) for axis in (axes if forward else np.argsort(axes))]


def _without_transposes(graph: ir.Graph) -> tuple[Mapping[str, list[int]], Mapping[str, list[int]]]:
    """Take Transposes off the graph's ends: the permutation of what goes in there, and of what comes out."""
    inward: dict[str, list[int]] = {}
    outward: dict[str, list[int]] = {}
    for value in list(graph.inputs):
        users = [node for node, _ in value.uses()]
        if len(users) == 1 and users[0].op_type == "Transpose" and not users[0].outputs[0].is_graph_output():
            inward[value.name or ""] = list(users[0].attributes.get_ints("perm"))
            users[0].outputs[0].replace_all_uses_with(value)
            value.shape = users[0].outputs[0].shape
            graph.remove(users[0], safe=True)
    for place, value in enumerate(list(graph.outputs)):
        node = value.producer()
        source = None if node is None else node.inputs[0]
        if node is None or source is None or node.op_type != "Transpose" or source.producer() is None:
            continue
        if len(source.uses()) == 1:
            outward[value.name or ""] = [int(axis) for axis in np.argsort(node.attributes.get_ints("perm"))]
            graph.outputs[place] = source
            graph.remove(node)
            source.name, value.name = value.name, None
    return inward, outward
