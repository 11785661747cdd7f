"""Source code of models that come from a file: what an exporter has left of the modules becomes functions again."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest
import torch

import converter
import keraport.layers
from converter.destinations.code.module import source_code
from converter.errors import Unsupported
from models.handwritten.partners import crnn
from tests.converter.destinations.test_code import module_of, paths, same
from tests.harness import graph


def exported(path: Path, dynamo: bool) -> Path:
    """A convolution, two LSTMs both ways and a product, from PyTorch's new exporter or its old one."""
    torch.manual_seed(0)
    module, image = crnn.build().eval(), torch.rand(2, 1, 16, 32)
    if dynamo:
        sizes = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(module, (image,), path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    else:
        axes = {"image": {0: "batch", 3: "width"}}
        torch.onnx.export(module, (image,), path, dynamo=False, input_names=["image"], dynamic_axes=axes)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_reader_of_text_from_either_exporter(dynamo: bool, tmp_path: Path) -> None:
    source = exported(tmp_path / "crnn.onnx", dynamo)
    files = [tmp_path / "m.keras", tmp_path / "reader.py"]
    conversion = converter.convert(source, files)
    (told,) = conversion.report.to_dict()["destinations"]
    assert conversion.verified and told["verification"]["passed"]
    written, built = files[1].read_text(), module_of(files[1]).build_model()
    assert written.count("\ndef cnn(") == 1 and written.count("layers.Bidirectional(") == 2
    assert 'name="fc"' in written and len(written.splitlines()) < 100
    assert paths(built) == paths(conversion.model) and "fc/kernel" in paths(built)
    loaded = keras.models.load_model(files[0])
    for width in (32,) if dynamo else (32, 44):
        image = np.random.default_rng(width).random((3, 16, width, 1), np.float32)
        np.testing.assert_array_equal(np.asarray(built(image)), np.asarray(loaded(image)))


LEADING_SLICE = """
g (float[batch,6] x) => (float[few] y)
<int64[1] from = {0}, int64[1] to = {-1}, int64[1] first = {0}, int64[1] last = {1}>
{ most = ReduceMax<keepdims=0>(x, last)
  y = Slice(most, from, to, first) }
"""
"""Keras indexes a symbolic tensor by several, not by a slice alone."""

SCALAR = """
g (float[batch,4] x, float scale) => (float[batch,4] y)
{ y = Mul(x, scale) }
"""


COMPUTED_STATISTICS = """
g (float[batch,4] x, float[4] mean) => (float[batch,4] y) <float[4] one = {1,1,1,1}>
{ y = BatchNormalization(x, one, one, mean, one) }
"""

WIDE = """
g (double[batch,4] x) => (double[batch,1] y) <int64[1] last = {1}>
{ sines = Sin(x)  y = ReduceSum(sines, last) }
"""
"""The name of the output is that of a layer, and layers make 32 bits of floats where nobody says otherwise."""

NAMED_LIKE_OPERATIONS = """
g (float[batch,4] x) => (float[batch,4] sin_2, float[batch,2,2] reshape_1)
<int64[3] square = {0,2,2}, int64[2] flat = {0,4}>
{ a = Sin(x)  b = Sin(a)  c = Sin(b)  d = Sin(c)  sin_2 = Sin(d)
  e = Reshape(sin_2, square)  f = Softmax(e)  h = Reshape(f, flat)  i = Sin(h)  reshape_1 = Reshape(i, square) }
"""
"""Keras numbers the operations of the code: sin, sin_1, sin_2, …"""

FILES = {
    "leading slice": LEADING_SLICE,
    "scalar input": SCALAR,
    "computed statistics": COMPUTED_STATISTICS,
    "wide": WIDE,
    "named like operations": NAMED_LIKE_OPERATIONS,
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_it_builds_what_the_file_computes(text: str, tmp_path: Path) -> None:
    ir.save(graph(text), tmp_path / "m.onnx")
    conversion = converter.convert(tmp_path / "m.onnx", tmp_path / "net.py")
    (told,) = conversion.report.to_dict()["destinations"]
    assert told["verification"]["passed"]
    built = module_of(tmp_path / "net.py").build_model()
    if text is LEADING_SLICE:
        assert "[:-1, ...]" in (tmp_path / "net.py").read_text()
        same(built, conversion.model)
    assert [tensor.shape for tensor in built.inputs] == [tensor.shape for tensor in conversion.model.inputs]
    assert built.output_names == conversion.model.output_names
    assert [tensor.dtype for tensor in built.outputs] == [tensor.dtype for tensor in conversion.model.outputs]


def test_a_layer_that_holds_a_model_is_named() -> None:
    inputs = [keras.Input(batch_shape=shape) for shape in ((), (2,), (2,))]
    loop = keraport.layers.Loop(keras.Model(inputs, [inputs[1] + inputs[2]]), states=1, scanned=1, name="turns")
    state, whole = keras.Input(batch_shape=(2,)), keras.Input(batch_shape=(None, 2))
    model = keras.Model([state, whole], loop([state, whole]))
    with pytest.raises(Unsupported, match=r"argument body of layer 'turns' \(Loop\) is a model of its own") as caught:
        source_code(model, {}, "m")
    assert ".keras" in (caught.value.hint or "")
