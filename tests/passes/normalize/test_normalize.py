"""The settle stage as a whole: real files, exports with dynamic sizes, large weights, long graphs."""

from __future__ import annotations

import cProfile
import json
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from converter.proof.compare import Tolerance, compare
from converter.proof.oracle import Oracle
from passes.order import NORMALIZING
from tests.harness import graph, operators
from tests.settling import settle, sizes_at
from tests.zoo import zoo_file

SHAPE_ARITHMETIC = {"Shape", "Size", "Gather", "Cast", "Range", "ConstantOfShape", "Expand", "Constant", "Identity"}


def same_numbers(source: ir.Model | Path, settled: ir.Model, sizes: list[dict[str, int]]) -> None:
    """Outputs as before, and every inferred shape as it really is, at several sizes."""
    before, after = Oracle(source, threads=1), Oracle(settled, threads=1)
    for bindings in sizes:
        feeds = {}
        for value in settled.graph.inputs:
            shape = [int(str(size)) for size in sizes_at(value, bindings)]
            feeds[value.name or ""] = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        for a, b in zip(before.run(feeds), after.run(feeds), strict=True):
            result = compare(a, b, Tolerance(1e-5, 1e-6))
            assert result.passed, f"{bindings}: {result.reason}"
        found = after.values(feeds)
        for node in settled.graph:
            for output in node.outputs:
                if output.name in found:
                    assert sizes_at(output, bindings) == list(found[output.name].shape), output


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("version-RFB-320.onnx", {"Conv": 52, "BatchNormalization": 35, "Reshape": 8, "Transpose": 8, "Softmax": 1}),
        ("yunet_n_320_320.onnx", {"Conv": 59, "Resize": 2, "Reshape": 12, "Transpose": 12, "Add": 2}),
    ],
)
def test_real_files_settle_completely(name: str, nodes: dict[str, int]) -> None:
    """TorchScript exports with a static batch: of opset 9 and 11, weights among the inputs, shapes computed."""
    path = zoo_file(name)
    model = settle(ir.load(path))
    count = Counter(operators(model))
    assert not SHAPE_ARITHMETIC & count.keys()
    assert {op_type: count[op_type] for op_type in nodes} == nodes
    same_numbers(path, model, [{}])


def test_branches_on_sizes_that_are_given_go() -> None:
    """silero-vad: a dozen Ifs in one another, and lists; with the sizes it is used with, 39 nodes are left of 350."""
    path = zoo_file("silero_vad_16k_op15.onnx")
    source = ir.load(path)
    fixed = {"input": [1, 576], "state": [2, 1, 128], "sr": []}
    for value in source.graph.inputs:
        value.shape = ir.Shape(fixed[value.name or ""])
    model = settle(source)
    assert "If" not in operators(model) and len(operators(model)) == 39
    rng = np.random.default_rng(0)
    feeds = {
        "input": rng.standard_normal((1, 576)).astype(np.float32) * 0.1,
        "state": rng.standard_normal((2, 1, 128)).astype(np.float32),
        "sr": np.array(16000),
    }
    before = Oracle(path, threads=1).run(feeds)
    for a, b in zip(before, Oracle(model, threads=1).run(feeds), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def network() -> object:
    """Everything whose export computes with sizes: interpolation to another tensor's size, flatten, shuffle, slices."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, 2, 1)
            self.norm = nn.BatchNorm2d(8)
            self.second = nn.Conv2d(8, 16, 3, 2, 1)
            self.up = nn.Conv2d(16, 8, 1, bias=False)
            self.layer_norm = nn.LayerNorm(8)
            self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
            self.head = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            a = functional.relu(self.norm(self.first(x)))
            b = self.up(self.second(a))
            u = functional.interpolate(b, size=a.shape[2:], mode="bilinear", align_corners=False)
            v = functional.interpolate(b, scale_factor=2, mode="nearest")[:, :, : a.shape[2], : a.shape[3]]
            y = u + a + v
            n, c, h, w = y.shape
            z = self.layer_norm(y.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)
            z = z.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
            k, m = z.chunk(2, 1)
            pooled = torch.cat([k * m, k - m], 1).mean((2, 3))
            return self.head(pooled), self.pool(z), functional.adaptive_avg_pool2d(z, 1).squeeze(-1).squeeze(-1)

    torch.manual_seed(0)
    return Network().eval()


AXES = {"static": {}, "batch": {0: "batch"}, "image": {0: "batch", 2: "h", 3: "w"}}
SIZES = [{"batch": 2, "h": 32, "w": 48}, {"batch": 1, "h": 33, "w": 39}, {"batch": 3, "h": 35, "w": 30}]


@pytest.mark.parametrize(("opset", "dynamic"), [(11, "image"), (11, "static"), (13, "batch"), (17, "image")])
def test_torchscript_exports(network: object, opset: int, dynamic: str, tmp_path: Path) -> None:
    import torch

    path = tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,  # type: ignore[arg-type]
            (torch.zeros(2, 3, 32, 48),),
            str(path),
            opset_version=opset,
            input_names=["x"],
            dynamic_axes={"x": AXES[dynamic]},
            dynamo=False,
        )
    model = settle(ir.load(path))
    sizes = {"static": SIZES[:1], "batch": [{"batch": 2}, {"batch": 1}, {"batch": 3}], "image": SIZES}[dynamic]
    same_numbers(path, model, sizes)
    left = SHAPE_ARITHMETIC & set(operators(model))
    assert left == (set() if dynamic != "image" else {"Shape", "Gather"})
    sizes_seen = {str(dim) for node in model.graph for output in node.outputs for dim in output.shape or ()}
    assert not any(size.startswith("unk__") for size in sizes_seen)
    paths = {node.metadata_props["keraport.module"] for node in model.graph}
    assert {"first", "second", "up", "pool", "head"} <= paths


def test_an_export_of_torch_keeps_modules_and_weights(network: object) -> None:
    import torch

    program = torch.onnx.export(
        network,  # type: ignore[arg-type]
        (torch.zeros(2, 3, 32, 48),),
        dynamo=True,
        optimize=False,
        verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    assert program is not None
    source = program.model
    model = settle(source.clone())
    same_numbers(source, model, [{"batch": 2}, {"batch": 1}, {"batch": 3}])
    assert not SHAPE_ARITHMETIC & set(operators(model))
    convolutions = {n.metadata_props["keraport.module"]: n for n in model.graph if n.op_type == "Conv"}
    assert convolutions.keys() == {"first", "second", "up"}
    assert [len(convolutions[name].inputs) for name in ("first", "second", "up")] == [3, 3, 2]
    assert convolutions["first"].metadata_props["keraport.class"].endswith("Conv2d")
    for name, node in convolutions.items():
        weight = node.inputs[1]
        assert weight is not None
        assert json.loads(weight.metadata_props["keraport.weight"]) == {"name": f"{name}.weight", "view": []}


def test_weights_of_more_than_2_gb_are_not_read(tmp_path: Path) -> None:
    """Two weights of 2 GB each in a sparse file: neither the opset's rewrites nor a transpose looks at them."""
    rows, columns = 16384, 32768
    size = rows * columns * 4
    with open(tmp_path / "weights.bin", "wb") as file:
        file.truncate(2 * size)
    inputs = f"float[batch, {columns}] x, float[{rows}, {columns}] a, float[{rows}, {columns}] b"
    model = graph(
        f"""<ir_version: 8, opset_import: ["" : 11]> g ({inputs}) => (float[batch, {rows}] y) {{
            t = Transpose(a)  p = MatMul(x, t)  q = Gemm<transB=1>(x, b)  s = Add(p, q)  y = Softmax(s)
        }}"""
    )
    for number, value in enumerate(list(model.graph.inputs)[1:]):
        shape, name = ir.Shape([rows, columns]), value.name or ""
        tensor = ir.ExternalTensor(
            "weights.bin", number * size, size, ir.DataType.FLOAT, shape=shape, name=name, base_dir=tmp_path
        )
        model.graph.inputs.remove(value)
        value.const_value = tensor
        model.graph.register_initializer(value)
    tracemalloc.start()
    settle(model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    view = model.graph.initializers["a_view"].const_value
    assert isinstance(view, ir.LazyTensor) and list(view.shape) == [columns, rows]
    assert isinstance(model.graph.initializers["b"].const_value, ir.ExternalTensor)
    assert operators(model) == ["MatMul", "Gemm", "Add", "Softmax"]


def _chain(count: int) -> ir.Model:
    x = ir.Value(name="x", shape=ir.Shape(["batch", 8, 16, 16]), type=ir.TensorType(ir.DataType.FLOAT))
    tensor = ir.tensor(np.ones((8, 8, 1, 1), np.float32), name="w")
    weight = ir.Value(name="w", shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
    nodes: list[ir.Node] = []
    last = x
    for index in range(count):
        inputs = {0: [last, weight], 2: [last, last]}.get(index % 4, [last])
        nodes.append(ir.node(("Conv", "Relu", "Add", "Identity")[index % 4], inputs, name=f"n{index}"))
        last = nodes[-1].outputs[0]
        last.name = f"v{index}"
    last.type = ir.TensorType(ir.DataType.FLOAT)
    main = ir.Graph([x], [last], nodes=nodes, initializers=[weight], opset_imports={"": 17}, name="chain")
    return ir.Model(main, ir_version=10)


def test_work_is_in_proportion_to_nodes() -> None:
    """Calls of functions are counted, not seconds: they do not depend on what else the machine does."""

    def calls(count: int) -> int:
        model = _chain(count)
        with cProfile.Profile() as profile:
            for make in NORMALIZING:
                model = make()(model).model
        return sum(entry.callcount for entry in profile.getstats())

    assert calls(2000) <= 2.05 * calls(1000)


def test_a_size_that_grows_with_every_layer_stays_small() -> None:
    """Thirty strided layers, dynamic sizes: each floor falls into the one before."""
    layers = "  ".join(f"v{i} = MaxPool<kernel_shape=[2], strides=[2], pads=[1, 0]>(v{i - 1})" for i in range(1, 31))
    model = settle(graph(f"g (float[batch, 2, length] v0) => (float[batch, 2, l] v30) {{ {layers} }}"))
    assert str(model.graph.outputs[0].shape) == f"[batch,2,floor(length/{2**30} + {(2**30 - 1)}/{2**30})]"
