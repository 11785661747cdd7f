"""Architectures known by names and shapes: with any number of classes, in any wrapper, and never the wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from converter.sources.by_name.libraries import find
from converter.sources.fingerprints.nearest import nearest
from converter.sources.fingerprints.recognise import Recognised, recognise
from models import mtcnn
from passes.errors import UsageError

State = dict[str, Any]


def state_of(source: str, **given: Any) -> State:
    """The names and shapes, without memory."""
    zoo, _, name = source.partition(":")
    recipe = find(zoo, name, arguments=given)
    assert recipe is not None
    with torch.device("meta"):
        return dict(recipe.build().state_dict())


def recognised(content: Any) -> Recognised:
    found = recognise(content, "w.pth")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("torchvision:mobilenet_v3_small", {"num_classes": 10}),
        ("torchvision:shufflenet_v2_x0_5", {"num_classes": 1}),
        ("torchvision:mnasnet0_5", {"num_classes": 10}),
        ("torchvision:mobilenet_v3_small", {"num_classes": 1000}),
        ("torchvision:squeezenet1_1", {"num_classes": 5}),
        ("torchvision:densenet121", {"num_classes": 64}),
        ("torchvision:ssd300_vgg16", {"num_classes": 3}),
        ("timm:test_byobnet", {"num_classes": 3, "in_chans": 1}),
        ("timm:test_vit", {"num_classes": 3, "in_chans": 4}),
        ("timm:test_convnext", {"num_classes": 0}),
        ("timm:densenet121", {"num_classes": 10, "in_chans": 1}),
    ],
)
def test_the_chosen_numbers_are_found(source: str, given: dict[str, int]) -> None:
    found = recognised(state_of(source, **given))
    assert (found.source, found.arguments) == (source, given)


def test_it_says_how_sure_it_is() -> None:
    state = state_of("torchvision:densenet121", num_classes=10)
    assert recognised(state).note == (
        "Recognised as torchvision:densenet121 by all of its 606 names and shapes; num_classes=10 from "
        "classifier.weight. timm:densenet121 would compute the same."
    )
    bare = state_of("timm:test_convnext", num_classes=0)
    assert "; num_classes=0, it has no classifier." in recognised(bare).note


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


WRAPPERS: dict[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"epoch": 3, "state_dict": prefixed("module.", state)},
    "model": lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
    "compiled": lambda state: prefixed("module._orig_mod.", state),
    "with a loss": lambda state: {"state_dict": {**prefixed("model.", state), "criterion.weight": torch.ones(2)}},
    "average beside": lambda state: {**prefixed("ema.", state), **prefixed("online.", state)},
    "averaged": lambda state: {"n_averaged": torch.tensor(5), **prefixed("module.", state)},
    "two of one": lambda state: {"model": state, "model_ema": prefixed("module.", state)},
    "deep": lambda state: {"checkpoint": {"model": {"module": state}}},
    "by another name": lambda state: {"generator": state},
    "without counters": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
    "halved": lambda state: {key: value.half() if value.is_floating_point() else value for key, value in state.items()},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers(wrapper: str) -> None:
    state = state_of("torchvision:mobilenet_v3_small", num_classes=10)
    assert recognised(WRAPPERS[wrapper](state)).source == "torchvision:mobilenet_v3_small"


PARTS: dict[str, Callable[[State], Any]] = {
    "an encoder in a network": lambda state: {**prefixed("encoder.", state), "head.weight": torch.ones(2, 2)},
    "a model with a head beside": lambda state: {**prefixed("model.", state), "head.weight": torch.ones(2, 2)},
    "an encoder beside a decoder": lambda state: {"encoder": state, "decoder": {"weight": torch.ones(2, 2)}},
    "a weight too many": lambda state: {**state, "more": torch.ones(2)},
    "a weight too few": lambda state: dict(list(state.items())[:-1]),
    "a wider layer": lambda state: {**state, "conv1.weight": torch.empty(65, 3, 7, 7)},
    "a head that disagrees": lambda state: {**state, "fc.bias": torch.empty(11)},
    "another rank": lambda state: {**state, "fc.weight": torch.empty(10, 512, 1)},
    "integers": lambda state: {**state, "fc.bias": torch.empty(10, dtype=torch.int8)},
    "nothing": lambda state: {},
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_all_of_it_is_not_recognised(part: str) -> None:
    assert recognise(PARTS[part](state_of("torchvision:resnet18", num_classes=10)), "w.pth") is None


@pytest.mark.parametrize(
    "sources",
    [
        ["timm:test_efficientnet_gn", "timm:test_efficientnet_ln"],
        ["torchvision:mobilenet_v2", "torchvision:quantized_mobilenet_v2"],
    ],
)
def test_norms_and_activations_are_not_chosen(sources: list[str]) -> None:
    for source in sources:
        with pytest.raises(UsageError, match=" and ".join(sources)):
            recognise(state_of(source, num_classes=10), "w.pth")


def test_a_blur_is_not_chosen() -> None:
    """It has no weights."""
    with pytest.raises(UsageError, match=r"torchvision:resnet18, .*timm:resnet18 and timm:resnetblur18"):
        recognise(state_of("torchvision:resnet18", num_classes=10), "w.pth")
    assert recognise(state_of("torchvision:resnet18"), "w.pth", {"timm:resnet18": "it"}) == Recognised(
        "timm:resnet18",
        {"num_classes": 1000},
        "Recognised as timm:resnet18 by all of its 102 names and shapes; num_classes=1000 from fc.weight. "
        "torchvision:resnet18 and torchvision:quantized_resnet18 would compute the same. "
        "timm:resnetblur18 would fit too; it decided.",
    )


def test_pads_are_not_chosen() -> None:
    state = state_of("timm:tf_efficientnet_b0", num_classes=10)
    with pytest.raises(UsageError, match=r"w\.pth has the names and shapes of .*timm:tf_efficientnet_b0") as error:
        recognise(state, "w.pth")
    assert "timm:efficientnet_b0" in error.value.message
    assert "--checkpoint w.pth --model-arg num_classes=10" in str(error.value.hint)


def test_another_file_may_decide() -> None:
    found = recognise(state_of("timm:tf_efficientnet_b0"), "w.pth", {"timm:tf_efficientnet_b0": "config.json"})
    assert found is not None and found.source == "timm:tf_efficientnet_b0"
    assert found.note.endswith("would fit too; config.json decided.")
    with pytest.raises(UsageError, match="names and shapes"):
        recognise(state_of("timm:tf_efficientnet_b0"), "w.pth", {"timm:resnet18": "config.json"})


def test_several_models_in_one_file() -> None:
    content = {"model": state_of("torchvision:resnet18"), "net": state_of("torchvision:squeezenet1_1")}
    with pytest.raises(UsageError, match="several models: torchvision:resnet18 and torchvision:squeezenet1_1"):
        recognise(content, "w.pth")


def test_the_nearest_is_named() -> None:
    state = state_of("torchvision:densenet121")
    assert nearest({**state, "conv1.weight": torch.ones(2)}) == (
        "Its names are most like those of torchvision:densenet121 and timm:densenetblur121d: some 99% in common."
    )
    wider = {**state, "features.conv0.weight": torch.empty(65, 3, 7, 7)}
    assert str(nearest(wider)).startswith("Its names are those of torchvision:densenet121")
    assert nearest(mtcnn.pnet().state_dict()) is None
    assert nearest({"epoch": 3}) is None
