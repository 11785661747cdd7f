"""Layers by the names of torch, and models that end at them, as torch's own hooks see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import keraport
from converter.processes.replay import Replay
from converter.sources import load
from tests.zoo import needs

SPEC = "x=float32[batch,3,16,16]"


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.conv(x)) - 0.25) + x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.stages = nn.Sequential(nn.Sequential(Block(4), Block(4)), nn.Sequential(Block(4)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.stages(self.stem(x))))


@pytest.fixture(scope="module")
def converted() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    module = Net().eval()
    return module, keraport.convert(module, inputs=[SPEC], verify=False).model


def hooked(module: nn.Module, names: list[str], *inputs: torch.Tensor, moved: bool = True) -> list[np.ndarray]:
    """What the modules give, axes as in Keras."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.get_submodule(name).register_forward_hook(lambda _m, _i, y, name=name: seen.update({name: y.clone()}))
        for name in names
    ]
    with torch.no_grad():
        module(*inputs)
    for handle in handles:
        handle.remove()
    results = [seen[name] for name in names]
    return [(y.movedim(1, -1) if moved and y.ndim == 4 else y).numpy() for y in results]


@pytest.mark.parametrize(
    "names", [["stages.0"], ["stages.0.1.relu", "stem"], ["stages.1.0.conv", "stages.0.0", "head.1"], ["stages"]]
)
def test_features_are_what_hooks_see(converted: tuple[nn.Module, Any], names: list[str]) -> None:
    module, model = converted
    x = torch.rand(2, 3, 16, 16)
    part = keraport.features(model, names)
    assert {id(v) for v in part.variables} <= {id(v) for v in model.variables}
    results = part(x.movedim(1, -1).numpy())
    results = results if len(names) > 1 else [results]
    for found, wanted in zip(results, hooked(module, names, x), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-5, atol=1e-5)


def test_find(converted: tuple[nn.Module, Any]) -> None:
    _, model = converted
    assert isinstance(keraport.find(model, "stages.0.1.conv"), keras.layers.Conv2D)
    assert isinstance(keraport.find(model, "stages.0"), keras.Model)
    assert keraport.find(model, "stem") is model.get_layer("stem")
    assert isinstance(keraport.find(model, "head"), keras.layers.Dense)
    with pytest.raises(ValueError, match=r"no layer 'stages.0.1.con'. There are: stages-0-1-conv"):
        keraport.find(model, "stages.0.1.con")
    with pytest.raises(ValueError, match=r"no layer 'nothing\.like\.it'"):
        keraport.find(model, "nothing.like.it")
    with pytest.raises(ValueError, match="No layers"):
        keraport.features(model, [])


def test_one_name_gives_one_tensor_in_a_flat_model_too(converted: tuple[nn.Module, Any]) -> None:
    module, _ = converted
    flat = keraport.convert(module, inputs=[SPEC], verify=False, structure="flat").model
    x = torch.rand(2, 3, 16, 16)
    part = keraport.features(flat, "stages.0.1.relu")
    plain = keras.Model(flat.inputs, flat.get_layer("stages-0-1-relu_1").output)
    (wanted,) = hooked(module, ["stages.0.1.relu"], x)
    for model in (part, plain):
        found = keras.ops.convert_to_numpy(model(x.movedim(1, -1).numpy()))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_new_head_is_trained_and_the_old_layers_are_not(converted: tuple[nn.Module, Any]) -> None:
    module, _ = converted
    model = keraport.convert(module, inputs=[SPEC], verify=False).model
    body = keraport.features(model, "pool")
    keraport.find(model, "stem").trainable = False
    keraport.find(model, "stages").trainable = False
    y = keras.layers.Dense(2, name="new_head")(keras.layers.Flatten()(body.output))
    tuned = keras.Model(body.inputs, y)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    tuned.compile("sgd", "mse")
    x, target = np.random.default_rng(0).random((8, 16, 16, 3)), np.eye(2)[np.arange(8) % 2]
    losses = [tuned.train_on_batch(x, target) for _ in range(10)]
    assert losses[-1] < losses[0]
    assert [v.path for v in tuned.trainable_variables] == ["new_head/kernel", "new_head/bias"]
    after = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("torchvision:resnet50", ["layer2", "layer3.5.relu", "layer4.0.bn1"]),
        ("torchvision:convnext_tiny", ["features.3", "features.5.4", "avgpool"]),
        ("torchvision:swin_t", ["features.3", "features.5.2", "norm"]),
        (
            "torchvision:vit_b_16",
            ["encoder.layers.encoder_layer_3", "encoder.ln", "encoder.layers.encoder_layer_7.ln_1"],
        ),
    ],
)
def test_whole_architectures_on_three_backends(source: str, names: list[str], tmp_path: Path) -> None:
    needs("torchvision")
    module = load(source, random_weights=0).torch_module
    assert module is not None
    module.eval()
    model = keraport.convert(module, inputs=["x=float32[batch,3,224,224]"], verify=False).model
    part = keraport.features(model, names)
    part.save(tmp_path / "part.keras")
    x = torch.rand(2, 3, 224, 224)
    wanted = hooked(module, names, x, moved="swin" not in source)  # whose axes are Keras's
    for backend in ("tensorflow", "jax", "torch"):
        (found,) = Replay.warm(backend).run(tmp_path / "part.keras", [[x.movedim(1, -1).numpy()]])
        for ours, theirs in zip(found, wanted, strict=True):
            ours = ours.reshape(theirs.shape)  # a pool that keeps its axes in torch
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max(), err_msg=backend)


def test_features_of_bert_on_three_backends(tmp_path: Path) -> None:
    needs("transformers")
    from models.transformers_types.encoders import bert

    torch.manual_seed(0)
    module = bert().eval()
    specs = ["input_ids=int64[batch,sequence]", "attention_mask=int64[batch,sequence]"]
    model = keraport.convert(module, inputs=specs, verify=False).model
    paths = ("embeddings.LayerNorm", "encoder.layer.0.attention.output", "encoder.layer.1.output.dense")
    names = [f"model.{path}" for path in paths]
    part = keraport.features(model, names)
    ids, mask = torch.randint(0, 60, (2, 9)), torch.ones(2, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    wanted = hooked(module, names, ids, mask)
    part.save(tmp_path / "part.keras")
    for backend in ("tensorflow", "jax", "torch"):
        (found,) = Replay.warm(backend).run(tmp_path / "part.keras", [[ids.numpy(), mask.numpy()]])
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=backend)
