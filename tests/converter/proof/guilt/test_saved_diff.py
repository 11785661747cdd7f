"""`keraport diff`: a saved model against its source, value by value."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest

from tests.conftest import Keraport
from tests.harness import graph


@pytest.fixture
def converted(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.keras"
    assert keraport("convert", small_onnx, "-o", path, "--no-verify").code == 0
    return path


def test_a_sound_model(keraport: Keraport, converted: Path, small_onnx: Path) -> None:
    ran = keraport("diff", converted, small_onnx)
    assert ran.code == 0, ran.err
    assert "no layer" in ran.out
    values = json.loads(keraport("diff", converted, small_onnx, "--json").out)
    assert values["guilty"] is None
    assert all(value["max_abs"] < 1e-5 and value["cumulative_max_abs"] < 1e-5 for value in values["values"])


def numbers(count: int) -> str:
    return ",".join(str(round(np.sin(n) / 2, 3)) for n in range(count))


STATE_ALONE = f"""
g (float[5,batch,3] x) => (float[2,batch,4] state) <
    float[2,12,3] w = {{{numbers(72)}}}, float[2,12,4] r = {{{numbers(96)}}}, float[2,24] b = {{{numbers(48)}}}>
{{ every, h = GRU<direction="bidirectional", hidden_size=4, linear_before_reset=1>(x, w, r, b)  state = Neg(h) }}
"""


def test_what_a_recurrent_layer_gives_and_nobody_reads(keraport: Keraport, tmp_path: Path) -> None:
    """Keras has the last step of both directions there, which is where the backward one ends, not where it begins."""
    ir.save(graph(STATE_ALONE), tmp_path / "m.onnx")
    assert keraport("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.keras", "--no-verify").code == 0
    ran = keraport("diff", tmp_path / "m.keras", tmp_path / "m.onnx")
    assert ran.code == 0 and "no layer" in ran.out, ran.out + ran.err


def test_a_kernel_that_was_changed(keraport: Keraport, converted: Path, small_onnx: Path, tmp_path: Path) -> None:
    model = keras.saving.load_model(converted)
    (kernel,) = [variable for variable in model.variables if variable.path.endswith("kernel")]
    kernel.assign(np.flip(keras.ops.convert_to_numpy(kernel), 0))
    model.save(tmp_path / "wrong.keras")
    ran = keraport("diff", tmp_path / "wrong.keras", small_onnx, "--repro", tmp_path / "repro")
    assert ran.code == 3
    verified = keraport("verify", tmp_path / "wrong.keras", small_onnx, "--report", tmp_path / "report.json")
    assert verified.code == 3 and "layer stem-conv-conv" in verified.err
    assert (
        json.loads((tmp_path / "report.json").read_text())["verification"]["first_difference"]["operator"]
        == "nhwc::Conv"
    )
    assert "Guilty        layer stem-conv-conv, nhwc::Conv" in ran.out
    assert "Victim        layer stem-act-relu, Relu" in ran.out
    assert {path.name for path in (tmp_path / "repro").iterdir()} == {
        "inputs.npz",
        "layer.keras",
        "repro.onnx",
        "repro.py",
    }


def test_a_model_of_somebody_else(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    model.save(tmp_path / "other.keras")
    assert "first difference" not in keraport("verify", tmp_path / "other.keras", small_onnx).err
    ran = keraport("diff", tmp_path / "other.keras", small_onnx)
    assert ran.code == 3
    assert "no layer of the names" in ran.err or "Missing" in ran.out


def test_examples_from_files(keraport: Keraport, converted: Path, small_onnx: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 3, 16, 16), np.float32))
    np.savez(tmp_path / "x.npz", image=np.ones((1, 3, 16, 16), np.float32))
    for name in ("x.npy", "x.npz"):
        assert keraport("diff", converted, small_onnx, "--example", tmp_path / name).code == 0
        report = tmp_path / "report.json"
        ran = keraport("verify", converted, small_onnx, "--example", tmp_path / name, "--report", report)
        assert ran.code == 0, ran.err
        first = json.loads(report.read_text())["verification"]["cases"][0]
        assert (first["note"], first["shape"]) == ("the example inputs", {"image": [1, 3, 16, 16]})
    ran = keraport("verify", converted, small_onnx, "--example", tmp_path / "missing.npy")
    assert (ran.code, "cannot be read" in ran.err) == (1, True)


def test_two_backends_in_one_run(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ran = keraport("convert", small_onnx, "--verify-on", "tensorflow,jax", "--report", report)
    assert ran.code == 0, ran.err
    verification = json.loads(report.read_text())["verification"]
    assert [verification["backend"], *(other["backend"] for other in verification["others"])] == ["tensorflow", "jax"]
    assert keraport("convert", small_onnx, "--verify-on", "theano").code == 1


LONG = f"""
g (float[batch,1,time] x) => (float[batch,2,frames] y) <
    float[2,1,40] w = {{{numbers(80)}}}, float[2,2,1] v = {{1, 2, 3, 4}}>
{{ a = Conv<strides=[20]>(x, w)  b = Relu(a)  c = Conv(b, v)  y = Relu(c) }}
"""


def test_an_open_size_at_which_the_source_does_not_run(keraport: Keraport, tmp_path: Path) -> None:
    """Eight samples are fewer than a kernel has: larger sizes are tried, as in a verification. Two layers are wrong."""
    ir.save(graph(LONG), tmp_path / "m.onnx")
    assert keraport("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.keras", "--no-verify").code == 0
    model = keras.saving.load_model(tmp_path / "m.keras")
    for variable in model.variables:
        variable.assign(keras.ops.convert_to_numpy(variable) * 1.5)
    model.save(tmp_path / "wrong.keras")
    assert keraport("diff", tmp_path / "m.keras", tmp_path / "m.onnx").code == 0
    ran = keraport("diff", tmp_path / "wrong.keras", tmp_path / "m.onnx")
    assert ran.code == 3 and "Guilty " in ran.out and "Guilty too" in ran.out, ran.out + ran.err
    found = json.loads(keraport("diff", tmp_path / "wrong.keras", tmp_path / "m.onnx", "--json").out)
    assert len(found["others"]) == 1 and found["others"][0]["node"] != found["guilty"]["node"]
