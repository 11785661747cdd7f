"""What a result depends on, and what it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converter.zoo.records.entry import Entry, Limits
from converter.zoo.results import content_key as module
from converter.zoo.results.content_key import code_key, content_key, content_keys

LIMITS = Limits(60, 1 << 30, 1)
FILES = {
    "m.onnx": "graph",
    "m.onnx.data": "weights",
    "other.onnx": "graph",
    "w.safetensors": "weights",
    "zoo/builders.py": "def build(): return 1",
    "zoo/many/__init__.py": "from .one import build",
    "zoo/many/one.py": "def build(): return 1",
    "saved/config.json": "{}",
    "saved/deep/model.safetensors": "weights",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a manifest."""
    for name, text in FILES.items():
        path = tmp_path / "manifest" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "manifest"


def entry(folder: Path, source: str = "m.onnx", **values: Any) -> Entry:
    return Entry("m", source, folder=str(folder), **values)


def key(entry: Entry, limits: Limits = LIMITS) -> str:
    return content_key(entry, limits)


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("m.onnx", "m.onnx"),
        ("m.onnx", "m.onnx.data"),
        ("zoo.builders:build", "zoo/builders.py"),
        ("zoo.many:build", "zoo/many/__init__.py"),
        ("zoo.many:build", "zoo/many/one.py"),
        ("transformers:saved", "saved/config.json"),
        ("transformers:saved", "saved/deep/model.safetensors"),
    ],
)
def test_it_changes_with_the_content_of_every_file_behind_a_source(folder: Path, source: str, file: str) -> None:
    before = key(entry(folder, source))
    text = (folder / file).read_text()
    (folder / file).write_text(text + "!")
    assert key(entry(folder, source)) != before
    (folder / file).write_text(text)
    os.utime(folder / file, (1, 1))
    assert key(entry(folder, source)) == before


@pytest.mark.parametrize("name", ["m.onnx_data", "m.data", "m.bin", "m.onnx.data"])
def test_external_data_counts_under_each_of_its_names(folder: Path, name: str) -> None:
    before = key(entry(folder))
    (folder / name).write_text("other weights")
    assert key(entry(folder)) != before


def test_what_says_whose_weights_they_are_counts(folder: Path) -> None:
    before = key(entry(folder, "w.safetensors"))
    (folder / "config.json").write_text('{"architecture": "resnet18"}')
    assert key(entry(folder, "w.safetensors")) != before


def test_external_data_is_found_where_a_name_has_brackets(folder: Path) -> None:
    (folder / "e[1].onnx").write_text("graph")
    before = key(entry(folder, "e[1].onnx"))
    (folder / "e[1].onnx.data").write_text("weights")
    assert key(entry(folder, "e[1].onnx")) != before


def test_it_changes_when_a_file_of_a_folder_comes_or_is_renamed(folder: Path) -> None:
    keys = {key(entry(folder, "transformers:saved"))}
    (folder / "saved" / "more.json").write_text("{}")
    keys.add(key(entry(folder, "transformers:saved")))
    (folder / "saved" / "more.json").rename(folder / "saved" / "else.json")
    keys.add(key(entry(folder, "transformers:saved")))
    assert len(keys) == 3


def test_it_changes_with_the_checkpoint(folder: Path) -> None:
    before = key(entry(folder, "zoo.builders:build", checkpoint="w.safetensors"))
    assert before != key(entry(folder, "zoo.builders:build"))
    (folder / "w.safetensors").write_text("trained further")
    assert key(entry(folder, "zoo.builders:build", checkpoint="w.safetensors")) != before


@pytest.mark.parametrize(
    "values",
    [
        {"name": "n"},
        {"source": "other.onnx"},
        {"inputs": ("x=float32[1,3]",)},
        {"random_weights": True},
        {"options": {"layout": "channels_first"}},
        {"tolerance": {"rtol": 1e-3}},
    ],
)
def test_it_changes_with_what_is_asked_for(folder: Path, values: dict[str, Any]) -> None:
    assert key(replace(entry(folder), **values)) != key(entry(folder))


@pytest.mark.parametrize("values", [{"tags": ("cnn",)}, {"license": "MIT"}, {"expected": "unsupported"}])
def test_it_stays_with_what_changes_no_result(folder: Path, values: dict[str, Any]) -> None:
    assert key(replace(entry(folder), **values)) == key(entry(folder))


def test_the_order_of_options_does_not_matter(folder: Path) -> None:
    options = {"layout": "channels_first", "structure": "flat"}
    turned = dict(reversed(options.items()))
    assert key(entry(folder, options=options)) == key(entry(folder, options=turned))


def test_of_the_limits_only_that_of_memory_matters(folder: Path) -> None:
    before = key(entry(folder))
    assert key(entry(folder), replace(LIMITS, memory=None)) != before
    assert key(entry(folder), replace(LIMITS, timeout=61)) == before
    assert key(entry(folder), replace(LIMITS, threads=8)) == before


@pytest.mark.parametrize("source", ["m.onnx", "zoo.builders:build", "zoo.many:build", "transformers:saved"])
def test_the_place_of_the_folder_does_not_matter(folder: Path, tmp_path: Path, source: str) -> None:
    before = key(entry(folder, source))
    shutil.copytree(folder, tmp_path / "copy")
    assert key(entry(tmp_path / "copy", source)) == before


def test_what_running_a_package_leaves_does_not_matter(folder: Path) -> None:
    before = key(entry(folder, "zoo.many:build"))
    (folder / "zoo" / "many" / "__pycache__").mkdir()
    (folder / "zoo" / "many" / "__pycache__" / "one.pyc").write_text("compiled")
    assert key(entry(folder, "zoo.many:build")) == before


def test_a_url_counts_by_its_address(folder: Path) -> None:
    first, second = (entry(folder, f"s3://bucket/{name}.onnx") for name in "ab")
    assert key(first) == key(first)
    assert key(first) != key(second)
    assert key(entry(folder, checkpoint="s3://bucket/a.pt")) != key(entry(folder, checkpoint="s3://bucket/b.pt"))


def test_a_named_model_has_no_file(folder: Path) -> None:
    before = key(entry(folder, "torchvision:resnet18"))
    (folder / "torchvision.py").write_text("not the library")
    assert key(entry(folder, "torchvision:resnet18")) == before


@pytest.mark.parametrize("changed", ["code_key", "_versions"])
def test_it_changes_with_keraport_and_with_what_computes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    before = key(entry(folder))
    now: Callable[[], Any] = getattr(module, changed)
    monkeypatch.setattr(module, changed, lambda: {"code_key": "0", "_versions": {"keras": "0"}}[changed])
    assert now() != getattr(module, changed)()
    assert key(entry(folder)) != before


def test_the_code_is_that_of_both_packages() -> None:
    assert len(code_key()) == 2 * 64
    assert module._versions().keys() >= {"keras", "onnx", "numpy"}


def test_keys_by_name(folder: Path) -> None:
    entries = [entry(folder), replace(entry(folder), name="n")]
    assert content_keys(entries, LIMITS) == {one.name: key(one) for one in entries}
