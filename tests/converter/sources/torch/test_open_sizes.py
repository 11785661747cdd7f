"""Functions of torch that want to know a size, traced with one that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import converter
from passes.errors import NotEquivalent


class Doing(nn.Module):
    """A module that does one thing."""

    def __init__(self, action: Callable[..., Any], rows: int = 199) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, rows, 4))
        self.window = nn.Buffer(torch.hann_window(12))
        self.action = action

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self.action(self, *tensors)


def verified(action: Callable[..., Any], *inputs: str) -> Any:
    torch.manual_seed(0)
    result = converter.convert(Doing(action).eval(), inputs=inputs)
    assert result.verified and not result.report.custom_layers
    return result


@pytest.mark.parametrize("aligned", [False, True])
def test_grids_of_images_of_open_size(aligned: bool) -> None:
    """As spatial transformers look at an image."""

    def action(module: Doing, x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        grid = functional.affine_grid(theta, x.size(), align_corners=aligned)
        return functional.grid_sample(x, grid, align_corners=aligned)

    verified(action, "x=float32[batch,2,h,w]", "theta=float32[batch,2,3]")


@pytest.mark.parametrize("edge", [1, 5])
@pytest.mark.parametrize("aligned", [False, True])
def test_a_grid_is_torch_s(aligned: bool, edge: int) -> None:
    from converter.sources.torch.open_sizes.grids import _centres

    found = _centres(edge, aligned, torch.zeros(1))
    identity = torch.eye(3)[None, :2]
    truth = functional.affine_grid(identity, [1, 1, 1, edge], align_corners=aligned)
    torch.testing.assert_close(found, truth[0, 0, :, 0])


def shifted(middle: int) -> Callable[..., Any]:
    """Scores by relative positions, as Conformers have them."""

    def action(module: Doing, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[1]
        scores = x @ module.table[:, middle - length : middle + length - 1].transpose(1, 2)
        batch, rows, places = scores.shape
        moved = functional.pad(scores, (1, 0)).view(batch, places + 1, rows)[:, 1:].view(batch, rows, places)
        return moved[..., :length].softmax(-1)

    return action


def test_a_table_of_relative_positions_is_cut_around_its_middle() -> None:
    result = converter.convert(Doing(shifted(100)).eval(), inputs=["x=float32[batch,length,4]"])
    assert result.verified
    assert any("length <= 100" in str(note) for note in result.report.notes)


def test_a_table_that_is_shorter_than_the_example() -> None:
    """What is wrong beyond its rows is said to be wrong, though our graph does not run there."""
    with pytest.raises(NotEquivalent, match="Keras stops at inputs"):
        converter.convert(Doing(shifted(40), rows=79).eval(), inputs=["x=float32[batch,length,4]"])


def test_the_last_few_of_an_open_size() -> None:
    verified(lambda module, x: x[:, x.shape[1] - 3 : x.shape[1]] * 2.0, "x=float32[batch,length,4]")


TO_SIGNALS: dict[str, Callable[..., Any]] = {
    "length": lambda m, s, n: torch.istft(s, 12, 4, 12, m.window, length=n),
    "whole": lambda m, s, n: torch.istft(s, 12, 4, 12, m.window),
    "narrow": lambda m, s, n: torch.istft(s, 16, 4, 12, m.window, length=n),
    "normalised": lambda m, s, n: torch.istft(s, 12, 3, window=m.window, normalized=True, length=n),
    "uncentred": lambda m, s, n: torch.istft(s, 12, 4, 12, m.window + 0.1, center=False),
    "longer": lambda m, s, n: torch.istft(s, 12, 4, 12, m.window, length=n + 3)[..., :-3],
    "method": lambda m, s, n: s.istft(12, 4, 12, m.window, length=n),
}


@pytest.mark.parametrize("name", TO_SIGNALS)
def test_signals_of_open_length_from_their_spectra(name: str) -> None:
    """As enhancers and separators of speech end."""
    size = {"narrow": 16}.get(name, 12)
    hop = {"normalised": 3}.get(name, 4)

    def action(module: Doing, x: torch.Tensor) -> torch.Tensor:
        window = functional.pad(module.window, ((size - 12) // 2,) * 2)
        spectrum = torch.stft(x, size, hop, size, window, center=name != "uncentred", return_complex=True)
        return TO_SIGNALS[name](module, spectrum * 0.5, x.shape[-1])

    verified(action, "x=float32[batch,samples]")
