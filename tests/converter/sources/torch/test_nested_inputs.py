"""A forward() that takes tensors in lists, tuples and dictionaries, by specifications and by examples."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

import converter
from passes.errors import UsageError


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack([self.conv(image[None])[0].mean((1, 2)) for image in images])


class Batch(NamedTuple):
    tokens: torch.Tensor
    mask: torch.Tensor


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)

    def forward(self, batch: Any, pair: Any, scale: torch.Tensor | None = None, *, shift: float = 1.0) -> Any:
        tokens, mask = (batch["tokens"], batch["mask"]) if isinstance(batch, dict) else batch
        y = self.table(tokens) * mask[..., None] + pair[0][:, None] - pair[1]["deep"][:, None]
        return {"y": (y if scale is None else y * scale[:, None]) + shift}


SPECS = [
    "batch.tokens=int64[batch,5]",
    "batch.mask=float32[batch,5]",
    "pair.0=float32[batch,4]",
    "pair.1.deep=float32[batch,4]",
]
NAMES = ["batch.tokens", "batch.mask", "pair.0", "pair.1.deep"]


def names(conversion: converter.Conversion) -> list[str]:
    assert [port.name for port in conversion.inputs] == [tensor.name for tensor in conversion.model.inputs]
    return [port.name for port in conversion.inputs]


def test_a_list_of_images() -> None:
    specs = ["images.0=float32[3,12,12]", "images.1=float32[3,9,9]"]
    conversion = converter.convert(Images(), inputs=specs)
    assert conversion.verified and names(conversion) == ["images.0", "images.1"]
    assert set(conversion.model.variables[0].path.split("/")) == {"conv", "kernel"}


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_dictionaries_and_deeper_ones(order: slice) -> None:
    conversion = converter.convert(Model(), inputs=SPECS[order])
    assert conversion.verified and sorted(names(conversion)) == sorted(NAMES)
    assert conversion.report.verification is not None and conversion.report.verification["export"]


def test_what_may_be_left_out_can_be_given() -> None:
    conversion = converter.convert(Model(), inputs=[*SPECS, "scale=float32[batch,4]"])
    assert conversion.verified and set(names(conversion)) == {*NAMES, "scale"}


@pytest.mark.parametrize("kind", [dict, Batch])
@pytest.mark.parametrize("by_name", [False, True])
def test_examples(kind: Any, by_name: bool) -> None:
    batch = kind(tokens=torch.randint(0, 9, (2, 5)), mask=torch.ones(2, 5))
    values = (batch, [torch.rand(2, 4), {"deep": torch.rand(2, 4)}])
    examples = dict(zip(("batch", "pair"), values, strict=True)) if by_name else values
    module = Model()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    conversion = converter.convert(module, example_inputs=examples)
    assert conversion.verified and names(conversion) == NAMES
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_parts_that_are_not_numbered_from_0() -> None:
    with pytest.raises(UsageError, match=r"parts of 'images' must be numbered from 0. Received: 1"):
        converter.convert(Images(), inputs=["images.1=float32[3,9,9]"])


def test_a_list_given_as_several_inputs_is_told_how_to_name_them() -> None:
    with pytest.raises(UsageError) as caught:
        converter.convert(Images(), inputs=["a=float32[3,9,9]", "b=float32[3,9,9]"])
    assert "images.0" in str(caught.value.hint)
