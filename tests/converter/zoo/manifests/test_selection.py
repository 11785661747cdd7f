"""`--filter`: which entries an expression chooses, and how a bad one is refused."""

from __future__ import annotations

import pytest

from converter.zoo.manifests.selection import EXAMPLE, select
from converter.zoo.records.entry import Entry
from passes.errors import UsageError

ENTRIES = [
    Entry("timm:resnet10t", "timm:resnet10t", tags=("cnn", "small")),
    Entry("torchvision:resnet50", "torchvision:resnet50", tags=("cnn",), license="BSD-3-Clause"),
    Entry("torchvision:vit_b_16", "torchvision:vit_b_16", tags=("transformer",)),
    Entry("MTCNN P-Net, any size", "models.mtcnn:pnet", expected="unsupported"),
]
RESNETS = ["timm:resnet10t", "torchvision:resnet50"]
PNET = ["MTCNN P-Net, any size"]


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("", [entry.name for entry in ENTRIES]),
        ("resnet", RESNETS),
        ("RESNET", RESNETS),
        ("p-net", PNET),
        ("torchvision:res", ["torchvision:resnet50"]),
        ("models.mtcnn:pnet", []),
        ("name:*resnet*", RESNETS),
        ("name:resnet*", []),
        ("name:*RESNET*", []),
        ("source:timm:*", ["timm:resnet10t"]),
        ("source:models.*", PNET),
        ("tag:cnn", RESNETS),
        ("tag:c*", RESNETS),
        ("tag:cnn tag:small", ["timm:resnet10t"]),
        ("license:BSD*", ["torchvision:resnet50"]),
        ("expected:unsupported", PNET),
        ("-tag:cnn", ["torchvision:vit_b_16", *PNET]),
        ("not tag:cnn", ["torchvision:vit_b_16", *PNET]),
        ("not -tag:cnn", RESNETS),
        ("not not tag:cnn", RESNETS),
        ("not tag:cnn not name:M*", ["torchvision:vit_b_16"]),
        ("tag:cnn -timm", ["torchvision:resnet50"]),
        ('"P-Net, any"', PNET),
        ("name:'MTCNN P-Net*'", PNET),
    ],
)
def test_select(expression: str, chosen: list[str]) -> None:
    assert [entry.name for entry in select(ENTRIES, expression)] == chosen


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("tga:cnn", "there is no 'tga'"),
        ("status:verified", "there is no 'status'"),
        ("tag:", "nothing follows tag:"),
        ("not", "nothing follows `not`"),
        ("resnet not", "nothing follows `not`"),
        ("resnet -", "a term is empty"),
        ('name:"a', "a quote is not closed"),
    ],
)
def test_bad_expression(expression: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(ENTRIES, expression)
    assert caught.value.message == f"The filter {expression!r} cannot be read: {why}."
    assert (caught.value.hint or "").endswith(EXAMPLE)


def test_the_nearest_field_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        select(ENTRIES, "tga:cnn")
    assert (caught.value.hint or "").startswith("Did you mean tag?")
