"""Modules that write to themselves in `forward`: refused, or their state goes in and out. None is changed."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import converter
from converter.sources import load
from converter.sources.torch.eval_mode import evaluating
from converter.sources.torch.program_file import load_exported
from models import digits
from passes.errors import ConversionError, Unsupported


class Streaming(nn.Module):
    """Keeps the end of what it has seen, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3)
        self.register_buffer("cache", torch.zeros(1, 4, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([self.cache, x], -1)
        self.cache.copy_(joined[..., -2:])
        return self.conv(joined)


class Averaging(nn.Module):
    """Replaces one buffer, counts in another."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + x.mean(0)
        self.steps += 1
        return self.linear(x) * self.mean + self.steps


class Nested(nn.Module):
    """Two of them, one called twice in a call; outputs in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Averaging(), Averaging()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"y": self.b(self.a(x)), "z": self.a(x)}


class Remembering(nn.Module):
    """Keeps what it has seen where no export looks."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.before: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = torch.zeros_like(x) if self.before is None else self.before
        self.before = x
        return self.linear(x - before)


class Summing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.seen = torch.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add_(x.mean(0))
        return self.linear(x) + self.seen


class Decaying(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.linear.weight.mul_(0.9)
        return self.linear(x)


class Growing(nn.Module):
    """A table that is made longer where an input wants it, and an output that is kept to be looked at: no state."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("table", torch.zeros(1, 4), persistent=False)
        self.seen: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table.shape[0] < x.shape[1]:
            self.table = torch.arange(x.shape[1] * 4).reshape(-1, 4).float()
        self.seen = self.linear(x)
        return self.seen + self.table[: x.shape[1]]


class Failing(Streaming):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        super().forward(x)
        self.late = x
        raise RuntimeError("no")


def state_of(module: nn.Module) -> list[Any]:
    """Everything of a module that a conversion could change."""
    children = [
        (name, child.training, sorted(child.__dict__), len(child._forward_hooks))
        for name, child in module.named_modules()
    ]
    tensors = {name: tensor.clone().numpy().tobytes() for name, tensor in module.state_dict(keep_vars=False).items()}
    ids = [id(tensor) for tensor in (*module.parameters(), *module.buffers())]
    return [children, tensors, ids, [p.requires_grad for p in module.parameters()]]


def random_state() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state().numpy().tobytes()


CASES: list[tuple[type[nn.Module], tuple[int, ...]]] = [
    (Streaming, (1, 4, 10)),
    (Averaging, (2, 4)),
    (Nested, (2, 4)),
    (Remembering, (2, 4)),
    (Summing, (2, 4)),
    (Decaying, (2, 4)),
    (Growing, (2, 5, 4)),
    (Failing, (1, 4, 10)),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("state", ["refuse", "inputs"])
@pytest.mark.parametrize(("make", "shape"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_module_is_not_changed(make: type[nn.Module], shape: tuple[int, ...], state: str, training: bool) -> None:
    torch.manual_seed(0)
    module = make().train(training)
    module.register_forward_hook(lambda *_: None)
    x = torch.randn(shape)
    before, drawn = state_of(module), random_state()
    with contextlib.suppress(ConversionError):
        converter.convert(module, example_inputs=x, state=state)
    assert state_of(module) == before
    assert random_state() == drawn


def test_random_weights_stay_and_a_module_converts_in_any_mode() -> None:
    module = digits.build().train()
    source = load(module, inputs=[digits.INPUT], random_weights=3)
    assert source.torch_module is not None and source.torch_module is not module
    statistics = {name: mean for name, mean in source.torch_module.named_buffers() if name.endswith("running_mean")}
    assert len(statistics) == 8
    for name, mean in statistics.items():
        exported = source.model.graph.initializers[name].const_value
        assert exported is not None and mean.abs().max() > 0
        np.testing.assert_array_equal(exported.numpy(), mean.numpy())


@pytest.mark.parametrize(
    ("make", "shape", "names"),
    [
        (Streaming, (1, 4, 10), ["cache"]),
        (Averaging, (2, 4), ["mean", "steps"]),
        (Nested, (2, 4), ["a.mean", "a.steps", "b.mean", "b.steps"]),
    ],
)
def test_buffers_that_are_written_are_refused_or_go_in_and_out(
    make: type[nn.Module], shape: tuple[int, ...], names: list[str]
) -> None:
    torch.manual_seed(1)
    module, x = make().eval(), torch.randn(shape)
    with pytest.raises(Unsupported, match=", ".join(names).replace(".", r"\.").replace(", ", "', '")) as refused:
        converter.convert(module, example_inputs=x)
    assert "--state inputs" in str(refused.value.hint)

    conversion = converter.convert(module, example_inputs=x, state="inputs")
    assert conversion.verified
    assert [port.name for port in conversion.inputs][-len(names) :] == names
    outputs = [port.name for port in conversion.outputs]
    assert outputs[-len(names) :] == [f"{name}_out" for name in names]
    verification = conversion.report.verification
    assert verification is not None and verification["export"]["passed"]
    assert [case["note"] for case in verification["cases"]][-4:] == [f"step {step}" for step in (1, 2, 3, 4)]
    _follow(module, conversion, shape, names)


def _follow(module: nn.Module, conversion: converter.Conversion, shape: tuple[int, ...], names: list[str]) -> None:
    """torch with its own buffers beside Keras with what it put out itself, several calls in a row."""
    buffers = dict(module.named_buffers())
    ports = dict(zip([port.name for port in conversion.inputs], conversion.inputs, strict=True))
    states = {name: buffers[name].numpy().copy() for name in names}
    for seed in range(3):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            result = module(x)
        expected = list(result.values()) if isinstance(result, dict) else [result]
        given = {next(iter(ports)): x.numpy(), **states}
        arrays = [port.to_keras(given[name]) for name, port in ports.items()]
        found = [np.asarray(value) for value in _listed(conversion.model(arrays))]
        turned = [port.to_source(array) for port, array in zip(conversion.outputs, found, strict=True)]
        for truth, array in zip(expected, turned, strict=False):
            np.testing.assert_allclose(array, truth.numpy(), rtol=1e-4, atol=1e-5)
        states = dict(zip(names, turned[len(expected) :], strict=True))
        for name in names:
            np.testing.assert_allclose(states[name], dict(module.named_buffers())[name].numpy(), rtol=1e-4, atol=1e-5)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("make", [Remembering, Summing])
def test_a_memory_that_is_no_buffer_is_refused(make: type[nn.Module]) -> None:
    for state in ("refuse", "inputs"):
        with pytest.raises(Unsupported, match="no buffer") as refused:
            converter.convert(make(), example_inputs=torch.randn(2, 4), state=state)
        assert "register_buffer" in str(refused.value.hint)


def test_parameters_that_are_written_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"parameters linear\.weight"):
        converter.convert(Decaying(), example_inputs=torch.randn(2, 4))


def test_tables_worked_out_once_are_no_state() -> None:
    assert converter.convert(Growing(), example_inputs=torch.randn(2, 5, 4)).verified


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize(("make", "shape"), [(Streaming, (1, 4, 10)), (Averaging, (2, 4))])
def test_a_program_that_writes_to_its_buffers_is_refused(
    make: type[nn.Module], shape: tuple[int, ...], decomposed: bool, tmp_path: Path
) -> None:
    program = torch.export.export(make().eval(), (torch.randn(shape),))
    path = tmp_path / "program.pt2"
    torch.export.save(program.run_decompositions({}) if decomposed else program, path)
    with pytest.raises(Unsupported, match=r"cache|mean"):
        load_exported(path)


def test_what_is_kept_is_put_back_bit_for_bit() -> None:
    module = Streaming().train()
    kept_list = [1]
    module.notes = kept_list
    before = state_of(module)
    with evaluating(module) as kept, kept.running(), torch.no_grad():
        module(torch.full((1, 4, 5), float("nan")))
        module.conv.weight[0].zero_()
        module.notes.append(2)
        module.extra = torch.zeros(3)
    assert state_of(module) == before
    assert module.notes is kept_list and kept_list == [1]
