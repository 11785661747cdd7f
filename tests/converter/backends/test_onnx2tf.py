"""`--backend onnx2tf`: what it makes is proven like our own, and what it says, or does not say, is told in a line.

onnx2tf itself is 2 GB and not here; in its place stands a program that is called in the same way.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

import converter
from converter.backends.onnx2tf import environment, run
from converter.options import Options
from converter.proof.oracle import Oracle
from passes.errors import ConversionError, LimitExceeded, Unsupported, UsageError
from passes.shapes.infer import InferShapes
from tests.conftest import Keraport

SPEC = "x=float32[batch,3,8,8]"


class Net(nn.Module):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.conv(x).relu() * self.scale
        return {"map": y, "mean": y.mean((2, 3))}


def net(scale: float = 1.0) -> nn.Module:
    torch.manual_seed(0)
    return Net(scale).eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the right files in `good`, and with others in `bad`."""
    folder = tmp_path_factory.mktemp("made")
    for name, scale in (("good", 1.0), ("bad", 1.001)):
        place = folder / name
        place.mkdir()
        outputs = [place / "model.keras", place / "made", place / "model.tflite"]
        converter.convert(net(scale), outputs, inputs=[SPEC], verify=False)
        outputs[2].rename(place / "made" / "model_float32.tflite")
    torch.onnx.export(net(), (torch.rand(2, 3, 8, 8),), folder / "net.onnx", dynamo=True, input_names=["x"])
    return folder


def interpreter(folder: Path, does: str) -> Path:
    """A program that is called as `PROGRAM -m onnx2tf -i GRAPH -o FOLDER …`."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "onnx2tf_net.py").write_text("from tests.converter.backends.test_onnx2tf import net\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return "onnx2tf_net:net"


def test_what_it_makes_is_proven_and_put_in_place(factory: str, keraport: Keraport, made: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path, f'cp -r {made}/good/made "$6"; cp "$4" {tmp_path}/seen.onnx; cp *.npy {tmp_path}')
    told = ("--backend", "onnx2tf", "--onnx2tf-python", python, "--input", SPEC)
    ran = keraport("convert", factory, *told, "-o", "out.tflite", "-o", "saved", "--report", "report.json")
    assert ran.code == 0, ran.err
    assert "Verified      yes" in ran.out and "Written       out.tflite" in ran.out and (tmp_path / "saved").is_dir()
    seen = onnx.load(tmp_path / "seen.onnx")
    assert {entry.version for entry in seen.opset_import if not entry.domain} == {run.OPSET}
    assert {node.domain for node in seen.graph.node} == {""} and (tmp_path / run.SAMPLES).is_file()
    ran = keraport("convert", factory, *told)
    assert ran.code == 0 and "Written       nothing" in ran.out
    for name in ("out.tflite", "saved"):
        assert keraport("verify", name, factory, "--input", SPEC).code == 0


def test_the_graph_is_one_that_it_reads(tmp_path: Path) -> None:
    """Newer operators are compositions, sizes are taken from whole shapes; onnxruntime computes the same."""
    text = """<ir_version: 10, opset_import: ["" : 23]> g (float[batch, time, 6] x) => (float[m, 6] y)
    <int64[1] six = {6}> { n = Shape<start = 1, end = 2>(x) b = Shape<end = 1>(x) k = Mul(n, b)
      s = Concat<axis = 0>(k, six) g = Gelu(x) y = Reshape(g, s) }"""
    model = ir.serde.deserialize_model(onnx.parser.parse_model(text))
    path = run.write_graph(InferShapes()(model.clone()).model, tmp_path / "graph.onnx")
    nodes = onnx.load(path).graph.node
    assert "Gelu" not in {node.op_type for node in nodes}
    assert all(not node.attribute for node in nodes if node.op_type == "Shape")
    feeds = {"x": np.random.default_rng(0).standard_normal((2, 5, 6)).astype("float32")}
    np.testing.assert_allclose(Oracle(path).run(feeds)[0], Oracle(model).run(feeds)[0], rtol=1e-5, atol=1e-6)


def test_another_model_is_refused_and_not_written(factory: str, keraport: Keraport, made: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path, f'cp -r {made}/bad/made "$6"')
    told = ("--backend", "onnx2tf", "--onnx2tf-python", python, "--input", SPEC)
    ran = keraport("convert", factory, *told, "-o", "out.tflite")
    assert ran.code == 3 and "What onnx2tf has written (tflite) computes something else" in ran.err
    assert not (tmp_path / "out.tflite").exists()


def test_the_file_as_it_is(keraport: Keraport, made: Path, tmp_path: Path, factory: str) -> None:
    python = interpreter(tmp_path, f'cp -r {made}/good/made "$6"; cmp "$4" {made}/net.onnx && touch {tmp_path}/same')
    told = ("--backend", "onnx2tf", "--onnx2tf-python", python, "--onnx2tf-raw")
    assert keraport("convert", made / "net.onnx", *told, "-o", "out.tflite").code == 0
    assert (tmp_path / "same").exists()
    ran = keraport("convert", factory, "--input", SPEC, *told, "-o", "other.tflite")
    assert ran.code == 1 and "Only an ONNX file" in ran.err


def test_a_file_that_it_does_not_write(factory: str, keraport: Keraport, made: Path, tmp_path: Path) -> None:
    python = interpreter(tmp_path, f'cp -r {made}/good/made "$6"; rm "$6"/*.tflite')
    told = ("--backend", "onnx2tf", "--onnx2tf-python", python, "--input", SPEC)
    ran = keraport("convert", factory, *told, "-o", "out.tflite")
    assert ran.code == 2 and "no LiteRT file" in ran.err and not (tmp_path / "out.tflite").exists()


@pytest.mark.parametrize(
    ("does", "error", "said"),
    [
        ("echo 'ERROR: onnx_op_name: /conv'; echo 'pages of prose'; exit 1", Unsupported, "ERROR: onnx_op_name: /conv"),
        ("echo 'Traceback' >&2; echo 'KeyError: 3' >&2; exit 1", Unsupported, "KeyError: 3"),
        ("echo 'No module named onnx2tf' >&2; exit 1", Unsupported, "that interpreter has no onnx2tf"),
        ("exit 0", Unsupported, "it says nothing"),
        ("kill -9 $$", ConversionError, "signal 9"),
        ("exec sleep 60", LimitExceeded, "no answer within 1 s"),
    ],
)
def test_how_it_fails(does: str, error: type[ConversionError], said: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(error) as caught:
        run.run(interpreter(tmp_path, does), tmp_path / "model.onnx", tmp_path / "made", seconds=1)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--backend", "onnx2tf", "-o", "out.keras"), "no out.keras"),
        (("--backend", "onnx2tf", "-o", "out.onnx"), "no out.onnx"),
        (("--backend", "onnx2tf", "-o", "out.tflite"), "keraport backend install onnx2tf"),
        (("--backend", "onnx2tf", "--onnx2tf-python", "nothing", "-o", "out.tflite"), "'nothing' is no interpreter"),
        (("--onnx2tf-raw", "-o", "out.tflite"), "Add --backend onnx2tf"),
    ],
)
def test_what_is_asked_wrongly(
    arguments: tuple[str, ...], said: str, keraport: Keraport, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAPORT_BACKENDS", str(Path.cwd() / "backends"))
    ran = keraport("convert", factory, "--input", SPEC, *arguments)
    assert ran.code == 1 and said in ran.err, ran.err


def test_environments(keraport: Keraport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made whole or not at all: pip fails here, since it is told to have no index."""
    monkeypatch.setenv("KERAPORT_BACKENDS", str(tmp_path / "backends"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert "onnx2tf  not installed" in keraport("backend", "list").out
    ran = keraport("backend", "install", "onnx2tf")
    assert ran.code == 1 and "pip does not install onnx2tf==" in ran.err and "backends/onnx2tf" in ran.out
    assert list((tmp_path / "backends").iterdir()) == []
    monkeypatch.setattr(environment, "_pip", lambda python, requirement: None)
    assert "Installed  onnx2tf 1.28.0" in keraport("backend", "install", "onnx2tf", "--package-version", "1.28.0").out
    assert f"onnx2tf  1.28.0, in {tmp_path}" in keraport("backend", "list").out
    assert environment.python_of("onnx2tf", None).exists()
    assert keraport("backend", "remove", "onnx2tf").code == 0
    assert keraport("backend", "remove", "onnx2tf").code == 1
    assert keraport("backend", "install", "tf2keras").code == 1


@pytest.mark.parametrize(
    "told",
    [{"layout": "source"}, {"quantise": "int8"}, {"structure": "flat"}, {"verify": "quick"}, {"verify_on": ["jax"]}],
)
def test_what_it_does_not_do_is_refused(told: dict[str, Any]) -> None:
    (name,) = told
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}.* says nothing to onnx2tf"):
        Options(backend="onnx2tf", **told)
    Options(backend="onnx2tf", dropout=False, verify=False)
