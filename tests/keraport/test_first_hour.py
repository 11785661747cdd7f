"""What a newcomer meets in the first hour: each row is one command as it is typed, and what it says.

The files that the commands name are made by `workshop`; a row whose packages are `without` runs as in an environment
that lacks them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import onnx
import onnx_ir as ir
import pytest
import safetensors.torch
import torch

from tests.conftest import SMALL, Keraport
from tests.harness import graph

ROOT = Path(__file__).resolve().parents[2]

FACTORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=4, bias=True):
        super().__init__()
        self.fc = nn.Linear(6, num_classes, bias=bias)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return {"scores": self.drop(self.fc(x)), "greatest": self.fc(x).amax(-1)}

class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, images):
        return self.fc(images[0]) + self.fc(images[1])

class Batch(Images):
    def forward(self, batch, scale=None):
        y = self.fc(batch["x"]) * batch["mask"]
        return y if scale is None else y * scale

class Branches(Images):
    def forward(self, x):
        y = self.fc(x)
        if y.sum() > 0:  # which way, only the numbers know
            return y
        return -y

class Positions(Images):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(8, 6)

    def forward(self, x):
        return self.fc(x + self.table(torch.arange(x.shape[1])))

def build(num_classes=4, bias=True):
    return Net(num_classes, bias).eval()

def only_fc():
    return nn.Linear(6, 4)
"""


CHOICE = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[batch, 4] x, bool yes) => (float[batch, 4] y)
{ y = If (yes) <
    then_branch = yes_branch () => (float[batch, 4] a) { a = Mish(x) },
    else_branch = no_branch () => (float[batch, 4] b) { b, mask = Dropout(x) c = Det(b) }
> }
"""


@dataclass(frozen=True)
class Situation:
    """One row. `says` are parts of what is printed, on either stream; `silent` must not be in it."""

    name: str
    command: str
    says: tuple[str, ...]
    code: int = 0
    silent: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    then: Callable[[Path], object] | None = None


def outputs(*names: str, layer: str | None = None) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        model = keras.models.load_model(folder / "out.keras")
        assert model.output_names == list(names)
        assert layer is None or isinstance(model.get_layer(layer), keras.layers.Dense)

    return check


def returns_a_dictionary(folder: Path) -> None:
    assert set(keras.models.load_model(folder / "out.keras").output) == {"scores", "greatest"}


def has_dropout(wanted: bool) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        layers = keras.models.load_model(folder / "out.keras")._flatten_layers()
        assert any(isinstance(layer, keras.layers.Dropout) for layer in layers) == wanted

    return check


def inputs(*names: str) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        report = json.loads((folder / "report.json").read_text())
        assert [port["name"] for port in report["inputs"]] == list(names)

    return check


def a_page_that_loads_it(folder: Path) -> None:
    page = (folder / "page.html").read_text()
    assert "keras.models.load_model" in page and "allowed" in page.lower()


X = "--input x=float32[batch,6]"
NET = f"convert net:build {X} --random-weights 0 -o out.keras"
SITUATIONS = (
    Situation(
        "a checkpoint without torch", "convert whole.pth", ("needs torch", "keraport[torch]"), 1, without=("torch",)
    ),
    Situation("a program without torch", "convert net.pt2", ("needs torch", "keraport[torch]"), 1, without=("torch",)),
    Situation(
        "no backend of Keras",
        "convert small.onnx",
        ("Keras needs tensorflow", "keraport[tensorflow]"),
        1,
        without=("tensorflow", "torch", "jax"),
    ),
    Situation("no TensorFlow, but JAX", "convert small.onnx", ("KERAS_BACKEND=jax",), 1, without=("tensorflow",)),
    Situation(
        "verify on a backend that is not there",
        "convert small.onnx --verify-on tensorflow,jax",
        ("jax is not installed", "keraport[jax]"),
        1,
        without=("jax",),
    ),
    Situation("timm is not there", "convert timm:resnet18", ("needs timm", "keraport[timm]"), 1, without=("timm",)),
    Situation(
        "transformers is not there",
        "convert transformers:folder",
        ("needs transformers", "keraport[transformers]"),
        1,
        without=("transformers",),
    ),
    Situation(
        "Dask is not there",
        "zoo run zoo.toml --out run",
        ("1 model\n", "needs Dask", "keraport[zoo]"),
        1,
        without=("distributed",),
    ),
    Situation(
        "a dictionary of tensors, and an argument that may be left out",
        "convert net:Batch --input batch.x=float32[batch,6] --input batch.mask=float32[batch,1] --random-weights 0 "
        "--report report.json",
        ("Verified",),
        then=inputs("batch.x", "batch.mask"),
    ),
    Situation("a program as a checkpoint", f"convert net:build {X} --checkpoint net.pt2", ("Verified",)),
    Situation("names of Lightning", f"convert net:build {X} --checkpoint prefixed.pt", ("Verified",)),
    Situation("shards with an index", f"convert net:build {X} --checkpoint shards", ("Verified",)),
    Situation(
        "arguments of a factory",
        f"{NET} --model-arg num_classes=9 --model-arg bias=False --report report.json",
        ("Parameters    54,",),
    ),
    Situation(
        "a head of another size", f"convert net:build {X} --checkpoint nine.pt", ("--model-arg num_classes=9",), 1
    ),
    Situation("a factory called build", NET, ("net",), silent=("build ",)),
    Situation("weights without an architecture", "convert nine.pt", ("fc.weight", "[9, 6]"), 1),
    Situation(
        "a way that depends on numbers",
        f"convert net:Branches {X} --random-weights 0",
        ("if y.sum() > 0",),
        1,
        silent=("Traceback", "torch.fx", "GuardOnDataDependent"),
    ),
    Situation("what is inside of a branch", "inspect choice.onnx", ("Mish", "Det")),
    Situation("a name without its library", "convert bert", ("transformers:",), 1),
    Situation("help by one letter", "convert -h", ("name=float32[batch,3,224,224]", "[default: keras]")),
    Situation("versions for a bug report", "--version", ("onnxruntime", "keras", "torch", "python")),
    Situation(
        "a length beyond a position table",
        "convert net:Positions --input x=float32[batch,time,6] --random-weights 0",
        ("Verified      yes",),
    ),
    Situation("a page that shows how to load it", f"{NET} --html page.html", ("Page",), then=a_page_that_loads_it),
    Situation("a backend that does not exist", "convert small.onnx --backend nothing", ("keras",), 1),
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what people have: their code, checkpoints of several kinds, files."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "net.py").write_text(FACTORY)
    (folder / "zoo.toml").write_text('[[model]]\nname = "small"\nsource = "small.onnx"\n')
    ir.save(graph(SMALL), folder / "small.onnx")
    onnx.save(onnx.parser.parse_model(CHOICE), folder / "choice.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import net  # type: ignore[import-not-found]
    module = net.build()
    torch.save(torch.nn.Linear(6, 4).eval(), folder / "whole.pth")
    torch.jit.save(torch.jit.script(module.fc.eval()), folder / "fc.pt")
    torch.export.save(torch.export.export(module, (torch.rand(2, 6),)), folder / "net.pt2")
    state = module.state_dict()
    wrapped = {f"module._orig_mod.{name}": value for name, value in state.items()}
    torch.save({"state_dict": wrapped, "pytorch-lightning_version": "2.5"}, folder / "prefixed.pt")
    torch.save(net.build(9).state_dict(), folder / "nine.pt")
    (folder / "shards").mkdir()
    places = {name: f"model-{place}.safetensors" for place, name in enumerate(state)}
    for name, place in places.items():
        safetensors.torch.save_file({name: state[name]}, folder / "shards" / place)
    (folder / "shards/model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


def in_a_process_without(packages: tuple[str, ...], line: str, folder: Path) -> tuple[int, str]:
    """The exit code and what is printed where these packages are not to be found."""
    hidden = folder / "hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({packages!r}))\n")
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, (hidden, ROOT, folder))), "COLUMNS": "200"}
    command = [sys.executable, "-m", "keraport", *line.split()]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name.replace(" ", "_"))
def test_situation(situation: Situation, workshop: Path, keraport: Keraport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workshop)
    monkeypatch.syspath_prepend(workshop)
    if situation.without:
        code, printed = in_a_process_without(situation.without, situation.command, workshop)
    else:
        ran = keraport(*situation.command.split())
        code, printed = ran.code, ran.out + ran.err
    assert code == situation.code, printed
    assert [part for part in situation.says if part not in printed] == [], printed
    assert [part for part in (*situation.silent, "Bug in keraport") if part in printed] == [], printed
    if situation.then:
        situation.then(workshop)
