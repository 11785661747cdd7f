"""What Keras does with layers goes on working: LoRA, fewer bits, clones, layouts of devices, summaries."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import converter
from scripts.children import ROOT

Array = np.ndarray[Any, np.dtype[Any]]


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 16, 1), nn.SiLU())
        self.fc = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block(self.stem(x)).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 16)
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.1, activation="gelu")
        self.head = nn.Linear(16, 6)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.tokens(ids)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 12)
        self.memory = nn.LSTM(12, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(16, 6)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.memory(self.tokens(ids))[0])


MAKE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "convolutional": (Convolutional, "x=float32[batch,3,16,16]"),
    "transformer": (Transformer, "ids=int64[batch,12]"),
    "recurrent": (Recurrent, "ids=int64[batch,12]"),
}


@pytest.fixture(scope="module", params=MAKE)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Array]:
    """A converted model, and inputs for it."""
    make, spec = MAKE[request.param]
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param) / "model.keras"
    assert converter.convert(make().eval(), path, inputs=[spec]).verified
    rng = np.random.default_rng(0)
    x = rng.random((4, 16, 16, 3), "float32") if request.param == "convolutional" else rng.integers(0, 50, (4, 12))
    return path, x


WITH_LORA = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)


def computed(model: Any, x: Array) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))


def signal(found: Array, wanted: Array) -> float:
    """Decibels of signal to noise."""
    return float(10 * np.log10(np.square(wanted).sum() / max(np.square(found - wanted).sum(), 1e-30)))


def test_lora(saved: tuple[Path, Array], tmp_path: Path) -> None:
    """On every layer that has it: nothing changes before training, then only the new weights do; it loads again."""
    path, x = saved
    model = keras.models.load_model(path)
    wanted = computed(model, x)
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "enable_lora")]
    assert {type(layer).__name__ for layer in layers} & {"Dense", "EinsumDense", "Embedding"}
    for layer in model._flatten_layers(include_self=False):
        if not hasattr(layer, "enable_lora") and not layer._layers:
            layer.trainable = False
    for layer in layers:
        layer.enable_lora(2)
    every = [layer for layer in model._flatten_layers() if isinstance(layer, WITH_LORA)]
    assert every and all(layer.lora_enabled for layer in every)
    np.testing.assert_allclose(computed(model, x), wanted, rtol=1e-5, atol=1e-5)
    assert all("lora" in v.path or "bias" in v.path for v in model.trainable_variables)
    kept = {v.path: keras.ops.convert_to_numpy(v).copy() for v in model.variables if v.path.endswith("kernel")}
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, wanted + 1)
    assert all(np.array_equal(kept[v.path], v) for v in model.variables if v.path in kept)
    assert not np.allclose(computed(model, x), wanted)
    model.save(tmp_path / "lora.keras")
    again = keras.models.load_model(tmp_path / "lora.keras")
    np.testing.assert_allclose(computed(again, x), computed(model, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "least"), [("int8", 30), ("int4", 8), ("float8", 20)])
def test_fewer_bits(saved: tuple[Path, Array], kind: str, least: float, tmp_path: Path) -> None:
    path, x = saved
    model = keras.models.load_model(path)
    wanted = computed(model, x)
    model.quantize(kind)
    found = computed(model, x)
    assert least < signal(found, wanted)
    model.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(computed(again, x), found, rtol=1e-5, atol=1e-5)


def test_a_clone_and_a_summary(saved: tuple[Path, Array]) -> None:
    path, x = saved
    model = keras.models.load_model(path)
    clone = keras.models.clone_model(model)
    assert [tuple(v.shape) for v in clone.weights] == [tuple(v.shape) for v in model.weights]
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(computed(clone, x), computed(model, x))
    lines: list[str] = []
    model.summary(expand_nested=True, print_fn=lines.append)
    assert any("Dense" in line for line in "\n".join(lines).splitlines())


@pytest.mark.skipif(importlib.util.find_spec("pydot") is None, reason="pydot is not installed")
def test_a_picture(saved: tuple[Path, Array]) -> None:
    model = keras.models.load_model(saved[0])
    assert "Dense" in keras.utils.model_to_dot(model, expand_nested=True, show_shapes=True).to_string()


@pytest.mark.skipif(importlib.util.find_spec("pydot") is None, reason="pydot is not installed")
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_a_picture_as_a_file(saved: tuple[Path, Array], tmp_path: Path) -> None:
    model = keras.models.load_model(saved[0])
    keras.utils.plot_model(model, tmp_path / "m.png", expand_nested=True, show_shapes=True, show_layer_names=True)
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_a_board_of_the_training(saved: tuple[Path, Array], tmp_path: Path) -> None:
    """Losses, the graph with its nests, and a histogram of each weight under the name that it has kept."""
    path, x = saved
    model = keras.models.load_model(path)
    model.compile("sgd", "mse")
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, write_graph=True)
    model.fit(x, computed(model, x) + 1, epochs=2, verbose=0, callbacks=[board])
    events = b"".join(file.read_bytes() for file in tmp_path.rglob("*.tfevents*"))
    assert b"epoch_loss" in events and b"keras" in events
    tags = [v.path.encode() for v in model.trainable_variables]
    assert tags and all(tag in events for tag in tags)


DEVICES = """
import sys
import keras, numpy as np
path, x = sys.argv[1], np.load(sys.argv[2])
wanted = np.asarray(keras.models.load_model(path)(x))
mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
layout = keras.distribution.LayoutMap(mesh)
layout[".*(fc|head).*kernel"] = (None, "model")
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch"))
model = keras.models.load_model(path)
parts = [v for v in model.variables if len(v.value.sharding.device_set) == 2 and not v.value.is_fully_replicated]
assert len(parts) == 1 and ("fc" in parts[0].path or "head" in parts[0].path), [v.path for v in parts]
np.testing.assert_allclose(np.asarray(model(x)), wanted, rtol=1e-5, atol=1e-5)
"""


def test_two_devices_by_the_kept_names(saved: tuple[Path, Array], tmp_path: Path) -> None:
    path, x = saved
    np.save(tmp_path / "x.npy", x)
    told = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", DEVICES, str(path), str(tmp_path / "x.npy")]
    done = subprocess.run(command, env={**told, "HOME": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
