"""Recurrent modules of open time: one operator in the trace, one layer in the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import converter
from converter.sources.torch.operators.recurrent import whole
from passes.errors import ExportFailed


class Tags(nn.Module):
    """Emission scores of a BiLSTM-CRF."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.layers = nn.Embedding(50, 8), nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(12, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.scores(self.layers(self.words(ids))[0])


class Sums(nn.Module):
    """Deep Speech 2: both directions of a GRU are added, time comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gru = nn.Conv1d(4, 6, 5, 2, 2), nn.GRU(6, 7, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.gru(self.conv(x).permute(2, 0, 1))
        return y.view(y.shape[0], y.shape[1], 2, 7).sum(2).transpose(0, 1)


class Steps(nn.Module):
    """States in and out."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.cells = kind(6, 5, 2, batch_first=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        return self.cells(x, h)


def elman(*sizes: int, **options: Any) -> nn.Module:
    return nn.RNN(*sizes, nonlinearity="relu", **options)


def layers(conversion: converter.Conversion) -> list[str]:
    return [type(layer).__name__ for layer in conversion.model._flatten_layers() if layer.weights]


def test_bidirectional_layers() -> None:
    conversion = converter.convert(Tags().eval(), inputs=["ids=int64[batch,length]"])
    assert conversion.verified
    assert layers(conversion).count("Bidirectional") == 2


def test_time_first() -> None:
    conversion = converter.convert(Sums().eval(), inputs=["x=float32[batch,4,length]"])
    assert conversion.verified
    assert "Bidirectional" in layers(conversion)


@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN, elman])
def test_states(kind: Callable[..., nn.Module]) -> None:
    inputs = ["x=float32[batch,length,6]", "h=float32[2,batch,5]"]
    assert converter.convert(Steps(kind).eval(), inputs=inputs).verified


def test_no_bias_and_both_directions_of_an_elman_net() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.RNN(6, 5, bias=False, bidirectional=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.cells(x)[0][-1]

    assert converter.convert(Last().eval(), inputs=["x=float32[length,batch,6]"]).verified


def test_packed_sequences_are_named() -> None:
    class Packs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.GRU(3, 4, batch_first=True)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return self.cells(packed)[1][-1]

    with pytest.raises(ExportFailed, match="packs its sequences") as caught:
        converter.convert(Packs().eval(), example_inputs=(torch.rand(2, 5, 3), torch.tensor([5, 2])))
    assert "self.cells(packed)" in caught.value.message


def test_torch_is_afterwards_as_it_was() -> None:
    operator = torch.ops.aten.lstm.input
    before = dict(operator.py_kernels)
    with whole():
        assert operator.py_kernels != before
    assert operator.py_kernels == before
