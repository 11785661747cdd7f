"""`--constant NAME=VALUE`: an input that always has one value is none: a sampling rate, a mode, a number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.sources.source import Source
from passes.errors import UsageError


def fix_inputs(source: Source, constants: Mapping[str, Any]) -> Source:
    """The source with these inputs as constants. onnxruntime is then asked about the graph, not about the file.

    Raises:
        UsageError: the source is a module, an input is unknown, or a value does not fit it.
    """
    if source.torch_module is not None:
        raise UsageError(
            "--constant is for ONNX files.", hint="Leave the argument out of forward(), or give it a default."
        )
    model = source.model.clone()
    known = {value.name: value for value in model.graph.inputs}
    unknown = sorted(set(constants) - set(known))
    if unknown:
        raise UsageError(
            f"There is no input {', '.join(map(repr, unknown))}.", hint=f"The inputs are {', '.join(map(str, known))}."
        )
    for name, number in constants.items():
        _fix(model.graph, known[name], number)
    if not model.graph.inputs:
        raise UsageError("All inputs are constants: nothing is left to convert.")
    told = ", ".join(f"{name}={value}" for name, value in constants.items())
    return replace(source, model=model, path=None, notes=[*source.notes, f"Constant inputs: {told}."])


def _fix(graph: ir.Graph, value: ir.Value, number: Any) -> None:
    dtype = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy()
    try:
        array = np.asarray(number, dtype)
        sizes = list(value.shape or array.shape)
        if array.size == 1 and len(sizes) != array.ndim:
            array = array.reshape([1] * len(sizes))
        fits = len(sizes) == array.ndim and all(
            not isinstance(size, int) or size == own for size, own in zip(sizes, array.shape, strict=True)
        )
    except (ValueError, TypeError, OverflowError):
        fits = False
    if not fits:
        raise UsageError(f"The value {number!r} does not fit the input {value.name!r}: {dtype}, shape {value.shape}.")
    graph.inputs.remove(value)
    value.const_value = ir.tensor(array, name=value.name)
    value.shape = ir.Shape(array.shape)
    graph.register_initializer(value)
