"""Models under a dtype policy: proven without it, what it costs measured, trained and loaded as Keras does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import converter
from converter.cli import main
from converter.errors import NotEquivalent, UsageError
from converter.options import DTYPE_POLICIES, Options
from converter.proof.fewer_bits.measure import FewerBits, _signal, fewer_bits
from converter.proof.saved_model import verify_saved
from converter.sources import load
from tests.conftest import Keraport

MODELS_FOLDER = Path(__file__).parents[4] / "models"
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


DRAWN = torch.Generator().manual_seed(0)
MODELS = {
    "cnn": (Conv, torch.rand(4, 3, 8, 8, generator=DRAWN)),
    "transformer": (Transformer, torch.randint(0, 50, (4, 16), generator=DRAWN)),
    "recurrent": (Recurrent, torch.rand(4, 7, 6, generator=DRAWN)),
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
    history = model.fit(of_keras(name), np.arange(4), epochs=20, verbose=0).history["loss"]
    assert np.mean(history[-5:]) < np.mean(history[:5])


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
    told = ["models.digits:build", "--checkpoint", str(MODELS_FOLDER / "digits.safetensors")]
    told += ["--dtype-policy", "mixed_bfloat16"]
    files = ["-o", str(tmp_path / "m.keras"), "--html", str(tmp_path / "m.html")]
    assert main(["convert", *told, "--input", "image=float32[batch,1,8,8]", *files]) == 0
    assert "dB of signal to noise in" in capsys.readouterr().out
    assert "Signal to noise" in (tmp_path / "m.html").read_text()


DIGITS = ("models.digits:build", "--checkpoint", MODELS_FOLDER / "digits.safetensors")
SPEC = ("--input", "image=float32[batch,1,8,8]")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_a_file_that_exists_is_judged_by_the_same_measure(policy: str, tmp_path: Path, keraport: Keraport) -> None:
    told, reports = (*DIGITS, *SPEC), [tmp_path / "a.json", tmp_path / "b.json"]
    files = ("-o", tmp_path / "m.keras", "--report", reports[0])
    assert keraport("convert", *told, "--dtype-policy", policy, *files).code == 0
    ran = keraport("verify", tmp_path / "m.keras", *told, "--report", reports[1], "--html", tmp_path / "b.html")
    assert ran.code == 0, ran.err
    assert "yes, by the signal that it keeps" in ran.out and f"{policy}: " in ran.out
    first, again = (json.loads(each.read_text())["dtype_policy"] for each in reports)
    assert (first.pop("proven_without"), again.pop("proven_without")) == (True, False)
    (ours,), (theirs,) = (told.pop("measured")[0]["outputs"] for told in (first, again))
    assert first == again == {"name": policy, "least_signal": DTYPE_POLICIES[policy]}
    assert ours["snr_db"] == theirs["snr_db"]  # to the last decimal: the same cases, the same measure
    verification = json.loads(reports[1].read_text())["verification"]
    assert {output["by"] for case in verification["cases"] for output in case["outputs"]} == {"signal"}
    assert verification["export"]["passed"] and not verification["precision"]
    assert "judged by how much of the signal" in (tmp_path / "b.html").read_text()


def test_a_file_that_exists_and_keeps_too_little(tmp_path: Path, keraport: Keraport) -> None:
    path, told = tmp_path / "m.keras", (*DIGITS, *SPEC)
    assert keraport("convert", *told, "--dtype-policy", "mixed_bfloat16", "-o", path, "--no-verify").code == 0
    ran = keraport("verify", path, *told, "--min-signal", "90")
    assert ran.code == 3 and "dB of signal to noise, 90 are asked for" in ran.err and "first difference" not in ran.err
    other = keraport("verify", path, DIGITS[0], "--random-weights", "0", *SPEC)  # the weights of nobody
    assert other.code == 3 and "dB of signal to noise, 10 are asked for" in other.err
    ran = keraport("verify", path, *told, "--gradients")
    assert ran.code == 1 and "Gradients are compared in float32" in ran.err


def test_a_file_of_all_bits_has_to_be_equal(tmp_path: Path, keraport: Keraport) -> None:
    path, told = tmp_path / "m.keras", (*DIGITS, *SPEC)
    assert keraport("convert", *told, "-o", path, "--no-verify").code == 0
    ran = keraport("verify", path, *told, "--min-signal", "10")
    assert ran.code == 1 and "here none has" in ran.err
    model = keras.models.load_model(path)
    model.quantize("int8")
    model.save(tmp_path / "int8.keras")
    ran = keraport("verify", tmp_path / "int8.keras", *told)
    assert ran.code == 0 and "int8_from_float32: " in ran.out, ran.err


@pytest.mark.parametrize(
    ("policies", "asked", "found"),
    [
        (["float32"], None, None),
        (["float32", "int32", "mixed_float16"], None, FewerBits("mixed_float16", 25.0)),
        (["bfloat16", "float16"], None, FewerBits("bfloat16, float16", 10.0)),
        (["int8_from_mixed_bfloat16"], None, FewerBits("int8_from_mixed_bfloat16", 15.0)),
        (["int4/128_from_float32"], 3.0, FewerBits("int4/128_from_float32", 3.0)),
    ],
)
def test_what_policies_have_to_keep(policies: list[str], asked: float | None, found: FewerBits | None) -> None:
    assert fewer_bits(policies, asked) == found


def test_nobody_knows_what_four_bits_keep() -> None:
    with pytest.raises(UsageError, match=r"int4/128 have to keep is not known"):
        fewer_bits(["int4/128_from_float32"], None)


def test_whole_numbers_are_not_judged_beside_others(tmp_path: Path) -> None:
    """The greatest of scores that are almost one may be another; alone it has to be the same."""

    class Best(torch.nn.Module):
        def __init__(self, alone: bool) -> None:
            super().__init__()
            self.fc, self.alone = torch.nn.Linear(6, 64), alone

        def forward(self, x: torch.Tensor) -> Any:
            scores = self.fc(x)
            return scores.argmax(-1) if self.alone else (scores, scores.argmax(-1))

    torch.manual_seed(0)
    for alone in (False, True):
        module, x = Best(alone).eval(), torch.randn(512, 6)
        converter.convert(module, tmp_path / "m.keras", example_inputs=x, dtype_policy="mixed_bfloat16", verify=False)
        source = load(module, Options(example_inputs=x))
        found, _ = verify_saved(tmp_path / "m.keras", source, examples={"x": x.numpy()})
        assert found.passed != alone and bool(found.signals) != alone
        assert ("whole numbers" in str(found.unproven)) != alone
