"""What the user opens: native nested layers, names of the source, any backend, any depth."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest

import converter
from converter.ports import to_keras, to_source
from converter.processes.replay import Replay
from converter.proof.oracle import Oracle
from converter.sources import load
from tests.harness import graph
from tests.zoo import needs

needs("torchvision", "timm")


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> converter.Conversion:
    return converter.convert("torchvision:resnet18", random_weights=1, verify=False)


def test_modules_are_nested_models(resnet18: converter.Conversion) -> None:
    stage = resnet18.model.get_layer("layer1")
    assert isinstance(stage, keras.Model)
    block = stage.get_layer("layer1-0")
    assert isinstance(block, keras.Model)
    assert isinstance(block.get_layer("layer1-0-conv1"), keras.layers.Conv2D)
    assert isinstance(block.get_layer("layer1-0-bn1"), keras.layers.BatchNormalization)
    paths = {variable.path for variable in block.variables}
    assert paths == {
        *(f"layer1-0-conv{i}/kernel" for i in (1, 2)),
        *(f"layer1-0-bn{i}/{v}" for i in (1, 2) for v in ("gamma", "beta", "moving_mean", "moving_variance")),
    }


def test_every_variable_knows_its_weight(resnet18: converter.Conversion) -> None:
    assert set(resnet18.weights) == {variable.path for variable in resnet18.model.variables}
    assert resnet18.weights["layer1-0-conv1/kernel"] == {
        "source": "layer1.0.conv1.weight",
        "view": (("transpose", (2, 3, 1, 0)),),
        "shape": [64, 64, 3, 3],
    }
    view = (("transpose", (1, 0)),)
    assert resnet18.weights["fc/kernel"] == {"source": "fc.weight", "view": view, "shape": [1000, 512]}


def test_layers_are_native(resnet18: converter.Conversion) -> None:
    for layer in resnet18.model._flatten_layers():
        assert type(layer).__module__.startswith("keras."), type(layer)
        assert not isinstance(layer, keras.layers.Lambda)


def test_flat_structure_computes_the_same(resnet18: converter.Conversion) -> None:
    flat = converter.convert("torchvision:resnet18", random_weights=1, verify=False, structure="flat").model
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    x = np.random.default_rng(0).standard_normal((2, 224, 224, 3)).astype("float32")
    np.testing.assert_array_equal(flat.predict(x, verbose=0), resnet18.model.predict(x, verbose=0))


def test_source_layout_keeps_the_axes() -> None:
    conversion = converter.convert("torchvision:resnet18", random_weights=1, verify=False, layout="source")
    assert conversion.model.input_shape == (None, 3, 224, 224)
    assert conversion.inputs[0].permutation is None
    assert conversion.report.transposes == 1


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:resnet18",
        pytest.param("torchvision:convnext_tiny", marks=pytest.mark.slow),
        pytest.param("timm:vit_tiny_patch16_224", marks=pytest.mark.slow),
    ],
)
def test_three_backends(name: str, tmp_path: Path) -> None:
    source = load(name, random_weights=2)
    output = tmp_path / "model.keras"
    conversion = converter.convert(source.model, output, verify=False)
    feeds = {"x": np.random.default_rng(3).standard_normal((2, 3, 224, 224)).astype("float32")}
    expected = Oracle(source.model).run(feeds)
    for backend in ("tensorflow", "jax", "torch"):
        (outputs,) = Replay.warm(backend).run(output, [to_keras(conversion.inputs, [feeds["x"]])])
        for reference, found in zip(expected, to_source(conversion.outputs, outputs), strict=True):
            np.testing.assert_allclose(
                found, reference, rtol=1e-4, atol=1e-4 * np.abs(reference).max(), err_msg=backend
            )


def chain(length: int) -> ir.Model:
    """`length` element-wise operations in a row, none of which can be folded into the next."""
    names = ["x", *(f"v{i}" for i in range(1, length)), "y"]
    operators = ("Sin", "Tanh", "Sigmoid")
    body = "\n".join(f"{names[i + 1]} = {operators[i % 3]}({names[i]})" for i in range(length))
    return graph(f"g (float[batch,4] x) => (float[batch,4] y) {{ {body} }}")


def test_a_graph_1500_operations_deep(tmp_path: Path) -> None:
    output = tmp_path / "deep.keras"
    conversion = converter.convert(chain(1500), output)
    assert conversion.verified
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    np.testing.assert_allclose(keras.models.load_model(output)(x), Oracle(chain(1500)).run({"x": x})[0], rtol=1e-4)
