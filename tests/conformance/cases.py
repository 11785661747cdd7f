"""One case of onnx.backend.test through the converter, compared with the results that come with it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from onnx import numpy_helper

import converter
from converter.errors import ConversionError
from converter.ports import WIDER, to_keras

KINDS = ("node", "pytorch-converted", "pytorch-operator", "simple")
WAYS = ("given", "constant")
"""As the case is, or with all of its inputs but the first as constants, as models in use have them."""

HALF = (2e-2, 1e-2)
"""rtol and atol of results of 16 bits and fewer: onnx' reference computes some of them in float32."""


@cache
def cases() -> Mapping[str, Any]:
    """All cases by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases are computed, with infinities among their numbers
        from onnx.backend.test.loader import load_model_tests

        found = {f"{kind}:{case.name}": case for kind in KINDS for case in load_model_tests(kind=kind)}
    return dict(sorted(found.items()))


def outcome(name: str, way: str) -> str:
    """ "passes", "has no tensors" where it is about lists, why it is refused, or what is wrong with its results."""
    model, inputs, expected = _read(cases()[name])
    if not all(isinstance(array, np.ndarray | np.generic) for array in (*inputs, *expected)):
        return "has no tensors"
    feeds = _feeds(model, inputs)
    if way == "constant":
        model.ir_version = max(model.ir_version, 4)  # from then on constants are no inputs
        for value in list(model.graph.input):
            if value.name in list(feeds)[1:]:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(feeds[value.name]), value.name))
                model.graph.input.remove(value)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            conversion = converter.convert(path, verify=False, layout="source")
        except ConversionError as error:
            return f"{type(error).__name__}: {error.message}"
    try:
        arrays = to_keras(conversion.inputs, [np.asarray(feeds[port.name]) for port in conversion.inputs])
        found = conversion.model(arrays)
    except Exception as error:  # noqa: BLE001 (whatever the backend raises)
        return f"fails when it runs: {type(error).__name__}"
    arrays = [keras.ops.convert_to_numpy(tensor) for tensor in (found if isinstance(found, list) else [found])]
    return "; ".join(filter(None, map(_difference, arrays, expected))) or "passes"


def oracle_passes(name: str) -> bool:
    """Whether onnxruntime gives the results that come with the case."""
    import onnxruntime

    model, inputs, expected = _read(cases()[name])
    if not all(isinstance(array, np.ndarray | np.generic) for array in (*inputs, *expected)):
        return False
    feeds = _feeds(model, inputs)
    try:
        found = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, feeds
        )
    except Exception:  # noqa: BLE001 (whatever it raises)
        return False
    return all(
        np.array_equal(a, b) if np.asarray(a).dtype.kind in "OU" else not _difference(np.asarray(a), np.asarray(b))
        for a, b in zip(found, expected, strict=True)
    )


def _feeds(model: onnx.ModelProto, inputs: Sequence[Any]) -> dict[str, Any]:
    """By the names of those inputs that are no constants."""
    given = {value.name for value in model.graph.initializer}
    return dict(zip([value.name for value in model.graph.input if value.name not in given], inputs, strict=False))


def _read(case: Any) -> tuple[onnx.ModelProto, Sequence[Any], Sequence[Any]]:
    """The model and its first set of inputs and outputs, in memory or in the folder of the case."""
    if case.model is not None:
        inputs, outputs = case.data_sets[0]
        return onnx.ModelProto.FromString(case.model.SerializeToString()), *map(_arrays, (inputs, outputs))
    folder = Path(case.model_dir)
    data = sorted(folder.glob("test_data_set_*"))[0]
    files = [sorted(data.glob(f"{kind}_*.pb"), key=lambda p: int(p.stem.split("_")[1])) for kind in ("input", "output")]
    model = onnx.load(folder / "model.onnx")
    if any(value.type.WhichOneof("value") != "tensor_type" for value in (*model.graph.input, *model.graph.output)):
        return model, [None], [None]
    inputs, outputs = ([onnx.TensorProto.FromString(file.read_bytes()) for file in found] for found in files)
    return model, _arrays(inputs), _arrays(outputs)


def _arrays(values: Sequence[Any]) -> list[Any]:
    return [numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value for value in values]


def _difference(found: np.ndarray, expected: np.ndarray) -> str:
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    if found.dtype.name != WIDER.get(expected.dtype.name, expected.dtype.name):
        return f"dtype {found.dtype}, not {expected.dtype}"
    rtol, atol = HALF if found.dtype.itemsize <= 2 and found.dtype.kind not in "iub" else (1e-3, 1e-5)
    a, b = (np.asarray(array).astype(np.float64) for array in (found, expected))
    return "" if np.allclose(a, b, rtol, atol, equal_nan=True) else "other numbers"
