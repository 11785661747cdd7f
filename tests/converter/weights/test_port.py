"""`keraport weights port`: weights into Keras models that were written by hand, with other names and other views."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops
from torch import nn

from converter.errors import UsageError
from converter.options import Options
from converter.sources import load
from converter.weights.port.porting import Porting, port_weights
from converter.weights.port.saving import _saved
from tests.conftest import Keraport

IMAGE = "x=float32[batch,3,16,16]"
WORDS = "ids=int64[batch,time]"


class Residual(nn.Module):
    """A shortcut that comes last, a depthwise and a grouped convolution, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 16, 1, groups=2)
        self.gate = nn.Conv2d(16, 16, 1)
        self.shortcut = nn.Conv2d(8, 16, 1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.grouped(nn.functional.gelu(self.depthwise(x)))
        y = y * self.gate(y.mean((2, 3), keepdim=True)).sigmoid() + self.shortcut(x)
        return self.fc(y.mean((2, 3)))


def residual(epsilon: float = 1e-5, gelu: str = "gelu", padding: str = "torch", last: str | None = None) -> Any:
    image = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(1)(image) if padding == "torch" else image
    kind = "valid" if padding == "torch" else "same"
    x = layers.Conv2D(8, 3, 2, kind, use_bias=True, name="first")(x)  # a bias that the source has not
    x = layers.BatchNormalization(epsilon=epsilon, name="norm")(x)
    x = layers.Activation("relu")(x)
    side = layers.Conv2D(16, 1, name="side")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation=gelu, name="each")(x)
    y = layers.Conv2D(16, 1, groups=2, name="two")(y)
    squeezed = layers.GlobalAveragePooling2D()(y)
    y = y * layers.Reshape((1, 1, 16))(layers.Dense(16, "sigmoid", name="gate")(squeezed))
    y = layers.GlobalAveragePooling2D()(layers.Add()([side, y]))
    return keras.Model(image, layers.Dense(5, last, name="scores")(y))


class Attention(nn.Module):
    """Token and position tables, queries, keys and values in one product, a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(30, 12)
        self.places = nn.Parameter(torch.randn(1, 20, 12))
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.proj = nn.Linear(12, 12)
        self.memory = nn.LSTM(12, 6, batch_first=True, bidirectional=True)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.places[:, : ids.shape[1]]
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 3, 4)).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.memory(x + self.proj(y))[0]


class Positions(layers.Layer):
    """A table of our own."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(20, 12), name="table")

    def call(self, x: Any) -> Any:
        return x + self.table[: ops.shape(x)[1]]


class Heads(layers.Layer):
    """Attention whose values are made before its keys, by layers whose names say nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.a, self.b, self.c = (layers.EinsumDense("btd,dhe->bthe", (None, 3, 4), bias_axes="he") for _ in range(3))
        self.out = layers.EinsumDense("bthe,hed->btd", (None, 12), bias_axes="d")

    def build(self, shape: Any) -> None:
        for part in (self.a, self.b, self.c):
            part.build(shape)
        self.out.build((*shape[:2], 3, 4))

    def call(self, x: Any) -> Any:
        v, q, k = self.a(x), self.b(x), self.c(x)
        return self.out(ops.dot_product_attention(q, k, v))


def attention() -> Any:
    ids = keras.Input((None,), dtype="int32")
    x = Positions()(layers.Embedding(30, 12)(ids))
    y = Heads(name="heads")(layers.LayerNormalization(epsilon=1e-5)(x))
    return keras.Model(ids, layers.Bidirectional(layers.LSTM(6, return_sequences=True))(layers.Add()([x, y])))


class Subclassed(keras.Model):
    """Without declared inputs: what it has is known when it has run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(4, "relu", name="first")
        self.second = layers.Dense(4, name="second")

    def call(self, x: Any) -> Any:
        return self.second(self.first(x)) + x


class Added(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.up(x).relu()) + x


def ported(module: nn.Module, spec: str, model: Any, told: dict[str, str] | None = None) -> Porting:
    torch.manual_seed(0)
    options = Options(inputs=(spec,))
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 1.0)
            tensor.data *= torch.where(torch.rand(tensor.shape) > 0.5, 1.0, -1.0) if tensor.requires_grad else 1.0
    return port_weights(load(module.eval(), options), model, options, told)[0]


def held(porting: Porting) -> dict[str, str | None]:
    return {row.variable: row.source for row in porting.rows}


def test_other_names_an_activation_inside_and_a_bias_too_many() -> None:
    porting = ported(Residual(), IMAGE, residual())
    assert porting.is_equal and not porting.partings and not porting.alone and not porting.unused
    rows = held(porting)
    assert rows["side/kernel"] == "shortcut.weight" and rows["gate/kernel"] == "gate.weight"
    assert rows["first/bias"] is None and rows["norm/moving_mean"] == "stem.1.running_mean"
    assert len(rows) == 16


def test_parts_of_one_product_in_another_order_and_a_table_of_our_own() -> None:
    porting = ported(Attention(), WORDS, attention())
    assert porting.is_equal and not porting.alone and not porting.unused
    views = {row.variable: row.view for row in porting.rows if row.source == "qkv.weight"}
    taken = [next(numbers[1] for kind, numbers in view if kind == "take") for view in views.values() if view]
    assert taken == [24, 0, 12]  # values, queries, keys
    assert held(porting)["positions/table"] == "places"


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"epsilon": 1e-3}, "norm", "epsilon is 0.001, in the source 1e-05"),
        ({"gelu": "relu"}, "two", "it is given something else"),
        ({"padding": "same"}, "first", "padding is same, in the source valid"),
    ],
)
def test_where_two_architectures_part(changes: dict[str, Any], where: str, said: str) -> None:
    porting = ported(Residual(), IMAGE, residual(**changes))
    assert not porting.is_equal and not porting.alone and not porting.unused
    assert {parting.layers[0][0] for parting in porting.partings} == {where}
    assert any(said in parting.why for parting in porting.partings)


def test_an_activation_at_the_end_is_seen_by_the_proof() -> None:
    porting = ported(Residual(), IMAGE, residual(last="relu"))
    assert not porting.is_equal and porting.verification is not None
    assert "Output" in porting.verification.reason


def test_a_layer_without_a_partner() -> None:
    model = residual()
    more = layers.Dense(7, name="more")(model.output)
    porting = ported(Residual(), IMAGE, keras.Model(model.input, layers.Dense(5, name="again")(more)))
    assert porting.alone == ["more", "again"] and not porting.is_equal


def test_a_subclassed_model() -> None:
    porting = ported(Added(), "x=float32[batch,4]", Subclassed())
    assert porting.is_equal and not porting.unused
    assert held(porting)["first/kernel"] == "up.weight" and held(porting)["second/bias"] == "down.bias"


class Tied(nn.Module):
    """A language model whose end is its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(30, 12)
        self.norm = nn.LayerNorm(12)
        self.end = nn.Linear(12, 30, bias=False)
        self.end.weight = self.tokens.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.end(self.norm(self.tokens(ids)))


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_tied_in_the_source(tied: bool) -> None:
    ids = keras.Input((None,), dtype="int32")
    table = layers.ReversibleEmbedding(30, 12, name="table") if tied else layers.Embedding(30, 12, name="table")
    x = layers.LayerNormalization(epsilon=1e-5)(table(ids))
    y = table(x, reverse=True) if tied else layers.Dense(30, use_bias=False, name="scores")(x)
    porting = ported(Tied(), WORDS, keras.Model(ids, y))
    assert porting.is_equal and not porting.alone and not porting.unused
    assert held(porting).get("scores/kernel", held(porting)["table/embeddings"]) in ("tokens.weight", "end.weight")


class Flat(nn.Module):
    """Its product is given channels, rows, columns; a Keras model's rows, columns, channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 4, 1)
        self.fc = nn.Linear(64, 6)
        self.scale = nn.Parameter(torch.ones(6))
        self.shift = nn.Parameter(torch.zeros(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).tanh().flatten(1)) * self.scale + self.shift


@keras.saving.register_keras_serializable("test_port")
class Affine(layers.Layer):
    """Two parameters of the source in one layer, the later one first."""

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight(shape=(shape[-1],), name="shift")
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale + self.shift


def test_axes_joined_in_another_order_and_two_parameters_in_one_layer() -> None:
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 4, activation="tanh")(layers.ZeroPadding2D(1)(image))
    y = Affine(name="affine")(layers.Dense(6, name="scores")(layers.Flatten()(x)))
    porting = ported(Flat(), IMAGE, keras.Model(image, y))
    assert porting.is_equal and not porting.alone and not porting.unused and not porting.partings
    rows = held(porting)
    assert rows["affine/shift"] == "shift" and rows["affine/scale"] == "scale" and rows["scores/kernel"] == "fc.weight"


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.a, self.b = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x) * self.a) * self.b


class Gamma(layers.Layer):
    """What Keras calls the scale of a norm, alone."""

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), name="gamma")

    def call(self, x: Any) -> Any:
        return x * self.gamma


def test_a_scale_that_is_called_gamma() -> None:
    x = keras.Input((4,))
    y = Gamma(name="one")(layers.Dense(4, name="first")(x))
    y = Gamma(name="two")(layers.Dense(4, name="second")(y))
    porting = ported(Scaled(), "x=float32[batch,4]", keras.Model(x, y))
    assert porting.is_equal and not porting.unused
    assert held(porting)["one/gamma"] == "a" and held(porting)["two/gamma"] == "b"


def test_a_class_that_keras_does_not_know_is_named(tmp_path: Path) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, Gamma(name="one")(x))
    with pytest.raises(UsageError, match=r"again: Could not locate class 'Gamma'[^{]*$"):
        _saved(model, tmp_path / "m.keras", alone=False)


WORKSHOP = """
import keras, torch
from keras import layers

def source():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))

def target(units=8):
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, "tanh", name="a"), layers.Dense(units, name="b"),
                             layers.Dense(2, name="c")])

def fixed():
    return keras.Sequential([keras.Input((6,), batch_size=2), layers.Dense(2)])

def text():
    return "no model"
"""


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(WORKSHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "shop", raising=False)
    return tmp_path


SOURCE = ("shop:source", "--input", "x=float32[batch,6]")
Port = Callable[..., Any]


@pytest.fixture
def port(workshop: Path, keraport: Keraport) -> Port:
    return lambda *arguments: keraport("weights", "port", *SOURCE, *arguments)


def test_the_command_its_map_and_the_file(port: Port, workshop: Path) -> None:
    ran = port("--into", "shop:target", "-o", "out.keras", "--map", "map.json")
    assert ran.code == 0, ran.err
    assert "a/kernel  ←  0.weight, axes (1, 0)" in ran.out and "Verified      yes" in ran.out
    told = json.loads((workshop / "map.json").read_text())["variables"]
    assert told["b/kernel"] == {"source": "2.weight", "view": [["transpose", [1, 0]]]}
    first = keras.models.load_model("out.keras")
    assert port("--into", "out.keras", "-o", "again.keras", "--map", "map.json").code == 0
    again = keras.models.load_model("again.keras")
    for a, b in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def test_weights_without_a_model(port: Port) -> None:
    ran = port("--into", "shop:target", "-o", "out.weights.h5")
    assert ran.code == 0 and Path("out.weights.h5").is_file()


def test_a_map_that_is_wrong_is_followed_and_refused_by_the_proof(port: Port, workshop: Path) -> None:
    assert port("--into", "shop:target", "-o", "out.keras", "--map", "map.json").code == 0
    map_file = workshop / "map.json"
    map_file.write_text(map_file.read_text().replace('"0.weight"', '"nothing.weight"'))
    ran = port("--into", "shop:target", "-o", "wrong.keras", "--map", "map.json")
    assert ran.code == 3 and "no partner" in ran.err and not (workshop / "wrong.keras").exists()
    assert (workshop / "wrong.unverified.keras").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--into", "shop:target", "--into-arg", "units=9"), 3, "no partner"),
        (("--into", "shop:target", "--into-arg", "size=9"), 1, "It takes units"),
        (("--into", "shop:nothing"), 1, "It defines source, target, fixed, text"),
        (("--into", "nowhere:model"), 1, "no module 'nowhere'"),
        (("--into", "shop:text"), 1, "not a keras.Model"),
        (("--into", "missing.keras"), 1, "There is no file"),
        (("--into", "shop.py"), 1, "not of the form"),
        (("--into", "shop:target", "--map", "shop.py"), 1, "no map of weights"),
        (("--into", "shop:target", "--map", "other.json"), 1, "no variable 'x/kernel'"),
    ],
)
def test_what_does_not_fit(port: Port, workshop: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    (workshop / "other.json").write_text('{"variables": {"x/kernel": {"source": "a"}}}')
    (workshop / "out.keras").write_text("before")
    ran = port(*arguments, "-o", "out.keras")
    assert ran.code == code and said in ran.err, ran.err
    assert "Bug" not in ran.err and (workshop / "out.keras").read_text() == "before"


def test_inputs_of_another_size(workshop: Path, keraport: Keraport) -> None:
    ran = keraport(
        "weights", "port", "shop:source", "--input", "x=float32[3,6]", "--into", "shop:fixed", "-o", "o.keras"
    )
    assert ran.code == 1 and "The model takes" in ran.err and "--input" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "into", "arguments", "said"),
    [
        ("resnet50", "models.handwritten.resnet50:build", (), None),
        ("mobilenet_v2", "models.handwritten.mobilenet_v2:build", (), None),
        ("densenet121", "keras.applications:DenseNet121", (), None),
        ("convnext_tiny", "keras.applications:ConvNeXtTiny", ("include_preprocessing=false",), None),
        ("resnet50", "keras.applications:ResNet50", (), "strides is (2, 2), in the source (1, 1)"),
        ("mobilenet_v2", "keras.applications:MobileNetV2", (), "epsilon is 0.001, in the source 1e-05"),
        ("efficientnet_b0", "keras.applications:EfficientNetB0", (), "epsilon is 0.001, in the source 1e-05"),
    ],
)
def test_architectures(
    keraport: Keraport, tmp_path: Path, name: str, into: str, arguments: tuple[str, ...], said: str | None
) -> None:
    """Those of keras.applications that are others say in what."""
    plain = ("weights=none", "classifier_activation=none") if "applications" in into else ()
    given = [part for each in (*plain, *arguments) for part in ("--into-arg", each)]
    out = tmp_path / "out.keras"
    ran = keraport("weights", "port", f"torchvision:{name}", "--random-weights", "0", "--into", into, *given, "-o", out)
    assert ran.code == (0 if said is None else 3), ran.err
    assert out.exists() == (said is None) and (said or "Verified") in ran.out
