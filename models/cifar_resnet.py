"""The CIFAR-10 ResNets of He et al. (2015), section 4.2: 6n + 2 layers in three stages of 16, 32 and 64 channels.

The names of the modules are those of github.com/akamaster/pytorch_resnet_cifar10, whose checkpoints they load. A
shortcut has no weights ("option A"): every second pixel, with zero channels added in equal parts on both sides.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Shortcut(nn.Module):
    """Halve the image by taking every second pixel, and add `channels` zero channels on each side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.channels, self.channels))


class BasicBlock(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity() if stride == 1 else Shortcut(channels // 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Three stages of `blocks` blocks each. Input: N×3×32×32; output: N×10 scores."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, stride=1)
        self.layer2 = self._stage(16, 32, blocks, stride=2)
        self.layer3 = self._stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [BasicBlock(channels, channels, 1) for _ in range(blocks - 1)]
        return nn.Sequential(BasicBlock(channels_in, channels, stride), *rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        y = F.avg_pool2d(y, y.shape[3])
        return self.linear(y.flatten(1))


def resnet20() -> ResNet:
    return ResNet(3)


def resnet32() -> ResNet:
    return ResNet(5)


def resnet44() -> ResNet:
    return ResNet(7)


def resnet56() -> ResNet:
    return ResNet(9)


def resnet110() -> ResNet:
    return ResNet(18)
