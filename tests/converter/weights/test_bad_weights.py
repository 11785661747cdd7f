"""`keraport weights` given what does not fit, and no room: one clear error, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from safetensors.torch import save_file

import converter
from converter.weights.record import MEMBER
from tests.conftest import Keraport


class Net(torch.nn.Module):
    def __init__(self, width: int = 200) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(60, width), torch.nn.Linear(width, 40)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x).relu())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    converter.convert(Net(), place / "net.keras", inputs=["x=float32[batch,60]"], verify=False)
    save_file(Net().state_dict(), place / "net.safetensors")
    return place


@pytest.fixture
def load(folder: Path, tmp_path: Path, keraport: Keraport) -> Callable[..., str]:
    """`keraport weights load`, which has to fail in one way: what it says. What was there before stays."""

    def failing(model: Path | None = None, checkpoint: Path | None = None) -> str:
        target = tmp_path / "out" / "o.keras"
        target.parent.mkdir()
        target.write_text("mine")
        model, checkpoint = model or folder / "net.keras", checkpoint or folder / "net.safetensors"
        ran = keraport("weights", "load", model, "--checkpoint", checkpoint, "-o", target)
        assert ran.code == 1 and "Bug" not in ran.err and ran.err.count("Error") == 1, ran.err
        assert target.read_text() == "mine" and [each.name for each in target.parent.iterdir()] == ["o.keras"]
        return " ".join(ran.err.split())

    return failing


def test_a_checkpoint_of_another_model(load: Callable[..., str], tmp_path: Path) -> None:
    """All that does not fit, in one error."""
    other = torch.nn.ModuleDict({"first": torch.nn.Linear(60, 7), "third": torch.nn.Linear(7, 2)})
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    said = load(checkpoint=tmp_path / "other.safetensors")
    for part in ("2 missing: second.weight, second.bias", "2 unexpected: third.bias, third.weight", "2 misshapen"):
        assert part in said, said


def test_no_checkpoint(load: Callable[..., str], tmp_path: Path) -> None:
    assert "There is no checkpoint" in load(checkpoint=tmp_path / "none.safetensors")


def test_a_model_that_keraport_did_not_make(load: Callable[..., str], tmp_path: Path) -> None:
    keras.Sequential([keras.Input((60,)), keras.layers.Dense(40)]).save(tmp_path / "plain.keras")
    assert "keraport did not make it, or Keras has saved it again" in load(model=tmp_path / "plain.keras")


def test_what_is_no_model(load: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no archive")
    assert "no record of a conversion that can be read" in load(model=tmp_path / "text.keras")


def test_an_archive_that_ends_early(load: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    whole = (folder / "net.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    assert "no record of a conversion that can be read" in load(model=tmp_path / "half.keras")


def entry(record: dict[str, Any], source: str = "second.weight") -> dict[str, Any]:
    return next(each for each in record["weights"].values() if each["source"] == source)


def renamed(record: dict[str, Any]) -> None:
    record["weights"]["nobody/kernel"] = record["weights"].pop("second/kernel")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no weights": (lambda record: record.pop("weights"), "there is no 'weights'"),
    "weights as a list": (lambda record: record.update(weights=[1, 2]), "not built as conversions write it"),
    "no shape": (lambda record: entry(record).pop("shape"), "there is no 'shape'"),
    "a size below zero": (lambda record: entry(record).update(shape=[40, -200]), "[40, -200] are no sizes"),
    "a size beyond all": (lambda record: entry(record).update(shape=[1 << 50, 200]), "are no sizes"),
    "an unknown step": (lambda record: entry(record).update(view=[["rotate", [1, 0]]]), "cannot be seen by rotate"),
    "axes twice": (lambda record: entry(record).update(view=[["transpose", [1, 1]]]), "be seen by transpose (1, 1)"),
    "another variable": (renamed, "not the model of the record"),
    "another view": (lambda record: entry(record).update(view=[]), "has the shape (200, 40)"),
    "another tensor": (lambda record: entry(record).update(source="third.weight"), "1 missing: third.weight"),
    "another shape": (lambda record: entry(record).update(shape=[20, 400]), "1 misshapen: second.weight"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_record_that_was_edited(name: str, load: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    edit, said = EDITS[name]
    with zipfile.ZipFile(folder / "net.keras") as before, zipfile.ZipFile(tmp_path / "edited.keras", "w") as after:
        for member in before.namelist():
            content = before.read(member)
            if member == MEMBER:
                record = json.loads(content)
                edit(record)
                content = json.dumps(record).encode()
            after.writestr(member, content)
    assert said in load(model=tmp_path / "edited.keras")


def test_a_record_that_is_no_json(load: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(folder / "net.keras") as before, zipfile.ZipFile(tmp_path / "edited.keras", "w") as after:
        for member in before.namelist():
            after.writestr(member, before.read(member)[: -9 if member == MEMBER else None])
    assert "no record of a conversion that can be read" in load(model=tmp_path / "edited.keras")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that takes no more, as a process sees it: by its own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full(*arguments: Any, **named: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk(load: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    said = load()
    assert "The disk is full" in said and "o.keras' was not written. Make room on" in said


def test_no_room_to_unpack(load: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the folder of temporary files that is full, not that of the output."""
    monkeypatch.setattr(shutil, "copyfileobj", full)
    said = load()
    assert "to unpack the weights of net.keras: No space left on device" in said and "TMPDIR=FOLDER" in said
    assert "was not written" not in said


@pytest.mark.parametrize("name", ["o.safetensors", "o.pt"])
def test_a_state_dict_that_finds_no_room(
    name: str, folder: Path, tmp_path: Path, keraport: Keraport, monkeypatch: pytest.MonkeyPatch
) -> None:
    from converter.weights import archive

    values = archive.read_variables(folder / "net.keras", json.loads(record_text(folder))["weights"])
    monkeypatch.setattr(archive, "read_variables", lambda *given: values)
    with files_of_at_most(1 << 16):
        ran = keraport("weights", "export", folder / "net.keras", "-o", tmp_path / name)
    assert ran.code == 1 and "Bug" not in ran.err and name in ran.err, ran.err
    assert "cannot be written: File too large" in ran.err or "disk is full" in ran.err
    assert list(tmp_path.iterdir()) == []


def record_text(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "net.keras") as archive:
        return archive.read(MEMBER)
