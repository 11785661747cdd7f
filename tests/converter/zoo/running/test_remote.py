"""Files on remote storage: fetched for a child, uploaded after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from converter.zoo.records.entry import Entry
from converter.zoo.running.remote import fetched, upload
from passes.errors import BadSource, ConversionError
from tests.zoo import needs

needs("fsspec")

import fsspec  # noqa: E402


@pytest.fixture
def storage() -> Iterator[Any]:
    """A file system in this process, with files in /zoo."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name in ("m.onnx", "m.onnx.data", "m.onnx_data", "m.data", "m.bin", "other.onnx", "w.pt"):
        system.pipe(f"/zoo/{name}", name.encode())
    for name in ("config.json", "deep/weights.safetensors"):
        system.pipe(f"/zoo/bert/{name}", name.encode())
    yield system
    system.store.clear()


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_model_comes_with_its_external_data(storage: Any, tmp_path: Path) -> None:
    entry = fetched(Entry("m", "memory://zoo/m.onnx", folder="/manifest"), tmp_path / "here")
    path = Path(entry.source)
    assert path.name == "m.onnx"
    assert tmp_path in path.parents
    names = ("m.onnx", "m.onnx.data", "m.onnx_data", "m.data", "m.bin")
    assert contents(path.parent) == {name: name for name in names}
    assert (entry.name, entry.folder) == ("m", "/manifest")


def test_what_is_no_onnx_file_comes_alone(storage: Any, tmp_path: Path) -> None:
    storage.pipe("/zoo/w.data", b"not of it")
    entry = fetched(Entry("m", "package:build", checkpoint="memory://zoo/w.pt"), tmp_path)
    assert entry.source == "package:build"
    assert entry.checkpoint is not None
    assert contents(Path(entry.checkpoint).parent) == {"w.pt": "w.pt"}


def test_a_source_and_a_checkpoint_of_one_name_do_not_meet(storage: Any, tmp_path: Path) -> None:
    storage.pipe("/trained/w.pt", b"trained")
    entry = fetched(Entry("m", "memory://zoo/w.pt", checkpoint="memory://trained/w.pt"), tmp_path)
    assert entry.checkpoint is not None
    assert Path(entry.source).read_text() == "w.pt"
    assert Path(entry.checkpoint).read_text() == "trained"


def test_a_folder_of_transformers_comes_whole(storage: Any, tmp_path: Path) -> None:
    entry = fetched(Entry("m", "transformers:memory://zoo/bert"), tmp_path)
    kind, _, path = entry.source.partition(":")
    assert kind == "transformers"
    assert contents(Path(path)) == {name: name for name in ("config.json", "deep/weights.safetensors")}


def test_local_files_stay_where_they_are(storage: Any, tmp_path: Path) -> None:
    entry = Entry("m", "m.onnx", checkpoint="w.pt")
    assert fetched(entry, tmp_path / "here") is entry
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("memory://zoo/absent.onnx", r"^memory://zoo/absent\.onnx cannot be read: FileNotFoundError: .*absent\.onnx"),
        ("transformers:memory://zoo/absent", r"^memory://zoo/absent cannot be read: FileNotFoundError: .*absent"),
        ("nonsense://zoo/m.onnx", r"^nonsense://zoo/m\.onnx cannot be read: ValueError: Protocol not known: nonsense"),
    ],
)
def test_what_cannot_be_fetched_is_a_bad_source_in_the_words_of_the_storage(
    storage: Any, tmp_path: Path, source: str, message: str
) -> None:
    with pytest.raises(BadSource, match=message):
        fetched(Entry("m", source), tmp_path)


def test_outputs_are_uploaded_and_their_urls_told(storage: Any, tmp_path: Path) -> None:
    for name in ("model.keras", "output.txt", "scratch"):
        (tmp_path / name).write_text(name)
    files = upload(tmp_path, {"model": "model.keras", "output": "output.txt"}, "memory://made/run/m/")
    assert files == {"model": "memory://made/run/m/model.keras", "output": "memory://made/run/m/output.txt"}
    assert sorted(storage.find("/made")) == ["/made/run/m/model.keras", "/made/run/m/output.txt"]
    assert storage.cat("/made/run/m/model.keras") == b"model.keras"
    (tmp_path / "model.keras").write_text("again")
    upload(tmp_path, {"model": "model.keras"}, "memory://made/run/m")
    assert storage.cat("/made/run/m/model.keras") == b"again"


def test_what_cannot_be_uploaded_is_told_in_the_words_of_the_storage(
    storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("no key for this bucket")

    (tmp_path / "model.keras").touch()
    monkeypatch.setattr(type(storage), "put_file", refuse)
    with pytest.raises(
        ConversionError, match=r"^memory://made cannot be written: PermissionError: no key for"
    ) as caught:
        upload(tmp_path, {"model": "model.keras"}, "memory://made")
    assert not isinstance(caught.value, BadSource)


def test_without_fsspec_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConversionError, match="needs fsspec") as caught:
        fetched(Entry("m", "memory://zoo/m.onnx"), tmp_path)
    assert caught.value.hint == "pip install 'keraport[zoo]'"
