"""A reader of lines of text (CRNN) in PyTorch: a column is flattened with its channels outside."""

from __future__ import annotations

import torch
from torch import nn


class Crnn(nn.Module):
    def __init__(self, height: int, width: int, units: int, letters: int) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),
        )
        self.rnn = nn.LSTM(height // 8 * 2 * width, units, 2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(2 * units, letters)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        columns = self.cnn(image).permute(0, 3, 1, 2).flatten(2)
        return self.fc(self.rnn(columns)[0])


def build(height: int = 16, width: int = 8, units: int = 12, letters: int = 11) -> nn.Module:
    return Crnn(height, width, units, letters)
