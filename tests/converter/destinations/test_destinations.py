"""SavedModel folders and LiteRT files: named as the source is, with an open batch, and proven as `.keras` files are."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest
import torch

import converter
import converter.sources
from converter import conversion
from converter.cli import main
from converter.destinations import onnx_file
from converter.destinations import write as writing
from converter.destinations.kinds import split_outputs
from converter.destinations.lite_file import refusal
from converter.errors import NotEquivalent, Unsupported, UsageError
from tests.harness import graph

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="they are TensorFlow's")


class Net(torch.nn.Module):
    """Two inputs, and a dictionary of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.fc = torch.nn.Linear(6, 5)

    def forward(self, image: torch.Tensor, more: torch.Tensor) -> dict[str, torch.Tensor]:
        y = torch.relu(self.conv(image)).mean((2, 3))
        return {"score": self.fc(torch.cat([y, more], 1)), "pooled": y}


DRAWN = torch.Generator().manual_seed(0)
EXAMPLES = (torch.rand(2, 3, 8, 8, generator=DRAWN), torch.rand(2, 2, generator=DRAWN))


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def test_both_are_written_and_proven(tmp_path: Path) -> None:
    outputs = [tmp_path / "m.keras", tmp_path / "m.tflite", tmp_path / "saved"]
    report = converter.convert(net(), outputs, example_inputs=EXAMPLES).report.to_dict()
    assert report["output"] == str(outputs[0])
    assert [each["format"] for each in report["destinations"]] == ["tflite", "savedmodel"]
    for each in report["destinations"]:
        assert each["verification"]["passed"]
        assert each["verification"]["cases"] >= 3
        assert each["output_bytes"] > 0
    import tensorflow as tf

    signature = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    image, more = (torch.rand(3, 3, 8, 8), torch.rand(3, 2))
    found = signature(image=tf.constant(image.permute(0, 2, 3, 1).numpy()), more=tf.constant(more.numpy()))
    wanted = net()(image, more)
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(found["score"], wanted["score"].detach().numpy(), atol=1e-6)
    runner = tf.lite.Interpreter(str(tmp_path / "m.tflite")).get_signature_runner("serving_default")
    assert set(runner.get_input_details()) == {"image", "more"}


class Smooth(torch.nn.Module):
    """TensorFlow's GELU is of Erfc, which tf2onnx does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.nn.Linear(4, 5)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.nn.functional.gelu(self.conv(image))
        return self.fc(torch.nn.functional.gelu(y.mean((2, 3)))), y


@pytest.mark.parametrize("layout", ["channels_last", "source"])
def test_onnx(layout: str, tmp_path: Path) -> None:
    module, path = Smooth().eval(), tmp_path / "m.onnx"
    report = converter.convert(module, path, inputs=["image=float32[batch,3,9,8]"], layout=layout).report.to_dict()
    (told,) = report["destinations"]
    assert told["format"] == "onnx" and told["verification"]["passed"] and told["verification"]["cases"] >= 3
    import onnxruntime as ort

    session = ort.InferenceSession(path)
    assert [value.name for value in session.get_inputs()] == ["image"]
    assert [value.name for value in session.get_outputs()] == [port["keras_name"] for port in report["outputs"]]
    image = torch.rand(4, 3, 9, 8)
    given = image.permute(0, 2, 3, 1) if layout == "channels_last" else image
    found = session.run(None, {"image": given.numpy()})
    with torch.no_grad():
        first, second = module(image)
    np.testing.assert_allclose(found[0], first, atol=1e-6)
    np.testing.assert_allclose(found[1], second.permute(0, 2, 3, 1) if layout == "channels_last" else second, atol=1e-6)


@pytest.mark.parametrize("layout", ["channels_last", "source"])
def test_openvino(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    told = {"inputs": ["image=float32[batch,3,9,8]"], "layout": layout}
    (found,) = converter.convert(Smooth().eval(), path, **told).report.destinations
    proof = found["verification"]
    assert found["format"] == "openvino" and proof["passed"] and proof["cases"] >= 3
    assert proof["latency_ms"] > 0 and proof["onnxruntime_ms"] > 0
    assert found["output_bytes"] == path.stat().st_size + path.with_suffix(".bin").stat().st_size
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.bin", "m.xml"]
    import openvino

    model = openvino.Core().read_model(path)
    assert [port.any_name for port in model.inputs] == ["image"]


def test_what_tf2onnx_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_HANDLERS", {})
    with pytest.raises(Unsupported, match="tf2onnx has no form of Erfc"):
        converter.convert(Smooth().eval(), tmp_path / "m.onnx", inputs=["image=float32[batch,3,9,8]"], verify=False)
    assert list(tmp_path.iterdir()) == []


def test_weights_alone(tmp_path: Path) -> None:
    conversion = converter.convert(net(), [tmp_path / "m.keras", tmp_path / "m.weights.h5"], example_inputs=EXAMPLES)
    (told,) = conversion.report.to_dict()["destinations"]
    assert told["format"] == "weights" and told["verification"]["passed"]
    copy = keras.models.clone_model(conversion.model)
    copy.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_equal(copy.get_weights(), conversion.model.get_weights())


def test_a_wrong_one_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = writing._saved_model

    def changed(model: keras.Model, names: writing.Names, to: Path) -> None:
        other = keras.models.clone_model(model)
        other.set_weights([weight * 1.01 for weight in model.get_weights()])
        plain(other, names, to)

    monkeypatch.setattr(writing, "_saved_model", changed)
    with pytest.raises(NotEquivalent, match="The tflite file computes something else"):
        converter.convert(net(), [tmp_path / "m.keras", tmp_path / "m.tflite"], example_inputs=EXAMPLES)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_what_tensorflow_cannot_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, *others: object) -> bytes:
        raise RuntimeError("Some ops are not supported by the native TFLite runtime\nand so on")

    monkeypatch.setattr(writing, "write_lite", refuse)
    with pytest.raises(Unsupported, match="cannot write the model as tflite: Some ops are not supported"):
        converter.convert(net(), tmp_path / "m.tflite", example_inputs=EXAMPLES, verify=False)
    assert list(tmp_path.iterdir()) == []


GROUPED = """
g (float[b,4,h,w] x) => (float[b,4,i,j] y) <float[4,1,3,3] k = {KERNEL}>
{ y = Conv<group=4, strides=[2,1], pads=[1,1,1,1]>(x, k) }
""".replace("KERNEL", ",".join(str(n / 36) for n in range(36)))
"""Of unequal strides, which Keras' depthwise layer has not; Keras has XLA compile what it calls a grouped one."""

OWN_ROW = """
g (float[b,4,h,w] x) => (float[b,4,h,w] y) <float[64,4,1,1] k = {KERNEL}, float[1,64,1,1] row = {ROW}>
{ c = Conv(x, k)  d = Add(c, row)  e = Sigmoid(d)  back = Transpose<perm=[1,0,2,3]>(k)  y = Conv(e, back) }
""".replace("KERNEL", ",".join(str(n / 256) for n in range(256))).replace("ROW", ",".join(map(str, range(64))))
"""A weight that is added to what a convolution gives: TensorFlow makes the two one."""


@pytest.mark.parametrize("text", [GROUPED, OWN_ROW], ids=["grouped", "own row"])
def test_convolutions_that_tensorflow_trips_over(text: str, tmp_path: Path) -> None:
    ir.save(graph(text), tmp_path / "m.onnx")
    report = converter.convert(str(tmp_path / "m.onnx"), [tmp_path / "saved", tmp_path / "k.onnx"]).report
    assert [each["verification"]["passed"] for each in report.destinations] == [True, True]


def test_what_litert_has_no_operator_for_is_told_in_a_line(tmp_path: Path) -> None:
    text = """g (int64[b] n, float[b,4] x) => (int64[b] frames, float[b,4] y) <int64 hop = {160}> {
        frames = Div(n, hop)  y = Relu(x) }"""
    with pytest.raises(Unsupported, match="LiteRT has no FloorDiv of int64") as caught:
        converter.convert(graph(text), [tmp_path / "m.keras", tmp_path / "m.tflite"])
    assert "SavedModel" in (caught.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_one_that_cannot_be_written_loses_none_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """g (int64[b] n, float[b,4] x) => (int64[b] frames, float[b,4] y) <int64 hop = {160}> {
        frames = Div(n, hop)  y = Relu(x) }"""
    ir.save(graph(text), tmp_path / "m.onnx")
    told = [f"--format={kind}" for kind in ("savedmodel", "tflite", "code", "weights")]
    report = tmp_path / "report.json"
    arguments = [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "k.keras"), *told, "--report", str(report)]
    assert main(["convert", *arguments]) == 2
    names = ["k", "k.keras", "k.py", "k.weights.h5", "m.onnx", "report.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    out, err = capsys.readouterr()
    assert "Written       " + str(tmp_path / "k.py") in out and "Not written   " + str(tmp_path / "k.tflite") in out
    assert "LiteRT has no FloorDiv of int64" in err and "k.tflite was not written; written: " in err
    found = json.loads(report.read_text())
    lite = found["destinations"][1]
    assert lite["error"]["kind"] == "unsupported" and lite["verification"] is None
    assert [each["error"] for each in found["destinations"] if each is not lite] == [None] * 3
    assert found["error"]["kind"] == "unsupported" and found["output"] == str(tmp_path / "k.keras")


def test_a_wrong_keras_file_takes_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were made of the same model."""

    def changed(model: keras.Model, place: object, *others: object) -> None:
        other = keras.models.clone_model(model)
        other.set_weights([weight * 1.01 for weight in model.get_weights()])
        save(other, place, *others)

    save = conversion._save
    monkeypatch.setattr(conversion, "_save", changed)
    with pytest.raises(NotEquivalent):
        converter.convert(net(), [tmp_path / "m.keras", tmp_path / "m.py"], example_inputs=EXAMPLES)
    assert [path.name for path in tmp_path.iterdir()] == ["m.unverified.keras"]


def test_another_message_is_kept_to_its_first_line() -> None:
    error = refusal("loc(callsite(fused[a at b])): error: 'tf.Odd' op is neither\nand so on\n")
    assert error.message == "TensorFlow cannot write the model as tflite: 'tf.Odd' op is neither"


def test_a_recurrent_net_of_open_batch_is_refused_by_litert_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """TensorFlow's pages stay away from the terminal; with a batch that is fixed it is written."""
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 4, batch_first=True).eval()
    with pytest.raises(Unsupported, match="recurrent layers and loops of known sizes only") as caught:
        converter.convert(
            layer, [tmp_path / "m.keras", tmp_path / "m.tflite"], inputs=["x=float32[batch,5,3]"], verify=False
        )
    assert "--input" in (caught.value.hint or "") and "TensorArray" in (caught.value.node or "")
    assert "TensorListReserve" not in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    converter.convert(layer, tmp_path / "m.tflite", inputs=["x=float32[1,5,3]"], verify=False)
    assert (tmp_path / "m.tflite").is_file()


def test_litert_has_a_convolution_but_for_lost_channels() -> None:
    lost = refusal("Details:\n\ttf.Conv2D(tensor<?x?x?x?xf32>, tensor<3x3x96x24xf32>) -> (tensor<?x?x?x24xf32>)")
    assert "no Conv2D of float32 over channels whose number TensorFlow has lost" in lost.message


def test_a_writer_that_breaks_is_no_bug_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("shape")

    monkeypatch.setattr(onnx_file, "write_onnx", breaks)
    with pytest.raises(Unsupported, match="cannot write the model as onnx: 'shape'"):
        converter.convert(net(), tmp_path / "m.onnx", example_inputs=EXAMPLES, verify=False)


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        converter.convert(net(), tmp_path / "saved", example_inputs=EXAMPLES, verify=False)
    assert (tmp_path / "saved" / "mine").read_text() == "mine"


def test_outputs_by_ending_and_by_format() -> None:
    main_output, others = split_outputs("a/m.keras", ["tflite", "savedmodel"])
    assert main_output == Path("a/m.keras")
    assert [str(each.path) for each in others] == ["a/m.tflite", "a/m"]
    assert split_outputs(None) == (None, [])
    with pytest.raises(UsageError, match=r"must end in \.keras"):
        split_outputs("m.h5")
    with pytest.raises(UsageError, match="Two outputs"):
        split_outputs(["a.keras", "b.keras"])
    with pytest.raises(UsageError, match="no format 'pb'"):
        split_outputs("a.keras", ["pb"])


def test_without_a_keras_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["models.digits:build", "--checkpoint", "models/digits.safetensors"]
    arguments += ["--input", "image=float32[batch,1,8,8]", "-o", str(tmp_path / "digits.py")]
    assert main(["convert", *arguments]) == 0
    out = capsys.readouterr().out
    assert "digits.py" in out and "nothing" not in out


def test_command_line(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["models.digits:build", "--checkpoint", "models/digits.safetensors"]
    arguments += ["--input", "image=float32[batch,1,8,8]", "-o", str(tmp_path / "d.keras"), "--format", "tflite"]
    assert main(["convert", *arguments, "--report", str(report)]) == 0
    (told,) = json.loads(report.read_text())["destinations"]
    assert told["output"] == str(tmp_path / "d.tflite")
    assert told["verification"]["passed"]


@pytest.mark.parametrize("kind", ["int8", *(pytest.param(k, marks=pytest.mark.slow) for k in ("float16", "dynamic"))])
def test_smaller_files_keep_the_signal(kind: str, tmp_path: Path) -> None:
    rows = {"image": np.random.default_rng(0).random((20, 3, 8, 8), "float32"), "more": np.ones((20, 2), "float32")}
    np.savez(tmp_path / "rows.npz", **rows)  # type: ignore[arg-type]
    outputs = [tmp_path / "m.keras", tmp_path / "m.tflite"]
    report = converter.convert(
        net(), outputs, example_inputs=EXAMPLES, quantise=kind, calibrate=tmp_path / "rows.npz"
    ).report.to_dict()
    (told,) = report["destinations"]
    assert told["quantised"] == kind and told["verification"]["passed"]
    signal = {each["name"]: each for each in told["verification"]["outputs"]}
    assert set(signal) == {"score", "pooled"} and signal["score"]["agreement"] > 0.5
    assert all(each["snr_db"] is None or each["snr_db"] > 15 for each in signal.values())


def test_a_file_that_keeps_too_little_is_not_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", image=np.zeros((4, 3, 8, 8), "float32"), more=np.ones((4, 2), "float32"))
    outputs = [tmp_path / "m.keras", tmp_path / "m.tflite"]
    with pytest.raises(NotEquivalent, match=r"The int8 file keeps .* dB .* 90 are asked for"):
        converter.convert(
            net(), outputs, example_inputs=EXAMPLES, quantise="int8", calibrate=tmp_path / "rows.npz", least_signal=90
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.keras", "rows.npz"]


@pytest.mark.parametrize(
    ("told", "output", "said"),
    [
        ({"quantise": "int3"}, "m.tflite", "no way to quantise called 'int3'"),
        ({"quantise": "int8"}, "m.tflite", "int8 needs inputs"),
        ({"quantise": "float16"}, "m.keras", "Only LiteRT files"),
        ({"calibrate": "x.npz"}, "m.tflite", "are for quantised files"),
        ({"quantise": "int8", "calibrate": "."}, "m.tflite", "has no images"),
        ({"quantise": "int8", "calibrate": "missing.npz"}, "m.tflite", "cannot be read"),
    ],
)
def test_what_cannot_be_quantised(told: dict[str, str], output: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        converter.convert(net(), tmp_path / output, example_inputs=EXAMPLES, **told)
    assert list(tmp_path.iterdir()) == []


def test_samples_for_other_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", picture=np.zeros((4, 3, 8, 8), "float32"))
    with pytest.raises(UsageError, match="needs an array for each input"):
        converter.convert(
            net(), tmp_path / "m.tflite", example_inputs=EXAMPLES, quantise="int8", calibrate=tmp_path / "rows.npz"
        )


SHIP = (Path(__file__).resolve().parents[3] / "docs" / "ship.md").read_text()
COMMANDS = [
    line.split()[1:]
    for line in SHIP.splitlines()
    if line.startswith("    keraport convert") and "--backend" not in line
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_page_about_shipping(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module, x = torch.nn.Conv2d(3, 4, 3).eval(), torch.rand(2, 3, 8, 8)
    torch.export.save(torch.export.export(module, (x,)), "module.pt2")
    torch.onnx.export(module, (x,), "model.onnx", dynamo=True, input_names=["x"])
    model = ["--input", "x=float32[2,3,8,8]"] if "int8" not in command and "module.pt2" not in command else []
    np.savez("rows.npz", x=np.random.default_rng(0).random((12, 3, 8, 8), "float32"))
    assert main([*command, *model]) == 0


@pytest.mark.parametrize("layout", ["channels_last", pytest.param("source", marks=pytest.mark.slow)])
def test_each_is_verified_again_later(layout: str, tmp_path: Path) -> None:
    """By `keraport verify`, as any file of its kind is."""
    source = converter.sources.load(net(), example_inputs=EXAMPLES)
    ir.save(source.model, tmp_path / "m.onnx")
    outputs = [tmp_path / "m.keras", tmp_path / "m.tflite", tmp_path / "saved"]
    converter.convert(str(tmp_path / "m.onnx"), outputs, layout=layout, verify=False)
    for path in (*outputs, tmp_path / "m.onnx"):
        assert main(["verify", str(path), str(tmp_path / "m.onnx")]) == 0


def test_another_model_is_told_from_the_source(tmp_path: Path) -> None:
    ir.save(converter.sources.load(net(), example_inputs=EXAMPLES).model, tmp_path / "m.onnx")
    other = net()
    other.fc.weight.data += 0.01
    ir.save(converter.sources.load(other, example_inputs=EXAMPLES).model, tmp_path / "other.onnx")
    assert main(["verify", str(tmp_path / "other.onnx"), str(tmp_path / "m.onnx")]) == 3


def test_what_is_converted_from_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--format onnx` beside `model.keras` is `model.onnx`; `-o net.py` is where `net:build` is."""
    monkeypatch.chdir(tmp_path)
    ir.save(graph("g (float[b,4] x) => (float[b,4] y) { y = Relu(x) }"), "model.onnx")
    Path("net.py").write_text("import torch\n\n\ndef build():\n    return torch.nn.Linear(3, 2)\n")
    Path("link.onnx").symlink_to("model.onnx")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    spec = ["--input", "x=float32[b,3]", "--random-weights", "0"]
    for told in (
        ["model.onnx", "-o", "model.keras", "--format", "onnx"],
        ["model.onnx", "-o", "link.onnx"],
        ["net:build", "-o", "net.py", *spec],
        ["net:build", "-o", "net.keras", "--format", "code", *spec],
    ):
        assert main(["convert", *told]) == 1
        assert "it would be written over" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_weights_that_belong_to_another_file_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ir.save(graph("g (float[b,4] x) => (float[b,4] y) { y = Relu(x) }"), tmp_path / "model.onnx")
    (tmp_path / "k.bin").write_text("mine")
    assert main(["convert", str(tmp_path / "model.onnx"), "-o", str(tmp_path / "k.xml")]) == 1
    assert "OpenVINO's weights would be written over it" in capsys.readouterr().err
    assert (tmp_path / "k.bin").read_text() == "mine"
