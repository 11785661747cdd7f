"""A SavedModel, a LiteRT, ONNX or OpenVINO file as something to call, in the child that replays: by its own runtime.

Loaded by `replay_child.py` from beside it, never imported as a part of keraport.
"""

from __future__ import annotations

import os
from collections import namedtuple
from typing import Any

Named = namedtuple("Named", ("name", "shape"))
"""An input or output; None stands for an open size."""


def opened(path: str, inputs: list[str], outputs: list[str]) -> Any:
    """A file by the runtime of its kind.

    Args:
        inputs, outputs: the names by which it will be called, in order.
    """
    if os.path.isdir(path):
        return SavedModel(path, inputs, outputs)
    kinds = {".onnx": Onnx, ".xml": OpenVino}
    return kinds.get(os.path.splitext(path)[1], Lite)(path, inputs, outputs)


class ExportedFunction:
    """A function of named arrays, called with a list of them.

    Attributes:
        inputs, outputs: what it has, in its own order.
    """

    inputs: list[Named]
    outputs: list[Named]

    def __init__(self, names: list[str], results: list[str]) -> None:
        self._names, self._results = names, results

    def __call__(self, arrays: Any, *, training: bool = False) -> list[Any]:
        given = list(arrays) if isinstance(arrays, list | tuple) else [arrays]
        found = self.run(dict(zip(self._names, given, strict=True)))
        return [found[name] for name in self._results]

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class SavedModel(ExportedFunction):
    """The default signature of a SavedModel folder."""

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        import tensorflow as tf

        super().__init__(inputs, outputs)
        self._loaded = tf.saved_model.load(path)
        self._signature = self._loaded.signatures["serving_default"]
        _, declared = self._signature.structured_input_signature
        self.inputs = [Named(name, _sizes(spec.shape)) for name, spec in declared.items()]
        results = sorted(self._signature.structured_outputs.items(), key=_numbered)
        self.outputs = [Named(name, _sizes(spec.shape)) for name, spec in results]

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        return dict(self._signature(**{name: tf.constant(array) for name, array in given.items()}))


def _numbered(item: tuple[str, Any]) -> int:
    """TensorFlow has the outputs in no order; where they have no names, Keras has called them output_0, output_1, …"""
    number = item[0].rpartition("_")[2]
    return int(number) if item[0].startswith("output_") and number.isdecimal() else -1


class Lite(ExportedFunction):
    """A LiteRT file; its sizes are set to those of each call. Without a signature its tensors' names are taken."""

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        super().__init__(inputs, outputs)
        self._interpreter = _interpreter(path)
        self._signature = next(iter(self._interpreter.get_signature_list()), None)
        if self._signature is not None:
            runner = self._interpreter.get_signature_runner(self._signature)
            taken, made = runner.get_input_details(), runner.get_output_details()
        else:
            taken, made = (
                {told["name"]: told for told in details}
                for details in (self._interpreter.get_input_details(), self._interpreter.get_output_details())
            )
        self._taken, self._made = taken, made
        self.inputs, self.outputs = (
            [Named(name, _open(told["shape_signature"])) for name, told in details.items()] for details in (taken, made)
        )

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        if self._signature is not None:
            return dict(self._interpreter.get_signature_runner(self._signature)(**given))
        for name, array in given.items():
            self._interpreter.resize_tensor_input(self._taken[name]["index"], array.shape)
        self._interpreter.allocate_tensors()
        for name, array in given.items():
            self._interpreter.set_tensor(self._taken[name]["index"], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(told["index"]) for name, told in self._made.items()}


class Onnx(ExportedFunction):
    """An ONNX file, by onnxruntime."""

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        import onnxruntime as ort

        super().__init__(inputs, outputs)
        self._session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.inputs, self.outputs = (
            [Named(value.name, [n if isinstance(n, int) else None for n in value.shape]) for value in values]
            for values in (self._session.get_inputs(), self._session.get_outputs())
        )

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        results = self._session.run(None, given)
        return {value.name: array for value, array in zip(self.outputs, results, strict=True)}


class OpenVino(ExportedFunction):
    """An OpenVINO graph and its weights beside it, computed in 32 bits on the processor."""

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        import openvino

        super().__init__(inputs, outputs)
        self._model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.inputs, self.outputs = (
            [Named(port.any_name, _dimensions(port.partial_shape)) for port in ports]
            for ports in (self._model.inputs, self._model.outputs)
        )

    def run(self, given: dict[str, Any]) -> dict[str, Any]:
        results = self._model(given)
        return {port.any_name: results[port] for port in self._model.outputs}


def _dimensions(shape: Any) -> list[int | None]:
    return [size.get_length() if size.is_static else None for size in shape]


def _open(sizes: Any) -> list[int | None]:
    """-1 as None."""
    return [None if size < 0 else int(size) for size in sizes]


def _sizes(shape: Any) -> list[int | None]:
    return [] if shape.rank is None else list(shape.as_list())


def _interpreter(path: str) -> Any:
    """LiteRT's own package where it is installed; TensorFlow still has the same."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import warnings

        import tensorflow as tf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TensorFlow will drop it
            return tf.lite.Interpreter(model_path=path)
    return Interpreter(model_path=path)
