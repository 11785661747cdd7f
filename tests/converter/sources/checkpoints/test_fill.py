"""A module filled from a checkpoint is the one that copies would give, and its weights are the file's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from converter.sources.checkpoints import fill as filling
from converter.sources.checkpoints.assign import members
from converter.sources.checkpoints.fill import Filled, fill, in_own_files
from converter.sources.checkpoints.load import load_checkpoint
from converter.sources.checkpoints.on_meta import NotOnMeta, build_on_meta
from passes.errors import BadSource, LimitExceeded

SIDE = 256
"""A square of it is a tensor that stays in its file."""


class Plain(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(SIDE, SIDE), nn.BatchNorm1d(SIDE), nn.Linear(SIDE, 3))


class Table(nn.Module):
    """Computes a buffer that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIDE, SIDE)
        self.register_buffer("table", torch.arange(SIDE).float().sqrt(), persistent=False)


class Attribute(Table):
    """Keeps a tensor where nobody looks for one."""

    def __init__(self) -> None:
        super().__init__()
        del self.table
        self.kept = [{"table": torch.arange(SIDE).float().sqrt()}]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(SIDE, SIDE), nn.Linear(SIDE, SIDE, bias=False)
        self.head.weight = self.embed.weight
        self.head.weight.of_a_kind = "shared"


class Viewed(nn.Module):
    """Holds on to the memory of its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIDE, SIDE)
        self.__dict__["rows"] = self.linear.weight.detach()[:2]


class Listed(nn.Module):
    """Keeps its parameters in a list of its own as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.zeros(SIDE, SIDE)), nn.Parameter(torch.zeros(SIDE, SIDE))
        self.__dict__["all"] = [self.first, self.second]


class Numbered(Table):
    """Needs a number of a tensor when it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.5, 3)]


class Placed(Plain):
    """Makes tensors on its device later."""

    def __init__(self) -> None:
        super().__init__()
        self.device = self[0].weight.device


class Mixed(Plain):
    """Writes what has no numbers to a tensor that has."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.zeros(3, device="cpu")
        self.table += torch.ones(())


class Frozen(Plain):
    def __init__(self) -> None:
        super().__init__()
        self[0].weight.requires_grad_(False)


class Doubled(nn.Module):
    """Loads in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(SIDE, SIDE))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        with torch.no_grad():
            self.weight.copy_(state[f"{prefix}weight"] * 2)


def lstm() -> nn.Module:
    return nn.LSTM(SIDE, SIDE, num_layers=2)


ON_META: list[Callable[[], nn.Module]] = [Plain, Tied, Frozen, lstm]
IN_PLACE: list[Callable[[], nn.Module]] = [Table, Attribute, Numbered, Placed, Mixed]
COPIED: list[Callable[[], nn.Module]] = [Viewed, Listed, Doubled]


def drawn(build: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    """A state_dict with other numbers, different ones under the two names of a weight."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value + 1
        for name, value in build().state_dict().items()
    }


def written(state: dict[str, torch.Tensor], folder: Path, form: str) -> Path:
    path = folder / f"weights.{form}"
    if form == "safetensors":
        safetensors.torch.save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def in_files(module: nn.Module, filled: Filled) -> list[bool]:
    return [any(file.bytes_of(p) is not None for file in filled.files) for p in module.parameters() if p.numel() > 9999]


@pytest.mark.parametrize("form", ["safetensors", "pt"])
@pytest.mark.parametrize("build", [*ON_META, *IN_PLACE, *COPIED])
def test_it_is_what_copies_give(
    build: Callable[[], nn.Module], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "NOTED", 0)
    path = written(drawn(build), tmp_path, form)
    ordinary = build()
    load_checkpoint(ordinary, path)
    filled = fill(build, path)
    module = filled.module
    for (name, own), (_, other) in zip(members(module), members(ordinary), strict=True):
        assert torch.equal(own, other) and own.dtype == other.dtype and own.stride() == other.stride(), name
        assert (type(own), own.requires_grad, vars(own)) == (type(other), other.requires_grad, vars(other)), name
    assert len(list(module.parameters())) == len(list(ordinary.parameters()))  # what is one is one
    assert all(in_files(module, filled)) is (build not in COPIED)
    told = " ".join(filled.notes)
    assert ("first built with weights of its own" in told) is (build in IN_PLACE)
    assert ("were copied" in told) is (build in COPIED)


def test_numbers_that_are_computed_are_there(tmp_path: Path) -> None:
    for build in (Table, Attribute):
        module: Any = fill(build, written(drawn(build), tmp_path, "safetensors")).module
        table = module.table if build is Table else module.kept[0]["table"]
        assert torch.equal(table, torch.arange(SIDE).float().sqrt())
    module = fill(Viewed, written(drawn(Viewed), tmp_path, "safetensors")).module
    assert torch.equal(module.rows, module.linear.weight[:2])
    module = fill(Listed, written(drawn(Listed), tmp_path, "safetensors")).module
    assert module.all[0] is module.first and module.all[1] is module.second
    module = fill(lstm, written(drawn(lstm), tmp_path, "safetensors")).module
    assert all(a is b for a, b in zip(module._flat_weights, module.parameters(), strict=True))


@pytest.mark.parametrize("build", [Numbered, Placed, Mixed])
def test_what_needs_numbers_is_not_built_without(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(Exception, match=r"meta|device"):
        build_on_meta(build)


def test_an_answer_about_numbers_is_refused() -> None:
    def compares() -> nn.Module:
        weight = torch.ones(3)
        return nn.Linear(3, 3 if torch.equal(weight, weight) else 4)

    with pytest.raises((NotOnMeta, NotImplementedError)):
        build_on_meta(compares)


def test_counters_that_the_checkpoint_lacks(tmp_path: Path) -> None:
    state = {name: value for name, value in drawn(Plain).items() if not name.endswith("tracked")}
    filled = fill(Plain, written(state, tmp_path, "safetensors"))
    assert torch.equal(filled.module[1].num_batches_tracked, torch.tensor(0)) and filled.files


def test_the_type_is_the_modules(tmp_path: Path) -> None:
    state = {name: value.to(torch.bfloat16) for name, value in drawn(Frozen).items()}
    filled = fill(Frozen, written(state, tmp_path, "safetensors"))
    weight = filled.module[0].weight
    assert weight.dtype == torch.float32 and torch.equal(weight, state["0.weight"].float())
    low = fill(lambda: Frozen().bfloat16(), tmp_path / "weights.safetensors")
    assert low.module[0].weight.dtype == torch.bfloat16 and any(in_files(low.module, low))


def test_weights_that_only_the_file_shares_are_two(tmp_path: Path) -> None:
    build: Callable[[], Any] = lambda: nn.Sequential(nn.Linear(SIDE, SIDE), nn.Linear(SIDE, SIDE))  # noqa: E731
    state = drawn(build)
    state["1.weight"] = state["0.weight"]
    filled = fill(build, written(state, tmp_path, "pt"))
    first, second = filled.module[0].weight, filled.module[1].weight
    assert torch.equal(first, second) and first.data_ptr() != second.data_ptr()


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {name: value for name, value in state.items() if name != "0.weight"},
        lambda state: {**state, "more": torch.zeros(3)},
        lambda state: {**state, "0.weight": torch.zeros(3, 4)},
        lambda state: {},
    ],
)
def test_what_does_not_fit_is_told_as_ever(change: Any, tmp_path: Path) -> None:
    path = written(change(drawn(Plain)), tmp_path, "safetensors")
    with pytest.raises(BadSource) as ordinary:
        load_checkpoint(Plain(), path)
    with pytest.raises(BadSource) as found:
        fill(Plain, path)
    assert (found.value.message, found.value.hint) == (ordinary.value.message, ordinary.value.hint)


def test_a_factory_that_fails_says_so_itself(tmp_path: Path) -> None:
    def fails() -> nn.Module:
        raise BadSource("no such thing")

    with pytest.raises(BadSource, match="no such thing"):
        fill(fails, written(drawn(Plain), tmp_path, "safetensors"))


def test_a_module_too_large_is_refused_before_it_has_weights(tmp_path: Path) -> None:
    path = written({"w": torch.zeros(2)}, tmp_path, "safetensors")
    with pytest.raises(LimitExceeded, match="The module Linear needs"):
        fill(lambda: nn.Linear(1 << 20, 1 << 20), path, max_bytes=1 << 20)


def test_a_module_on_the_meta_device(tmp_path: Path) -> None:
    with torch.device("meta"):
        given, more = Tied(), Table()
    path = written(drawn(Tied), tmp_path, "safetensors")
    filled = fill(lambda: given, path, is_factory=False)
    assert filled.module.head.weight is filled.module.embed.weight and all(in_files(filled.module, filled))
    with pytest.raises(BadSource, match="gives no numbers for 'table'"):
        fill(lambda: more, written(drawn(Table), tmp_path, "safetensors"), is_factory=False)


@pytest.mark.parametrize("build", [Table, Tied, Viewed])
def test_a_module_that_a_library_has_filled(build: Callable[[], nn.Module], tmp_path: Path) -> None:
    state = drawn(build)
    if build is Tied:
        state["embed.weight"] = state["head.weight"].clone()
    path = written(state, tmp_path, "safetensors")

    def loaded() -> nn.Module:
        module, content = build(), safetensors.torch.load_file(path)
        module.load_state_dict(content, assign=True)
        if build is Tied:
            module.embed.weight = module.head.weight
        if build is Viewed:
            module.__dict__["rows"] = module.linear.weight.detach()[:2]
        return module

    filled, module = in_own_files(loaded), loaded()
    for (name, own), (_, other) in zip(members(filled.module), members(module), strict=True):
        assert torch.equal(own, other) and own.requires_grad == other.requires_grad, name
    assert len(list(filled.module.parameters())) == len(list(module.parameters()))
    assert all(in_files(filled.module, filled)) is (build is not Viewed)
    assert in_own_files(Plain).files == ()
