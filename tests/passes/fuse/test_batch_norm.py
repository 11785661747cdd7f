"""BatchNorm folded into what comes before it computes the same, and stays where it cannot be folded."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
import torch

import converter
from passes.fuse.batch_norm import FoldBatchNorm
from tests.harness import check_pass, operators
from tests.zoo import needs

WEIGHTS = """
<float[{shape}] w = {{{w}}}, float[4] gamma = {{1.5, -0.5, 0.25, 2}}, float[4] beta = {{0.5, 1, -1, 0}},
 float[4] mean = {{0.1, -0.2, 0.3, 1}}, float[4] var = {{0.5, 1.5, 2, 0.25}}>
"""


def weights(shape: str, count: int) -> str:
    return WEIGHTS.format(shape=shape, w=", ".join(str((i * 5 % 13 - 6) / 8) for i in range(count)))


@pytest.mark.parametrize(
    ("operator", "shape", "count"),
    [("Conv", "4,3,3,3", 108), ("Conv<group=2>", "4,2,3,3", 72), ("ConvTranspose<group=2>", "4,2,3,3", 72)],
)
def test_folds(operator: str, shape: str, count: int) -> None:
    channels = 4 if "group" in operator else 3
    text = f"""g (float[batch,{channels},6,7] x) => (float[batch,4,h,w2] y) {weights(shape, count)}
    {{ c = {operator}(x, w)  y = BatchNormalization<epsilon=0.01>(c, gamma, beta, mean, var) }}"""
    assert len(operators(check_pass(FoldBatchNorm(), text, modified=True))) == 1


def test_stays_where_the_convolution_is_read_twice() -> None:
    text = f"""g (float[batch,3,6,7] x) => (float[batch,4,4,5] y, float[batch,4,4,5] c) {weights("4,3,3,3", 108)}
    {{ c = Conv(x, w)  y = BatchNormalization(c, gamma, beta, mean, var) }}"""
    assert "BatchNormalization" in operators(check_pass(FoldBatchNorm(), text, modified=False))


def test_whole_model(tmp_path: Path) -> None:
    needs("torchvision")
    conversion = converter.convert("torchvision:resnet18", tmp_path / "m.keras", random_weights=0, fold_batchnorm=True)
    assert conversion.verified
    layers = conversion.model._flatten_layers()
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
    assert conversion.model.get_layer("layer1").get_layer("layer1-0").get_layer("layer1-0-conv1").use_bias


def test_for_latency_norms_are_folded() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    conversion = converter.convert(net, inputs=["x=float32[batch,3,8,8]"], optimise="latency")
    assert conversion.verified and "nhwc::BatchNormalization" not in conversion.report.operators
