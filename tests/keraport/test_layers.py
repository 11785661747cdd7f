"""keraport.layers: models that need them say so, open with them alone, and take nothing but data."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import converter
import keraport.layers
from keraport.layers import ComputedExpand, ComputedReshape
from passes.errors import Unsupported
from tests.harness import graph

ROWS = """g (float[batch, h, w, 4] x) => (float[batch, h, v] y) <int64[3] shape = {0, 0, -1}> {
    r = Reshape(x, shape)  y = Relu(r) }"""
DEEP: list[Any] = ["size", 0, 0]
for _ in range(60):
    DEEP = ["add", DEEP, 1]
WIDE: list[Any] = ["size", 0, 0]
for _ in range(12):
    WIDE = ["add", WIDE, WIDE]


def test_a_model_that_needs_one_says_so(tmp_path: Path) -> None:
    conversion = converter.convert(graph(ROWS), tmp_path / "m.keras")
    told = conversion.report.to_dict()
    assert conversion.verified
    assert told["portable"] is False
    assert [entry["layer"] for entry in told["custom_layers"]] == ["ComputedReshape"]
    named = {layer.name: type(layer) for layer in conversion.model._flatten_layers()}
    assert named[told["custom_layers"][0]["name"]] is ComputedReshape
    assert "more than one size" in told["custom_layers"][0]["reason"]


def test_others_are_portable() -> None:
    conversion = converter.convert(graph("g (float[batch, 4] x) => (float[batch, 4] y) { y = Relu(x) }"), verify=False)
    told = conversion.report.to_dict()
    assert (told["portable"], told["custom_layers"]) == (True, [])


def test_what_has_to_be_portable_is_refused() -> None:
    with pytest.raises(Unsupported, match="Plain Keras cannot say it: more than one size") as raised:
        converter.convert(graph(ROWS), portable=True, verify=False)
    assert "--portable" in str(raised.value.hint) and "reshape" in str(raised.value.node)


def test_it_opens_in_a_process_that_has_nothing_else_of_keraport(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    converter.convert(graph(ROWS), path, verify=False)
    code = f"""import keras, numpy, sys, keraport.layers
heavy = {{"torch", "onnx", "onnx_ir", "onnxruntime", "converter", "passes"}} & set(sys.modules)
model = keras.saving.load_model({str(path)!r}, safe_mode=True)
print(sorted(heavy), model(numpy.ones((2, 3, 5, 4), "float32")).shape)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[] (2, 3, 20)" in done.stdout
    with zipfile.ZipFile(path) as archive:
        assert b"Lambda" not in archive.read("config.json")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_other_backends(backend: str) -> None:
    assert converter.convert(graph(ROWS), verify_on=[backend]).verified


@pytest.mark.parametrize(
    "sizes",
    [
        "__import__('os')",
        [["__class__", 0, 0]],
        [["eval", "1", "2"]],
        [["size", "0", "__len__"]],
        [["size", -1, 0]],
        [["size", 0, 10**9]],
        [["size", 0]],
        [10**30],
        [1.5],
        [True],
        [None],
        [{"a": 1}],
        [DEEP],
        [WIDE],
        [["add", ["size", 0, 0], ["lambda", 1, 2]]],
    ],
)
@pytest.mark.parametrize("layer", [ComputedReshape, ComputedExpand])
def test_hostile_configurations(layer: type, sizes: Any) -> None:
    config = {"module": None, "class_name": layer.__name__, "config": {"name": "a", "sizes": sizes},
              "registered_name": f"keraport>{layer.__name__}"}  # fmt: skip
    with pytest.raises((ValueError, TypeError), match="size"):
        keras.saving.deserialize_keras_object(config)


def test_a_size_of_an_input_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="There is no axis 3 of input 1"):
        ComputedReshape([["size", 1, 3]])(np.ones((2, 3), "float32"))


def test_arithmetic() -> None:
    tall = ["multiply", ["size", 0, 0], ["floor_divide", ["size", 1, 0], 2]]
    least = ["maximum", ["minimum", ["size", 1, 0], 4], ["subtract", ["add", 1, 1], 1]]
    x, like = np.arange(24, dtype="float32").reshape(2, 12), np.zeros(5)
    assert ComputedReshape([tall, 6])([x, like]).shape == (4, 6)
    assert ComputedExpand([least, 2, 12])([x, like]).shape == (4, 2, 12)


def test_everything_public_is_registered() -> None:
    for name in keraport.layers.__all__:
        assert keras.saving.get_registered_object(f"keraport>{name}") is getattr(keraport.layers, name)
