"""Checkpoints: the forms in which weights are saved, keys that do not fit, and files that would run code."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from converter.sources import load
from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.checkpoints.load import load_checkpoint
from models import cifar_resnet, digits, mtcnn
from passes.errors import BadSource, LimitExceeded, Unsupported, UsageError
from tests.zoo import zoo_file


@pytest.fixture
def trained() -> mtcnn.PNet:
    torch.manual_seed(0)
    return mtcnn.pnet()


def assert_same(module: torch.nn.Module, other: torch.nn.Module) -> None:
    for key, value in other.state_dict().items():
        assert torch.equal(module.state_dict()[key], value), key


def prefixed(prefix: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {prefix + key: value for key, value in state.items()}


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bare": dict,
    "module": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "both, repeated": prefixed("module.module._orig_mod."),
    "lightning": lambda state: {"state_dict": prefixed("model.")(state), "hyper_parameters": {"lr": 0.1}},
    "state_dict": lambda state: {"epoch": 3, "best_prec1": 91.7, "state_dict": prefixed("module.")(state)},
    "model": lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.5},
    "net": lambda state: {"net": state, "acc": 93.0},
    "ema": lambda state: {"ema": prefixed("module.")(state), "updates": 7},
    "deep": lambda state: {"checkpoint": {"model": {"module": state}}},
    "with a loss": lambda state: {"state_dict": {**prefixed("model.")(state), "criterion.weight": torch.ones(2)}},
    "average beside": lambda state: {
        **{f"ema.{key}": value + 1 for key, value in state.items()},
        **prefixed("online.")(state),
    },
    "of the average": prefixed("ema.module."),
    "averaged": lambda state: {"n_averaged": torch.tensor(5), **prefixed("module.")(state)},
}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".ckpt"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path: Path, trained: mtcnn.PNet, form: str, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(FORMS[form](dict(trained.state_dict())), path, _use_new_zipfile_serialization=suffix != ".th")
    module = mtcnn.pnet()
    load_checkpoint(module, path)
    assert_same(module, trained)


@pytest.mark.parametrize("form", ["bare", "module", "compiled"])
def test_safetensors(tmp_path: Path, trained: mtcnn.PNet, form: str) -> None:
    safetensors.torch.save_file(FORMS[form](dict(trained.state_dict())), tmp_path / "w.safetensors")
    module = mtcnn.pnet()
    load_checkpoint(module, tmp_path / "w.safetensors")
    assert_same(module, trained)


def test_the_best_of_several_is_chosen_and_noted(tmp_path: Path, trained: mtcnn.PNet) -> None:
    state = dict(trained.state_dict())
    torch.save({"ema": state, "model": state, "discriminator": mtcnn.rnet().state_dict()}, tmp_path / "w.pt")
    (note,) = load_checkpoint(mtcnn.pnet(), tmp_path / "w.pt")
    assert note == "The weights are those under 'model' in w.pt; 'ema' would fit too."


def test_names_that_begin_like_a_prefix(tmp_path: Path) -> None:
    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = mtcnn.pnet()

    trained = Wrapped()
    torch.save(prefixed("module.")(dict(trained.state_dict())), tmp_path / "w.pt")
    module = Wrapped()
    load_checkpoint(module, tmp_path / "w.pt")
    assert_same(module, trained)


def test_a_compiled_submodule(tmp_path: Path) -> None:
    trained = cifar_resnet.resnet20()
    state = {k.replace("layer1.", "layer1._orig_mod."): v for k, v in trained.state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    module = cifar_resnet.resnet20()
    load_checkpoint(module, tmp_path / "w.pt")
    assert_same(module, trained)


@pytest.mark.parametrize(
    ("file", "build"),
    [
        ("resnet20-12fca82f.th", cifar_resnet.resnet20),
        ("resnet56-4bfd9763.th", cifar_resnet.resnet56),
        ("pnet.pt", mtcnn.pnet),
        ("rnet.pt", mtcnn.rnet),
    ],
)
def test_real_checkpoints(file: str, build: Callable[[], torch.nn.Module]) -> None:
    path = zoo_file(file)
    module = build()
    load_checkpoint(module, path)
    content = torch.load(path, weights_only=True, map_location="cpu")
    for key, value in content.get("state_dict", content).items():
        assert torch.equal(module.state_dict()[key.removeprefix("module.")], value)


def test_the_digits_checkpoint_is_trained() -> None:
    assert digits.CHECKPOINT.stat().st_size < 300_000
    module = digits.build().eval()
    load_checkpoint(module, digits.CHECKPOINT)
    images, labels = digits.held_out()
    assert len(images) == 360 and images.shape[1:] == (1, 8, 8)
    with torch.no_grad():
        assert digits.accuracy(module(torch.from_numpy(images)).numpy(), labels) >= 0.98
    trained_on, _ = digits.training()
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in trained_on}


def test_a_checkpoint_of_another_model_lists_all_keys() -> None:
    with pytest.raises(BadSource) as error:
        load_checkpoint(mtcnn.rnet(), zoo_file("pnet.pt"))
    message = error.value.message
    assert "pnet.pt does not fit RNet" in message
    assert "7 missing: dense4.weight" in message
    assert "4 unexpected: conv4_1.weight" in message
    assert "9 misshapen: conv1.weight (10×3×3×3 instead of 28×3×3×3)" in message
    assert error.value.exit_code == 1


def test_long_lists_are_cut() -> None:
    with pytest.raises(BadSource, match=r"\d+ missing: bn1.weight, .*, and \d+ more; "):
        load_checkpoint(cifar_resnet.resnet20(), zoo_file("pnet.pt"))


def test_nothing_in_it(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "w.pt")
    with pytest.raises(BadSource, match="holds no state_dict") as error:
        load_checkpoint(mtcnn.pnet(), tmp_path / "w.pt")
    assert error.value.hint == "It holds: epoch, lr."


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, trained: mtcnn.PNet, new_format: bool) -> None:
    content = {"state_dict": dict(trained.state_dict()), "extra": Evil(tmp_path / "ran")}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=new_format)
    with pytest.raises(BadSource, match=r"would run posix\.mkdir") as error:
        load_checkpoint(mtcnn.pnet(), tmp_path / "w.pt")
    assert "--trust" in str(error.value.hint)
    assert not (tmp_path / "ran").exists()


def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil(tmp_path / "ran"), protocol=2))
    with pytest.raises(BadSource, match=r"posix\.mkdir|cannot be read"):
        read_checkpoint(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickled_module_needs_trust(tmp_path: Path, trained: mtcnn.PNet, new_format: bool) -> None:
    path = tmp_path / "whole.pt"
    torch.save(trained, path, _use_new_zipfile_serialization=new_format)
    for use in (
        lambda: load(path),
        lambda: load("models.mtcnn:pnet", checkpoint=path, inputs=["x=float32[n,3,48,48]"]),
    ):
        with pytest.raises(
            BadSource, match=r"pickled object, not only weights: loading it would run models\.mtcnn"
        ) as error:
            use()
        assert "--trust" in str(error.value.hint)
    module = mtcnn.pnet()
    load_checkpoint(module, path, trust=True)
    assert_same(module, trained)
    source = load(path, trust=True, inputs=["x=float32[batch,3,48,48]"])
    assert source.description == "the PNet in whole.pt" and len(source.model.graph.outputs) == 2


def test_torchscript_needs_trust(tmp_path: Path, trained: mtcnn.PNet) -> None:
    path = tmp_path / "script.pt"
    torch.jit.script(trained).save(str(path))
    with pytest.raises(BadSource, match="TorchScript archive: code") as error:
        load(path)
    assert "--trust" in str(error.value.hint)
    module = mtcnn.pnet()
    load_checkpoint(module, path, trust=True)
    assert_same(module, trained)
    with pytest.raises(Unsupported, match=r"TorchScript, which torch\.export does not take"):
        load(path, trust=True)


def test_weights_alone_are_no_source(tmp_path: Path, trained: mtcnn.PNet) -> None:
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    with pytest.raises(UsageError, match="weights only") as error:
        load(tmp_path / "w.pt")
    assert "--checkpoint" in str(error.value.hint)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"<html></html>", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04", b"\x80\x02"],
)
def test_files_that_are_no_checkpoints(tmp_path: Path, content: bytes) -> None:
    for name in ("w.pt", "w.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadSource, match=name):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("new_format", [True, False])
def test_truncated(tmp_path: Path, trained: mtcnn.PNet, share: float, new_format: bool) -> None:
    torch.save(trained.state_dict(), tmp_path / "whole.pt", _use_new_zipfile_serialization=new_format)
    data = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadSource, match="cannot be read"):
        read_checkpoint(tmp_path / "w.pt")


def test_a_storage_declared_far_larger_than_the_file(tmp_path: Path) -> None:
    """torch.load would allocate 1.9 billion floats before it read the first."""
    torch.save({"a": torch.zeros(300)}, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "w.pt").read_bytes()
    elements = b"M" + struct.pack("<H", 300)
    assert elements in data
    (tmp_path / "w.pt").write_bytes(data.replace(elements, b"J" + struct.pack("<i", 1_879_048_192), 1))
    with pytest.raises(BadSource, match="declares a tensor of 1,879,048,192 elements"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.mark.parametrize("length", [10**12, 26_000_000, 100])
def test_a_safetensors_header_that_is_too_long(tmp_path: Path, length: int) -> None:
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(BadSource, match="declares a header"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_too_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.sources.checkpoints.header.MAX_TENSORS", 3)
    safetensors.torch.save_file({str(i): torch.zeros(1) for i in range(5)}, tmp_path / "w.safetensors")
    with pytest.raises(LimitExceeded, match="more than 3 tensors"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_the_budget(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10_000)}, tmp_path / "w.pt")
    with pytest.raises(LimitExceeded, match="more than the 1,000 bytes allowed"):
        read_checkpoint(tmp_path / "w.pt", max_bytes=1000)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="There is no checkpoint"):
        read_checkpoint(tmp_path / "w.pt")


def test_half_precision_weights_go_into_a_float_module(tmp_path: Path, trained: mtcnn.PNet) -> None:
    torch.save({key: value.half() for key, value in trained.state_dict().items()}, tmp_path / "w.pt")
    module = mtcnn.pnet()
    load_checkpoint(module, tmp_path / "w.pt")
    assert module.conv1.weight.dtype == torch.float32
    np.testing.assert_allclose(
        module.conv1.weight.detach().numpy(), trained.conv1.weight.detach().numpy(), rtol=1e-3, atol=1e-4
    )


def sharded(state: dict[str, torch.Tensor], folder: Path) -> Path:
    """Two shards and their index."""
    folder.mkdir()
    names = sorted(state)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, keys in shards.items():
        safetensors.torch.save_file({key: state[key].contiguous() for key in keys}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: file for file, keys in shards.items() for key in keys}}))
    return index


@pytest.mark.parametrize("form", ["index", "folder", "shards", "one file"])
def test_shards(tmp_path: Path, trained: mtcnn.PNet, form: str) -> None:
    index = sharded(dict(trained.state_dict()), tmp_path / "model")
    if form in ("shards", "one file"):
        index.unlink()
    if form == "one file":
        safetensors.torch.save_file(dict(trained.state_dict()), index.parent / "model.safetensors")
    module = mtcnn.pnet()
    load_checkpoint(module, index if form == "index" else index.parent)
    assert_same(module, trained)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"a": "../outside.safetensors"}, "a file outside of its folder"),
        ({"a": "/etc/passwd"}, "a file outside of its folder"),
        ({"a": "missing.safetensors"}, "There is no checkpoint"),
        ({"a": 3}, "names no files"),
        ({}, "names no files"),
        (None, "names no files"),
    ],
)
def test_a_bad_index(tmp_path: Path, weight_map: Any, message: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(BadSource, match=message):
        read_checkpoint(index)


def test_bad_shards(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="holds no weights"):
        read_checkpoint(tmp_path)
    for name in ("a", "b"):
        safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(BadSource, match="The tensor 'w' is in two shards"):
        read_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("[1, 2")
    with pytest.raises(BadSource, match="has no weight_map"):
        read_checkpoint(tmp_path)


def test_a_program_as_a_checkpoint(tmp_path: Path, trained: mtcnn.PNet) -> None:
    torch.export.save(torch.export.export(trained.eval(), (torch.rand(1, 3, 12, 12),)), tmp_path / "net.pt2")
    module = mtcnn.pnet()
    load_checkpoint(module, tmp_path / "net.pt2")
    assert_same(module, trained)


def test_another_number_of_classes_is_told_with_the_option_to_add(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(4, 3).state_dict(), tmp_path / "head.pt")
    with pytest.raises(BadSource) as caught:
        load_checkpoint(torch.nn.Linear(4, 10), tmp_path / "head.pt")
    assert "--model-arg num_classes=3" in str(caught.value.hint)


def test_weights_without_an_architecture_are_shown(tmp_path: Path) -> None:
    torch.save({"state_dict": torch.nn.Linear(4, 3).state_dict()}, tmp_path / "weights.pt")
    with pytest.raises(UsageError, match=r"They are weight \[3, 4\], bias \[3\]\."):
        load(tmp_path / "weights.pt")


def test_a_number_instead_of_a_list_is_a_misfit_and_no_bug(tmp_path: Path) -> None:
    torch.save({"weight": torch.tensor(1.0)}, tmp_path / "scale.pt")
    with pytest.raises(BadSource, match="1 misshapen: weight"):
        load_checkpoint(torch.nn.PReLU(3), tmp_path / "scale.pt")
