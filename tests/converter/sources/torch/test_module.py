"""Modules, exported: dynamic sizes, names, modes, and the errors of those who write them."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from converter.sources import Source, load
from models import digits, mtcnn
from passes.errors import BadSource, ExportFailed, LimitExceeded, Unsupported, UsageError
from passes.opset import OPSET


def run(source: Source, *inputs: torch.Tensor) -> list[np.ndarray]:
    """What onnxruntime makes of the exported graph."""
    session = ort.InferenceSession(ir.to_proto(source.model).SerializeToString())
    names = [value.name for value in source.model.graph.inputs]
    return session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})


def shapes(source: Source) -> list[list[int | str]]:
    return [[d if isinstance(d, int) else str(d.value) for d in value.shape] for value in source.model.graph.outputs]  # type: ignore[union-attr]


def test_a_dynamic_batch() -> None:
    source = load(digits.build().eval(), inputs=[digits.INPUT], checkpoint=digits.CHECKPOINT)
    assert source.model.opset_imports[""] == OPSET
    assert [str(spec) for spec in source.inputs] == [digits.INPUT]
    assert shapes(source) == [["batch", 10]] and source.notes == []
    for batch in (1, 2, 3):
        x = torch.rand(batch, 1, 8, 8)
        assert source.torch_module is not None
        with torch.no_grad():
            expected = source.torch_module.eval()(x).numpy()
        np.testing.assert_allclose(run(source, x)[0], expected, rtol=1e-4, atol=1e-5)


def test_batchnorm_and_the_paths_of_modules_survive() -> None:
    graph = load(digits.build(), inputs=[digits.INPUT]).model.graph
    norms = [node for node in graph if node.op_type == "BatchNormalization"]
    assert len(norms) == 8
    assert "layer1.bn1" in norms[1].metadata_props["pkg.torch.onnx.name_scopes"]
    assert "layer2.shortcut.0.weight" in graph.initializers


def test_dynamic_image_sizes() -> None:
    """PNet's pool rounds up: torch knows no rule for all sizes, but the graph is right for all."""
    module = mtcnn.pnet().eval()
    source = load(module, inputs=["x=float32[batch,3,height,width]"])
    assert str(source.inputs[0]) == "x=float32[batch,3,height,width]" and source.notes == []
    for size in [(12, 12), (13, 12), (15, 17), (40, 31)]:
        x = torch.rand(3, 3, *size)
        with torch.no_grad():
            expected = module(x)
        for one, other in zip(run(source, x), expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)
    assert shapes(source)[0][2] == "(((height - 3)//2)) - 3"


class Joined(nn.Module):
    """Sizes that are not multiples of 4 do not join."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.deeper = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.down(x)
        return torch.cat([y, self.up(self.deeper(y))], 1)


def test_assumptions_about_sizes_are_noted() -> None:
    source = load(Joined().eval(), inputs=["x=float32[batch,3,h,w]"])
    (note,) = source.notes
    assert "sizes without: Eq(" in note and "h" in note and "w" in note
    assert source.model.graph.outputs[0].shape is not None
    assert source.model.graph.outputs[0].shape[2] == ir.SymbolicDim(None)


class FixedBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([row.reshape(1, -1) for row in x])


def test_a_batch_that_cannot_be_dynamic_is_fixed_and_noted() -> None:
    source = load(FixedBatch().eval(), inputs=["x=float32[batch,4,4]"])
    assert str(source.inputs[0]) == "x=float32[1,4,4]"
    (note,) = source.notes
    assert note.startswith("The batch could not be exported as a dynamic dimension and is fixed at 1: ")
    x = torch.rand(1, 4, 4)
    np.testing.assert_array_equal(run(source, x)[0], x.reshape(1, 16).numpy())


def test_an_image_size_that_cannot_be_dynamic_is_an_error() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64 * 96, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.flatten(1))

    assert shapes(load(Flat(), inputs=["x=float32[batch,64,96]"])) == [["batch", 2]]
    with pytest.raises(UsageError, match=r"'[hw]' of the inputs of Flat cannot be dynamic: forward\(\) needs Eq"):
        load(Flat(), inputs=["x=float32[batch,h,w]"])


class Pairs(nn.Module):
    """Needs an even batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 8) if x.shape[0] == 4 else x.reshape(x.shape[0] // 2, 8)


def test_a_batch_about_which_something_is_assumed_is_fixed() -> None:
    source = load(Pairs().eval(), inputs=["x=float32[batch,4]"])
    assert str(source.inputs[0]) == "x=float32[2,4]"
    (note,) = source.notes
    assert note.startswith("The batch could not be exported as a dynamic dimension and is fixed at 2: forward() needs ")


def test_a_batch_that_matters_with_another_size_only_stays_open() -> None:
    """A norm over one number of one example: an error in torch."""
    module = nn.Sequential(nn.Conv1d(1, 4, 10, 5), nn.GroupNorm(4, 4)).eval()
    source = load(module, inputs=["x=float32[batch,1,length]"])
    assert str(source.inputs[0]) == "x=float32[batch,1,length]"
    (note,) = source.notes
    assert "batch*" in note and "fixed" not in note


def test_a_module_in_training_mode_is_told() -> None:
    source = load(FixedBatch().train(), inputs=["x=float32[2,4,4]"])
    assert source.notes == ["The module was in training mode; it is converted as eval() has it."]


def test_the_mode_and_the_weights_are_left_as_they_were() -> None:
    module = digits.build().train()
    module.layer1.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    load(module, inputs=[digits.INPUT], random_weights=3)
    load(module, inputs=[digits.INPUT], checkpoint=digits.CHECKPOINT)
    assert module.training and module.stem.training and not module.layer1.training and not module.layer1.bn1.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_the_mode_is_restored_after_an_error() -> None:
    module = digits.build().train()
    with pytest.raises(BadSource):
        load(module, inputs=["image=float32[batch,2,8,8]"])
    assert module.training and module.layer1.bn1.training


def test_dropout_is_off() -> None:
    source = load(nn.Sequential(nn.Dropout(0.5)).train(), inputs=["input=float32[batch,1000]"])
    x = torch.ones(2, 1000)
    np.testing.assert_array_equal(run(source, x)[0], x.numpy())


@pytest.mark.parametrize(
    ("example", "inputs"),
    [
        (torch.rand(1, 1, 8, 8), "image=float32[batch,1,8,8]"),
        (np.zeros((4, 1, 8, 8), np.float32), "image=float32[batch,1,8,8]"),
        ((torch.rand(2, 1, 8, 8),), "image=float32[batch,1,8,8]"),
        ({"image": torch.rand(2, 1, 8, 8)}, "image=float32[batch,1,8,8]"),
    ],
)
def test_example_inputs(example: object, inputs: str) -> None:
    source = load(digits.build(), example_inputs=example)
    assert [str(spec) for spec in source.inputs] == [inputs]
    assert source.example_inputs is not None and source.example_inputs[0].shape[0] >= 2


class Two(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor, scale: float = 2.0) -> OrderedDict[str, torch.Tensor]:
        return OrderedDict(total=left + right, difference=(left - right) * scale)


def test_inputs_by_name_in_the_order_of_forward_and_outputs_by_key() -> None:
    source = load(Two(), inputs=["right=float32[n,4]", "left=float32[n,4]"])
    assert [str(spec) for spec in source.inputs] == ["left=float32[n,4]", "right=float32[n,4]"]
    assert [value.name for value in source.model.graph.outputs] == ["total", "difference"]
    left, right = torch.rand(3, 4), torch.rand(3, 4)
    np.testing.assert_allclose(run(source, left, right)[1], ((left - right) * 2).numpy(), rtol=1e-6)


def test_an_input_after_one_that_is_left_out() -> None:
    class Gap(nn.Module):
        def forward(
            self, x: torch.Tensor, cache: torch.Tensor | None = None, mask: torch.Tensor | None = None
        ) -> torch.Tensor:
            assert cache is None and mask is not None
            return x * mask

    for source in (
        load(Gap(), inputs=["mask=float32[n,4]", "x=float32[n,4]"]),
        load(Gap(), example_inputs={"mask": torch.rand(2, 4), "x": torch.rand(2, 4)}),
    ):
        assert [value.name for value in source.model.graph.inputs] == ["x", "mask"]


def test_other_names_are_taken_in_order_and_kept() -> None:
    source = load(Two(), inputs=["a=float32[n,4]", "b=float32[n,4]"])
    assert [value.name for value in source.model.graph.inputs] == ["a", "b"]


def test_a_constant_among_the_example_inputs() -> None:
    source = load(Two(), example_inputs=(torch.rand(2, 4), torch.rand(2, 4), 3.0))
    assert len(source.model.graph.inputs) == 2
    left, right = torch.rand(3, 4), torch.rand(3, 4)
    np.testing.assert_allclose(run(source, left, right)[1], ((left - right) * 3).numpy(), rtol=1e-6)


def test_integers_and_variable_arguments() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4)

        def forward(self, *ids: torch.Tensor) -> torch.Tensor:
            return sum((self.table(i) for i in ids), torch.zeros(()))

    source = load(Table(), inputs=["a=int64[batch,5]", "b=int64[batch,5]"])
    assert [str(spec) for spec in source.inputs] == ["a=int64[batch,5]", "b=int64[batch,5]"]
    assert shapes(source) == [["batch", 5, 4]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs of DigitNet are not known"),
        (["image=float32[batch,2,8,8]"], "fails on its inputs"),
        (["image=int64[batch,1,8,8]"], "fails on its inputs"),
        (["image=float32[batch,1,8,8]", "other=float32[1]"], "2 inputs are given, but forward\\(\\) takes 1: image"),
    ],
)
def test_wrong_inputs(inputs: list[str], message: str) -> None:
    with pytest.raises((UsageError, BadSource), match=message) as error:
        load(digits.build(), inputs=inputs)
    assert error.value.exit_code == 1


def test_missing_and_contradicting_inputs() -> None:
    with pytest.raises(UsageError, match="also needs right"):
        load(Two(), inputs=["left=float32[n,4]"])
    with pytest.raises(UsageError, match="Both example inputs and input specifications"):
        load(Two(), inputs=["left=float32[n,4]"], example_inputs=(torch.rand(1),))
    with pytest.raises(UsageError, match="no parameter 'up'"):
        load(Two(), example_inputs={"up": torch.rand(1)})
    with pytest.raises(UsageError, match="checkpoint and random weights"):
        load(Two(), checkpoint="x.pt", random_weights=0)


def test_an_operator_without_an_onnx_form() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvalsh(x)

    with pytest.raises(Unsupported, match="no ONNX form") as error:
        load(Odd(), inputs=["x=float32[4,4]"])
    assert "eig" in error.value.message and error.value.exit_code == 2


def test_the_budget() -> None:
    with pytest.raises(LimitExceeded, match="The module DigitNet needs"):
        load(digits.build(), inputs=[digits.INPUT], max_bytes=1000)


def test_random_weights_are_reproducible_and_not_trivial() -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        source = load("models.digits:build", inputs=[digits.INPUT], random_weights=seed)
        return {
            k: v.const_value.numpy() for k, v in source.model.graph.initializers.items() if v.const_value is not None
        }

    state = torch.get_rng_state()
    one, again, other = weights(1), weights(1), weights(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["layer1.conv1.weight"], other["layer1.conv1.weight"])
    for key in ("weight", "bias", "running_mean", "running_var"):
        values = one[f"layer3.bn2.{key}"]
        assert values.std() > 0.1 * np.abs(values).mean() > 0
    assert one["layer3.bn2.running_var"].min() > 0


def test_random_weights_keep_a_deep_net_finite() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)) for _ in range(24)]
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = F.relu(x + block(x))
            return x

    source = load(Deep(), inputs=["x=float32[batch,8,8,8]"], random_weights=0)
    (y,) = run(source, torch.randn(2, 8, 8, 8))
    assert np.isfinite(y).all() and 0.1 < y.std() < 1000


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("nowhere.at_all:build", UsageError, "There is no module 'nowhere'"),
        ("models.nowhere:build", UsageError, "There is no module 'models.nowhere'"),
        ("models.digits:nothing", UsageError, "has no 'nothing'"),
        ("models.digits:INPUT", UsageError, "is not callable"),
        ("models.digits:accuracy", BadSource, "failed: TypeError"),
        ("builtins:dict", BadSource, "returned dict, not a torch.nn.Module"),
        ("user_models:broken", BadSource, "failed: ValueError: no"),
        ("user_broken:build", BadSource, "cannot be imported: ZeroDivisionError"),
        ("user_needs:build", BadSource, "needs 'not_there', which is not installed"),
        ("a b:c", UsageError, "not of the form package.module:factory"),
    ],
)
def test_factories(
    text: str, kind: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user_models.py").write_text("def broken():\n    raise ValueError('no')\n")
    (tmp_path / "user_broken.py").write_text("1 / 0\n")
    (tmp_path / "user_needs.py").write_text("import not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(kind, match=message):
        load(text, inputs=[digits.INPUT])


def test_the_exporter_is_silent() -> None:
    code = (
        "from converter.sources import load\n"
        "from models import digits\n"
        "load(digits.build(), inputs=[digits.INPUT], random_weights=0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "" and done.stderr == ""


def test_complex_inputs_are_refused() -> None:
    with pytest.raises(Unsupported, match="is complex64"):
        load(torch.nn.Identity(), example_inputs=torch.zeros(2, 3, dtype=torch.complex64))


def halving(kernel: int) -> nn.Module:
    """Whose trace asserts sizes of the pool that its outcome does not depend on."""
    return nn.Sequential(
        nn.Conv1d(3, 4, kernel, 2, kernel // 2), nn.MaxPool1d(3, 2, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten()
    )


def test_what_a_trace_asserts_for_nothing_is_not_said() -> None:
    torch.manual_seed(0)
    source = load(halving(15).eval(), inputs=["x=float32[batch,3,length]"])
    assert source.notes == []
    for length in (31, 64, 90):
        x = torch.randn(2, 3, length)
        assert source.torch_module is not None
        np.testing.assert_allclose(run(source, x)[0], source.torch_module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.shape[1] < 100 else x.sigmoid()


def test_what_it_asserts_for_a_reason_is() -> None:
    (note,) = load(Branching().eval(), inputs=["x=float32[batch,length]"]).notes
    assert "takes another way, or fails" in note and "length <= 99" in note


class Chooses(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        if y.sum() > 0:  # the line to be told
            return y + 1
        return y - 1


def test_a_way_that_depends_on_numbers_is_told_with_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ExportFailed) as caught:
        load(Chooses(), inputs=["x=float32[batch,3]"])
    message = str(caught.value)
    assert "depends on the numbers" in message and "`if y.sum() > 0:  # the line to be told`" in message
    assert f"{__file__}:" in message and len(message) < 600 and "torch.where" in str(caught.value.hint)
    streams = capfd.readouterr()
    assert streams.out == streams.err == ""


def test_what_else_cannot_be_captured_is_told_with_its_line() -> None:
    class Refuses(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.compiler.is_exporting():
                raise RuntimeError("not with me")
            return x

    with pytest.raises(ExportFailed, match=r'RuntimeError: not with me. At `raise RuntimeError\("not with me"\)`'):
        load(Refuses(), inputs=["x=float32[4]"])
