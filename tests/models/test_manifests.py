"""The manifests that are shipped: they can be read, and they have all that they are there for."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from converter.zoo.manifests.manifest import read
from scripts.children import ROOT
from tests.models.test_architectures import ALWAYS, MORE
from tests.zoo import ZOO, needs

MODELS = ROOT / "models"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.name)
def test_factories_are_where_they_are_said_to_be(path: Path) -> None:
    if path.name in ("timm_all.toml", "torchvision.toml"):
        needs("torchvision", "timm")
    if path.name == "transformers.toml":
        needs("transformers")
    for entry in read([path], check_files=False):
        assert entry.folder == str(ROOT)
        module, _, factory = entry.source.partition(":")
        if module.startswith("models."):
            assert callable(getattr(importlib.import_module(module), factory))


def test_digits_is_there() -> None:
    [entry] = read([MODELS / "digits.toml"])
    assert entry.checkpoint == "models/digits.safetensors"


def test_the_trained_checkpoints_are_all_listed() -> None:
    if not ZOO.is_dir():
        pytest.skip(f"there is no {ZOO}")
    entries = read([MODELS / "trained.toml"])
    files = {Path(entry.checkpoint or entry.source).name for entry in entries}
    assert files == {path.name for path in ZOO.iterdir()} - {"README.md"}


def test_the_architectures_are_those_that_are_tested() -> None:
    assert sorted(entry.source for entry in read([MODELS / "architectures.toml"])) == sorted([*ALWAYS, *MORE])


def test_all_of_torchvision() -> None:
    needs("torchvision")
    from converter.sources.by_name.libraries import list_models

    entries = read([MODELS / "torchvision.toml"])
    names = [entry.name for entry in entries if entry.source.startswith("torchvision:")]  # the others: detectors' parts
    assert sorted(names) == [f"torchvision:{name}" for name in list_models("torchvision")]


def test_all_of_timm_and_one_of_each_module() -> None:
    """Which is the smallest is checked by scripts/timm_manifest.py --check."""
    needs("torchvision", "timm")
    from converter.sources.by_name.libraries import list_models

    known = list_models("timm")  # first: timm imports torchvision, and that does not import everywhere without help
    import timm

    modules = {name: module for module in timm.list_modules() for name in timm.list_models(module=module)}
    chosen = [entry.name.removeprefix("timm:") for entry in read([MODELS / "timm.toml"])]
    assert sorted(modules[name] for name in chosen) == sorted(timm.list_modules()), "run scripts.timm_manifest"
    assert [entry.name for entry in read([MODELS / "timm_all.toml"])] == [f"timm:{name}" for name in known]
