"""What the README's table lists: the models of three manifests that a good run verifies."""

from __future__ import annotations

from pathlib import Path

from converter.zoo.manifests.manifest import read
from converter.zoo.records.entry import Entry
from converter.zoo.records.result import VERIFIED
from scripts.children import ROOT

MANIFESTS = tuple(ROOT / "models" / name for name in ("digits.toml", "trained.toml", "architectures.toml"))


def verified_models(folder: Path | None = None) -> dict[str, Entry]:
    """By name, in the table's order, trained models first. Their paths start at the root of the project.

    Args:
        folder: where the trained models' files are, instead of where the manifest says. They need not be there.
    """
    entries = read(MANIFESTS, folder=folder, check_files=False)
    return {entry.name: entry for entry in entries if entry.expected == VERIFIED}


def is_available(entry: Entry) -> bool:
    """Whether its file is there; that of an architecture has none."""
    file = entry.source if entry.source.endswith(".onnx") else entry.checkpoint
    return file is None or (Path(entry.folder) / file).is_file()
