"""Bad input, end to end: exit code and message, nothing half-written, an existing output untouched."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
import safetensors.torch
import torch

from converter.backends.keras import emit as emitter
from tests.conftest import SMALL, Keraport, Ran
from tests.harness import graph

OLD = b"an older model"
DIGITS = "models.cifar_resnet:resnet20"
DIGITS_INPUT = "x=float32[batch,3,32,32]"


class Place:
    """A folder with an output in it that must survive."""

    def __init__(self, folder: Path, keraport: Keraport) -> None:
        self.folder = folder
        self.out = folder / "out.keras"
        self.report = folder / "report.json"
        self._keraport = keraport
        folder.mkdir()
        self.out.write_bytes(OLD)

    def convert(self, *arguments: str | Path) -> Ran:
        """Convert to `out`; whatever happens, nothing but the report may be new in the folder."""
        ran = self._keraport("convert", *arguments, "-o", self.out, "--report", self.report)
        left = {path.name for path in self.folder.iterdir()} - {"report.json"}
        assert left == {"out.keras"}, left
        assert self.out.read_bytes() == OLD
        assert "Traceback" not in ran.err
        assert "Bug in keraport" not in ran.err, ran.err
        return ran


@pytest.fixture
def place(tmp_path: Path, keraport: Keraport) -> Place:
    return Place(tmp_path / "place", keraport)


def save(text: str, path: Path) -> Path:
    ir.save(graph(text), path)
    return path


def message(ran: Ran) -> str:
    """stderr without the lines of the stages."""
    return "\n".join(line for line in ran.err.splitlines() if not line.startswith(("✓", "✗")))


def test_a_missing_file(place: Place, tmp_path: Path) -> None:
    ran = place.convert(tmp_path / "none.onnx")
    assert ran.code == 1
    assert f"There is no file '{tmp_path / 'none.onnx'}'." in message(ran)
    assert '"kind": "bad-source"' in place.report.read_text()


def test_a_folder_and_an_empty_file(place: Place, tmp_path: Path) -> None:
    (tmp_path / "dir.onnx").mkdir()
    ran = place.convert(tmp_path / "dir.onnx")
    assert (ran.code, "is a folder" in message(ran)) == (1, True)
    (tmp_path / "empty.onnx").touch()
    ran = place.convert(tmp_path / "empty.onnx")
    assert (ran.code, "empty.onnx is empty" in message(ran)) == (1, True)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(place: Place, small_onnx: Path, tmp_path: Path, kept: float) -> None:
    data = small_onnx.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: int(len(data) * kept)])
    ran = place.convert(tmp_path / "cut.onnx")
    assert ran.code == 1
    assert "cut.onnx is truncated or damaged" in message(ran)


def test_a_text_file(place: Place, tmp_path: Path) -> None:
    (tmp_path / "readme.onnx").write_text("This is no model.\n")
    ran = place.convert(tmp_path / "readme.onnx")
    assert ran.code == 1
    assert "readme.onnx is a text file, not an ONNX model." in message(ran)


def test_a_source_of_no_kind(place: Place, tmp_path: Path) -> None:
    ran = place.convert("model.tflite")
    assert ran.code == 1
    assert "'model.tflite' is not a source." in message(ran)
    assert "torchvision:NAME" in message(ran)


def test_all_unknown_operators_are_listed_at_once_with_their_modules(place: Place, tmp_path: Path) -> None:
    text = """
    <ir_version: 10, opset_import: ["" : 23, "com.example" : 1]>
    g (float[1,4] x) => (float[1,4] y)
    {
        ["/encoder/encoder.0/mix/Mix"] a = com.example.Mix(x)
        ["/encoder/encoder.1/mix/Mix"] b = com.example.Mix(a)
        ["/head/Frobnicate"] y = Frobnicate(b)
    }
    """
    ran = place.convert(save(text, tmp_path / "unknown.onnx"))
    assert ran.code == 2
    for part in ("com.example::Mix", "encoder.0.mix", "Frobnicate", "in module head"):
        assert part in message(ran)


def test_operators_of_onnx_that_keraport_does_not_convert_are_listed_at_once(place: Place, tmp_path: Path) -> None:
    text = """
    g (string[4] x) => (string[4] y, int64[4] z)
    { ["/a/StringNormalizer"] y = StringNormalizer(x)  ["/b/StringConcat"] t = StringConcat(x, x)
      ["/c/StringSplit"] u, z = StringSplit(t) }
    """
    ran = place.convert(save(text, tmp_path / "strings.onnx"))
    assert ran.code == 2
    for part in ("StringNormalizer", "StringConcat", "StringSplit", "in module a", "in module b", "in module c"):
        assert part in message(ran)


def test_a_checkpoint_of_another_model(place: Place, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "linear.pt")
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "linear.pt", "--input", DIGITS_INPUT)
    assert ran.code == 1
    for part in ("does not fit", "conv1.weight", "missing", "unexpected"):
        assert part in message(ran)


def test_a_checkpoint_with_one_wrong_shape_and_one_missing_key(place: Place, tmp_path: Path) -> None:
    from models.cifar_resnet import resnet20

    state = {name: tensor.clone() for name, tensor in resnet20().state_dict().items()}
    state["conv1.weight"] = torch.zeros(16, 4, 3, 3)
    del state["linear.bias"]
    safetensors.torch.save_file(state, tmp_path / "odd.safetensors")
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "odd.safetensors", "--input", DIGITS_INPUT)
    assert ran.code == 1
    for part in ("linear.bias", "conv1.weight", "16×4×3×3 instead of 16×3×3×3"):
        assert part in message(ran)


def test_a_checkpoint_that_is_missing(place: Place, tmp_path: Path) -> None:
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "none.pt", "--input", DIGITS_INPUT)
    assert (ran.code, "none.pt" in message(ran)) == (1, True)


def test_a_pickled_module_is_refused_and_trust_is_named(place: Place, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4), tmp_path / "module.pt")
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "module.pt", "--input", DIGITS_INPUT)
    assert ran.code == 1
    assert "--trust" in message(ran)


class Attack:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_code_in_a_checkpoint_does_not_run(place: Place, tmp_path: Path) -> None:
    torch.save({"state_dict": Attack(tmp_path / "pwned")}, tmp_path / "attack.pt")
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "attack.pt", "--input", DIGITS_INPUT)
    assert ran.code == 1
    assert not (tmp_path / "pwned").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_archive_is_refused_and_trust_is_named(place: Place, tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(3, 4)).save(tmp_path / "script.pt")
    ran = place.convert(DIGITS, "--checkpoint", tmp_path / "script.pt", "--input", DIGITS_INPUT)
    assert ran.code == 1
    assert "TorchScript" in message(ran)
    assert "--trust" in message(ran)


def with_data_at(path: Path, location: str) -> Path:
    """SMALL with its kernel in an external file that is said to be at `location`."""
    proto = ir.to_proto(graph(SMALL))
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "kernel")
    for field in ("raw_data", "float_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(bytes(432))
    return path


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def test_external_data_by_an_absolute_path(place: Place, model_folder: Path, secret: Path) -> None:
    ran = place.convert(with_data_at(model_folder / "m.onnx", str(secret)))
    assert ran.code == 1
    assert "Tensor 'kernel'" in message(ran)
    assert "an absolute path" in message(ran)


@pytest.mark.parametrize("location", ["../secret", "sub/../../secret", "./../secret"])
def test_external_data_outside_of_the_folder(place: Place, model_folder: Path, secret: Path, location: str) -> None:
    (model_folder / "sub").mkdir()
    ran = place.convert(with_data_at(model_folder / "m.onnx", location))
    assert ran.code == 1
    assert "Tensor 'kernel'" in message(ran)
    assert "out of the model's folder" in message(ran)


def test_external_data_through_a_symbolic_link(place: Place, model_folder: Path, secret: Path) -> None:
    (model_folder / "weights").symlink_to(secret)
    ran = place.convert(with_data_at(model_folder / "m.onnx", "weights"))
    assert ran.code == 1
    assert "Tensor 'kernel'" in message(ran)
    assert "outside of the model's folder" in message(ran)


def test_external_data_through_a_linked_folder(place: Place, model_folder: Path, secret: Path) -> None:
    (model_folder / "sub").symlink_to(secret.parent)
    ran = place.convert(with_data_at(model_folder / "m.onnx", "sub/secret"))
    assert (ran.code, "outside of the model's folder" in message(ran)) == (1, True)


def test_external_data_through_a_hard_link(place: Place, model_folder: Path, secret: Path) -> None:
    (model_folder / "weights").hardlink_to(secret)
    ran = place.convert(with_data_at(model_folder / "m.onnx", "weights"))
    assert (ran.code, "a hard link" in message(ran)) == (1, True)


def test_external_data_that_is_missing(place: Place, model_folder: Path) -> None:
    ran = place.convert(with_data_at(model_folder / "m.onnx", "weights"))
    assert (ran.code, "cannot be found" in message(ran)) == (1, True)


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 31, 1 << 31, 1 << 31], [4, 3, 3, 300_000]])
def test_a_tensor_that_is_declared_far_larger_than_the_file(place: Place, tmp_path: Path, dims: list[int]) -> None:
    proto = ir.to_proto(graph(SMALL))
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "kernel")
    del tensor.dims[:]
    tensor.dims.extend(dims)
    (tmp_path / "huge.onnx").write_bytes(proto.SerializeToString())
    ran = place.convert(tmp_path / "huge.onnx")
    assert ran.code in (1, 4)
    assert "Tensor 'kernel' declares the shape" in message(ran)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[100000, 100000, 1000] x) => (y) { y = Relu(x) }",
        "g (float[1] x) => (y) <int64[3] n = {100000, 100000, 1000}> { y = Expand(x, n) }",
        """g (float[batch, 3, 8, 8] x) => (y) <int64[8] p = {0, 0, 0, 0, 0, 0, 1000000, 1000000}> {
            t = Pad(x, p)  y = ReduceSum<keepdims=0>(t) }""",
    ],
)
def test_a_tensor_that_the_graph_makes_far_larger_than_the_memory(place: Place, tmp_path: Path, text: str) -> None:
    ran = place.convert(save(text, tmp_path / "huge.onnx"))
    assert ran.code == 4
    assert "more than half of this machine's memory" in message(ran)


def test_a_model_over_the_limit(place: Place, small_onnx: Path) -> None:
    ran = place.convert(small_onnx, "--max-bytes", "100")
    assert ran.code == 4
    assert "--max-bytes" in message(ran)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("x", "cannot be read"),
        ("x=float32[batch,3,32", "cannot be read"),
        ("x=float31[batch,3,32,32]", "unknown type 'float31'"),
        ("x=float32[batch,-3,32,32]", "dimension '-3'"),
        ("x=float32[batch,0,32,32]", "dimension '0'"),
    ],
)
def test_an_input_that_cannot_be_read(place: Place, spec: str, said: str) -> None:
    ran = place.convert(DIGITS, "--random-weights", "0", "--input", spec)
    assert ran.code == 1
    assert said in message(ran)


def test_an_input_of_a_wrong_shape(place: Place) -> None:
    ran = place.convert(DIGITS, "--random-weights", "0", "--input", "x=float32[batch,4,32,32]")
    assert ran.code == 1
    assert "forward() of" in message(ran)
    assert "fails on its inputs" in message(ran)


def test_an_input_that_the_file_does_not_have(place: Place, small_onnx: Path) -> None:
    ran = place.convert(small_onnx, "--input", "picture=float32[1,3,8,8]")
    assert ran.code == 1
    assert "'picture'" in message(ran)
    assert "image" in message(ran)


def test_an_output_directory_that_does_not_exist(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    ran = keraport("convert", small_onnx, "-o", tmp_path / "none" / "out.keras")
    assert ran.code == 1
    assert "The directory" in ran.err
    assert "does not exist" in ran.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("option", ["-o", "--report"])
def test_an_output_that_cannot_be_written(keraport: Keraport, small_onnx: Path, option: str) -> None:
    # /proc refuses new files to everyone, root included.
    ran = keraport("convert", small_onnx, option, "/proc/out.keras")
    assert ran.code == 1
    assert "'/proc/out.keras' cannot be written" in ran.err
    assert "✓" not in ran.err, "said before any work"


def test_an_output_of_another_suffix_or_a_directory(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    ran = keraport("convert", small_onnx, "-o", tmp_path / "out.h5")
    assert (ran.code, "must end in .keras" in ran.err) == (1, True)
    (tmp_path / "dir.keras").mkdir()
    ran = keraport("convert", small_onnx, "-o", tmp_path / "dir.keras")
    assert (ran.code, "is a directory" in ran.err) == (1, True)


def test_a_full_disk_while_saving(place: Place, small_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def save_half(model: keras.Model, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(keras.Model, "save", save_half)
    ran = place.convert(small_onnx)
    assert ran.code == 1
    assert "The disk is full" in message(ran)
    assert "out.keras" in message(ran)


def test_a_full_disk_while_the_file_is_synced(place: Place, small_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    ran = place._keraport("convert", small_onnx, "-o", place.out, "--no-verify")
    assert (ran.code, "The disk is full" in message(ran)) == (1, True)
    assert place.out.read_bytes() == OLD
    assert [path.name for path in place.folder.iterdir()] == ["out.keras"]


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C, as the terminal sends it, while the Keras model is being built."""
    emit = emitter.emit

    def interrupted(*arguments: Any, **options: Any) -> Any:
        emission = emit(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return emission

    monkeypatch.setattr(emitter, "emit", interrupted)
    yield


@pytest.mark.usefixtures("interrupting")
def test_an_interrupt_in_the_middle(place: Place, small_onnx: Path) -> None:
    ran = place.convert(small_onnx)
    assert ran.code == 130
    assert "Interrupted" in message(ran)
    assert not place.report.exists()


def test_an_interrupt_during_the_verification(place: Place, small_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from converter.processes.replay import Replay

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Replay, "replay", interrupted)
    assert place.convert(small_onnx).code == 130
