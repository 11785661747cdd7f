"""A small residual network for scikit-learn's 8×8 digits; scripts/train_digits.py made digits.safetensors.

It has one of each that a converter gets wrong most easily: a strided convolution with padding 1 on an even size, a
strided shortcut, BatchNorm, a depthwise convolution, both kinds of pooling.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CHECKPOINT = Path(__file__).with_name("digits.safetensors")
INPUT = "image=float32[batch,1,8,8]"
HELD_OUT_EVERY = 5
"""Every fifth digit is held out: no random generator decides, so the split is the same everywhere."""

Arrays = tuple[np.ndarray, np.ndarray]


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is a strided 1×1 convolution where the size changes."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            conv = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Separable(nn.Module):
    """A depthwise 3×3 convolution and a 1×1 convolution, with a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.depthwise(x)))
        return F.relu(x + self.bn2(self.pointwise(y)))


class DigitNet(nn.Module):
    """Input: N×1×8×8, from 0 to 1. Output: N×10 scores."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.layer1 = Residual(16, 16)
        self.layer2 = Residual(16, 48, stride=2)
        self.layer3 = Separable(48)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(48, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(image))))
        return self.classifier(self.average(self.pool(x)).flatten(1))


def build() -> DigitNet:
    """The network, untrained: give digits.safetensors as the checkpoint."""
    return DigitNet()


def held_out() -> Arrays:
    """The digits that the checkpoint was not trained on: images N×1×8×8 from 0 to 1, and labels."""
    images, labels = _digits()
    return images[::HELD_OUT_EVERY], labels[::HELD_OUT_EVERY]


def training() -> Arrays:
    """The other digits."""
    images, labels = _digits()
    chosen = np.arange(len(labels)) % HELD_OUT_EVERY != 0
    return images[chosen], labels[chosen]


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows whose greatest score is at the label."""
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def _digits() -> Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64)
