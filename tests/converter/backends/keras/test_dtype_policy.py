"""Models under a dtype policy: proven without it, what it costs measured, trained and loaded as Keras does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import converter
from converter.cli import main
from converter.errors import NotEquivalent, UsageError
from converter.options import DTYPE_POLICIES
from converter.proof.quantised import _signal

PURE = [name for name in DTYPE_POLICIES if not name.startswith("mixed")]


class Conv(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
        self.block = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.SiLU())
        self.fc = torch.nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        return self.fc((y + self.block(y)).mean((2, 3)))


class Transformer(torch.nn.Module):
    """With frequencies that rounding would turn by whole circles."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(50, 32)
        layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = torch.nn.Linear(32, 5)
        self.register_buffer("frequencies", torch.logspace(0, -4, 32, base=10))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        angles = tokens.cumsum(1)[..., None].float() * self.frequencies  # of up to 800
        return self.fc(self.encoder(self.embed(tokens) + angles.sin()).mean(1))


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(6, 8, 2, batch_first=True, bidirectional=True)
        self.fc = torch.nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.lstm(x)[0][:, -1])


MODELS = {
    "cnn": (Conv, torch.rand(4, 3, 8, 8)),
    "transformer": (Transformer, torch.randint(0, 50, (4, 16))),
    "recurrent": (Recurrent, torch.rand(4, 7, 6)),
}


def converted(name: str, policy: str, output: Path | None = None, **told: Any) -> converter.Conversion:
    torch.manual_seed(0)
    kind, inputs = MODELS[name]
    return converter.convert(kind().eval(), output, example_inputs=inputs, dtype_policy=policy, **told)


def of_keras(name: str) -> np.ndarray:
    array = MODELS[name][1].numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("cnn", "mixed_bfloat16"),
        ("cnn", "float16"),
        ("transformer", "mixed_float16"),
        ("transformer", "bfloat16"),
        ("recurrent", "bfloat16"),
    ],
)
def test_is_proven_measured_and_loaded(name: str, policy: str, tmp_path: Path) -> None:
    conversion = converted(name, policy, tmp_path / "m.keras")
    assert conversion.verified  # without the policy, as always
    told = conversion.report.to_dict()["dtype_policy"]
    assert told["name"] == policy and told["least_signal"] == DTYPE_POLICIES[policy]
    (measured,) = told["measured"]
    (output,) = measured["outputs"]
    assert DTYPE_POLICIES[policy] < output["snr_db"] < 100
    loaded = keras.models.load_model(tmp_path / "m.keras", compile=False)
    compute, variable = keras.DTypePolicy(policy).compute_dtype, keras.DTypePolicy(policy).variable_dtype
    for model in (conversion.model, loaded):
        assert {each.dtype for each in model.trainable_variables} == {variable}
        assert keras.backend.standardize_dtype(model(of_keras(name)).dtype) == compute
    origins = converter.weights.record.read_record(tmp_path / "m.keras").places
    assert set(origins) <= {each.path for each in conversion.model.weights}


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_step_of_training_keeps_wide_variables_and_scales_the_loss(is_loaded: bool, tmp_path: Path) -> None:
    model = converted("cnn", "mixed_float16", tmp_path / "m.keras", verify=False).model
    if is_loaded:
        model = keras.models.load_model(tmp_path / "m.keras")
        model.dtype_policy = "mixed_float16"  # which a file does not keep of models
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    before = [np.array(each) for each in model.trainable_variables]
    model.fit(of_keras("cnn"), np.arange(4), epochs=1, verbose=0)
    assert {each.dtype for each in model.trainable_variables} == {"float32"}
    assert all(np.isfinite(np.array(each)).all() for each in model.trainable_variables)
    assert any((old != np.array(new)).any() for old, new in zip(before, model.trainable_variables, strict=True))


@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_bfloat16_trains(name: str) -> None:
    model = converted(name, "mixed_bfloat16", verify=False).model
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(of_keras(name), np.arange(4), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("policy", PURE)
def test_what_is_not_trained_is_not_rounded(policy: str) -> None:
    """Frequencies and positions: an Embedding holds them, and whole numbers of any size."""
    model = converted("transformer", policy, verify=False).model
    kept = [each for each in model._flatten_layers() if isinstance(each, keras.layers.Embedding) and not each.trainable]
    assert kept and all(each.dtype_policy.name in ("float32", "float64") for each in kept)


def test_nested_models_are_called_with_what_they_take() -> None:
    """No level widens what the one around it has narrowed."""
    model = converted("cnn", "mixed_bfloat16", verify=False).model
    nested = next(each for each in model._flatten_layers() if each.name.startswith("block"))
    assert isinstance(nested, keras.Model) and nested.inputs[0].dtype == "bfloat16"
    assert model.inputs[0].dtype == "float32"


def test_too_little_signal_is_refused_and_kept_beside(tmp_path: Path) -> None:
    with pytest.raises(NotEquivalent, match=r"The bfloat16 file keeps .* 90 are asked for"):
        converted("cnn", "bfloat16", tmp_path / "m.keras", least_signal=90)
    assert [each.name for each in tmp_path.iterdir()] == ["m.unverified.keras"]


def test_numbers_that_are_not_finite_have_no_signal() -> None:
    whole, inf = np.array([[1.0, 2.0]]), np.array([[1.0, -np.inf]])
    for broken in (np.nan, np.inf):
        assert _signal("y", [whole], [np.array([[1.0, broken]])]).snr_db == -np.inf
    assert _signal("y", [inf], [inf]).snr_db == np.inf
    assert _signal("y", [whole], [whole[:, :1]]).snr_db == -np.inf


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"dtype_policy": "float8"}, "dtype_policy must be one of mixed_bfloat16, bfloat16, mixed_float16, float16"),
        ({"dtype_policy": "float16", "formats": ["tflite"]}, "is one of Keras"),
        ({"dtype_policy": "float16", "formats": ["weights"]}, "is one of Keras"),
    ],
)
def test_what_is_refused(told: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        converter.convert(Conv(), tmp_path / "m.keras", example_inputs=MODELS["cnn"][1], **told)
    assert list(tmp_path.iterdir()) == []


def test_onnx2tf_has_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--dtype-policy says nothing to onnx2tf"):
        converter.options.Options(backend="onnx2tf", dtype_policy="float16")


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[4] / "models"
    told = ["models.digits:build", "--checkpoint", str(path / "digits.safetensors"), "--dtype-policy", "mixed_bfloat16"]
    files = ["-o", str(tmp_path / "m.keras"), "--html", str(tmp_path / "m.html")]
    assert main(["convert", *told, "--input", "image=float32[batch,1,8,8]", *files]) == 0
    assert "dB of signal to noise in" in capsys.readouterr().out
    assert "Signal to noise" in (tmp_path / "m.html").read_text()
