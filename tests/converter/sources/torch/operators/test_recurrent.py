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


class Packs(nn.Module):
    """The last states of sequences of different lengths."""

    def __init__(self, *, scaled: bool = False) -> None:
        super().__init__()
        self.cells, self.scaled = nn.GRU(3, 4, batch_first=True), scaled

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        every, last = self.cells(packed)
        every, _ = nn.utils.rnn.pad_packed_sequence(every, batch_first=True, total_length=x.shape[1])
        return (every, last[-1] * float(int(x.shape[1]))) if self.scaled else (every, last[-1])


LENGTHS = ["x=float32[batch,length,3]", "lengths=int64[batch]"]


def test_packed_sequences_go_the_second_way() -> None:
    conversion = converter.convert(Packs().eval(), inputs=LENGTHS)
    assert conversion.verified
    assert any("older exporter" in note for note in conversion.report.notes)
    assert "GRU" in layers(conversion)


def test_what_neither_way_can_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ExportFailed, match="packs its sequences") as caught:
        converter.convert(Packs(scaled=True).eval(), inputs=LENGTHS)
    assert "self.cells(packed)" in caught.value.message
    assert "graph(" not in capfd.readouterr().out


def test_torch_is_afterwards_as_it_was() -> None:
    operator = torch.ops.aten.lstm.input
    before = dict(operator.py_kernels)
    with whole():
        assert operator.py_kernels != before
    assert operator.py_kernels == before
