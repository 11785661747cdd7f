"""Write a transformer with random weights, to see what large models take.

python -m scripts.large_model FOLDER [--from onnx|checkpoint] [--layers 48] [--width 1504]

As an ONNX file with external data, or as a safetensors checkpoint of models/large_transformer.py. 48 layers of 1504 are
1.3 billion parameters, 5.2 GB. The file is written layer by layer; little of it is in memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

HEADS = 16
LENGTH = 32
DATA = "model.onnx.data"


class Writer:
    """Nodes and initializers, the numbers of which go to a file at once.

    Args:
        folder: where they go.
    """

    def __init__(self, folder: Path) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._file = (folder / DATA).open("wb")
        self._generator = np.random.default_rng(0)

    def weight(self, name: str, *shape: int, scale: float = 0.02) -> str:
        numbers = self._generator.standard_normal(shape, np.float32) * np.float32(scale)
        tensor = onnx.TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": DATA, "offset": self._file.tell(), "length": numbers.nbytes}
        tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=str(v)) for key, v in place.items())
        numbers.tofile(self._file)
        self.initializers.append(tensor)
        return name

    def number(self, name: str, values: Sequence[int] | float) -> str:
        array = np.array(values, np.float32 if isinstance(values, float) else np.int64)
        self.initializers.append(onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, op_type: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def close(self) -> None:
        self._file.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="kind", choices=("onnx", "checkpoint"), default="onnx")
    parser.add_argument("--layers", type=int, default=48)
    parser.add_argument("--width", type=int, default=1504)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.kind == "checkpoint":
        _checkpoint(options.folder / "weights.safetensors", options.layers, options.width)
    else:
        _onnx(options.folder, options.layers, options.width)
    return 0


def _onnx(folder: Path, layers: int, width: int) -> None:
    write = Writer(folder)
    write.number("heads", [0, 0, HEADS, width // HEADS])
    write.number("joined", [0, 0, width])
    write.number("scale", float((width // HEADS) ** -0.5))
    x = "x"
    for layer in range(layers):
        x = _block(write, f"layers.{layer}", x, width)
    y = _linear(write, "head", x, width, 10)
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", LENGTH, width])]
    results = [helper.make_tensor_value_info(y, TensorProto.FLOAT, ["batch", LENGTH, 10])]
    graph = helper.make_graph(write.nodes, "large", ports, results, write.initializers)
    write.close()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _checkpoint(path: Path, layers: int, width: int) -> None:
    """A header that says where each tensor is, and the tensors."""
    import torch

    from models.large_transformer import build

    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in build(layers, width).state_dict().items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            scale = 1.0 if "norm" in name and name.endswith("weight") else 0.02
            (generator.standard_normal(shape, np.float32) * np.float32(scale)).tofile(file)


def _block(write: Writer, name: str, x: str, width: int) -> str:
    """Attention and a feed-forward net, each behind a LayerNormalization and beside a residual."""
    normed = _norm(write, f"{name}.norm1", x, width)
    parts = {}
    for part in ("query", "key", "value"):
        dense = _linear(write, f"{name}.{part}", normed, width, width)
        heads = write.node("Reshape", [dense, "heads"], f"{name}.{part}.heads")
        order = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
        parts[part] = write.node("Transpose", [heads], f"{name}.{part}.turned", perm=order)
    scores = write.node("MatMul", [parts["query"], parts["key"]], f"{name}.scores")
    scaled = write.node("Mul", [scores, "scale"], f"{name}.scaled")
    shares = write.node("Softmax", [scaled], f"{name}.shares", axis=-1)
    mixed = write.node("MatMul", [shares, parts["value"]], f"{name}.mixed")
    back = write.node("Transpose", [mixed], f"{name}.back", perm=[0, 2, 1, 3])
    joined = write.node("Reshape", [back, "joined"], f"{name}.joined")
    x = write.node("Add", [x, _linear(write, f"{name}.out", joined, width, width)], f"{name}.attended")
    wide = _linear(write, f"{name}.up", _norm(write, f"{name}.norm2", x, width), width, 4 * width)
    active = write.node("Gelu", [wide], f"{name}.gelu")
    return write.node("Add", [x, _linear(write, f"{name}.down", active, 4 * width, width)], f"{name}.result")


def _norm(write: Writer, name: str, x: str, width: int) -> str:
    inputs = [x, write.weight(f"{name}.weight", width, scale=1.0), write.weight(f"{name}.bias", width)]
    return write.node("LayerNormalization", inputs, name, axis=-1)


def _linear(write: Writer, name: str, x: str, width: int, out: int) -> str:
    product = write.node("MatMul", [x, write.weight(f"{name}.weight", width, out)], f"{name}.product")
    return write.node("Add", [product, write.weight(f"{name}.bias", out)], name)


if __name__ == "__main__":
    raise SystemExit(main())
