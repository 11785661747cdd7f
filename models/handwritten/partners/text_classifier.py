"""A classifier of text in PyTorch."""

from __future__ import annotations

import torch
from torch import nn


class TextClassifier(nn.Module):
    def __init__(self, words: int, width: int, units: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.gru = nn.GRU(width, units, batch_first=True, bidirectional=True)
        self.lstm = nn.LSTM(2 * units, units, batch_first=True)
        self.head = nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Linear(units, classes))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x, _ = self.gru(self.embedding(ids))
        x, _ = self.lstm(x)
        return self.head(x.mean(1))


def build(words: int = 80, width: int = 16, units: int = 12, classes: int = 4) -> nn.Module:
    return TextClassifier(words, width, units, classes)
