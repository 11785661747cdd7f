"""`keraport weights`: checkpoints in and out of a converted model, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import converter
from converter.cli import main
from converter.errors import BadSource
from converter.weights.record import MEMBER


class Net(torch.nn.Module):
    """A convolution with its norm, a branch that evaluation never runs, a counter, and a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.depthwise = torch.nn.Conv2d(4, 4, 3, groups=4)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, 5)
        self.scale = torch.nn.Parameter(torch.tensor(1.5))
        self.auxiliary = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn(self.depthwise(self.conv(x)))).mean((2, 3))
        return self.fc(y) * self.scale


def net(seed: int) -> Net:
    torch.manual_seed(seed)
    module = Net().eval()
    with torch.no_grad():
        for tensor in (*module.parameters(), module.bn.running_mean, module.bn.running_var):
            tensor.uniform_(0.1, 1.0)
        module.bn.num_batches_tracked += seed
    return module


X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("weights")
    conversion = converter.convert(net(1), place / "one.keras", example_inputs=X, verify=False)
    (place / "report.json").write_text(json.dumps(conversion.report.to_dict()))
    torch.save(net(1).state_dict(), place / "one.pt")
    save_file(net(2).state_dict(), place / "two.safetensors")
    return place


def run(*arguments: object) -> int:
    return main(["weights", *map(str, arguments)])


def outputs(path: Path) -> np.ndarray:
    model = keras.saving.load_model(path, compile=False)
    return np.asarray(keras.ops.convert_to_numpy(model(X.permute(0, 2, 3, 1).numpy())))


def same(path: Path, module: torch.nn.Module) -> bool:
    state, wanted = load_file(path), module.state_dict()
    return state.keys() == wanted.keys() and all(
        state[name].dtype == tensor.dtype and torch.equal(state[name], tensor) for name, tensor in wanted.items()
    )


def test_another_checkpoint_and_back(folder: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.keras"
    assert run("load", folder / "one.keras", "--checkpoint", folder / "two.safetensors", "-o", two) == 0
    np.testing.assert_allclose(outputs(two), net(2)(X).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert run("export", two, "-o", tmp_path / "back.safetensors") == 0
    assert same(tmp_path / "back.safetensors", net(2))
    assert run("load", two, "--checkpoint", folder / "one.pt", "-o", tmp_path / "one.keras") == 0
    np.testing.assert_array_equal(outputs(tmp_path / "one.keras"), outputs(folder / "one.keras"))


def test_fine_tuned_in_keras_and_back_in_torch(folder: Path, tmp_path: Path) -> None:
    model = keras.saving.load_model(folder / "one.keras", compile=False)
    model.compile("sgd", "mse")
    model.fit(X.permute(0, 2, 3, 1).numpy(), np.zeros((2, 5), "float32"), epochs=2, verbose=0)
    model.save(tmp_path / "tuned.keras")
    assert run("export", tmp_path / "tuned.keras", "-o", tmp_path / "x.pt") == 1  # Keras has left the record out
    for record in (folder / "one.keras", folder / "report.json"):
        target = tmp_path / f"{record.stem}.pt"
        assert run("export", tmp_path / "tuned.keras", "-o", target, "--record", record) == 0
    module = net(3)
    module.load_state_dict(torch.load(tmp_path / "one.pt"))
    np.testing.assert_allclose(module(X).detach().numpy(), outputs(tmp_path / "tuned.keras"), rtol=1e-5, atol=1e-6)


def test_in_memory(folder: Path) -> None:
    conversion = converter.convert(net(1), example_inputs=X, verify=False)
    conversion.load_checkpoint(folder / "two.safetensors")
    found = np.asarray(keras.ops.convert_to_numpy(conversion.model(X.permute(0, 2, 3, 1).numpy())))
    np.testing.assert_allclose(found, net(2)(X).detach().numpy(), rtol=1e-5, atol=1e-6)
    save_file({"fc.weight": torch.zeros(5, 4)}, folder / "part.safetensors")
    with pytest.raises(BadSource, match="10 missing"):
        conversion.load_checkpoint(folder / "part.safetensors")


def test_torch_and_keras_are_not_needed(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from converter.cli import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'keras', 'tensorflow', 'onnx_ir', 'onnxruntime'} & set(sys.modules))); sys.exit(code)"
    )
    files = [folder / "one.keras", "--checkpoint", folder / "two.safetensors", "-o", tmp_path / "o.keras"]
    command = [sys.executable, "-c", code, "weights", "load", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc.bias"), "1 missing: fc.bias"),
        (lambda state: state.update(more=torch.zeros(2)), "1 unexpected: more"),
        (lambda state: state.update({"fc.bias": torch.zeros(7)}), "1 misshapen: fc.bias"),
    ],
)
def test_checkpoints_that_do_not_fit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object, message: str
) -> None:
    state = dict(net(2).state_dict())
    change(state)  # type: ignore[operator]
    save_file(state, tmp_path / "other.safetensors")
    target = tmp_path / "o.keras"
    target.write_text("mine")
    arguments = ("load", folder / "one.keras", "--checkpoint", tmp_path / "other.safetensors", "-o", target)
    assert run(*arguments) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert target.read_text() == "mine"


def test_records_that_are_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    plain.save(tmp_path / "plain.keras")
    assert run("export", tmp_path / "plain.keras", "-o", tmp_path / "o.safetensors") == 1
    assert "keraport did not make it" in " ".join(capsys.readouterr().err.split())
    edited = tmp_path / "edited.keras"
    with zipfile.ZipFile(folder / "one.keras") as before, zipfile.ZipFile(edited, "w") as after:
        for name in before.namelist():
            text = before.read(name)
            after.writestr(name, text.replace(b"transpose", b"rotate") if name == MEMBER else text)
    assert run("export", edited, "-o", tmp_path / "o.safetensors") == 1
    assert "was changed" in " ".join(capsys.readouterr().err.split())
    arguments = ("export", tmp_path / "plain.keras", "--record", folder / "one.keras", "-o", tmp_path / "o.safetensors")
    assert run(*arguments) == 1
    assert "not the model of the record" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o.safetensors").exists()
    assert run("export", folder / "one.keras", "-o", tmp_path / "o.bin") == 1
