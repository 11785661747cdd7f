"""What a result depends on, as one number: an unchanged entry with an unchanged keraport need not run again."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import converter
import passes
from converter.report import versions
from converter.sources import CHECKPOINT_SUFFIXES
from converter.zoo.records.entry import KERAS, Entry, Limits
from converter.zoo.records.kinds import TRANSFORMERS, Kind, is_url, kind_of

OPTIONAL = ("torchvision", "timm", "transformers", "safetensors", "ml_dtypes")
"""Packages that matter to results, beyond those that a report names."""

_DATA = re.compile(r"(\.|_)data$|\.bin$", re.IGNORECASE)
"""Names of external data, which lies beside its model: `m.onnx.data`, `m.onnx_data`, `m.bin`."""


def content_keys(entries: Sequence[Entry], limits: Limits) -> dict[str, str]:
    """A key for each entry, by its name.

    It changes with the source, the checkpoint, the options, the limit of memory, keraport's own code, and the versions
    of all that computes. More time changes nothing of what is done. Local files count by their content; remote ones by
    their address.
    """
    return {entry.name: content_key(entry, limits) for entry in entries}


def content_key(entry: Entry, limits: Limits) -> str:
    values = entry.to_dict()
    for neutral in ("tags", "license", "expected", "folder"):
        del values[neutral]
    if entry.backend == KERAS:  # as they were before there was another
        del values["backend"]
    if not entry.timed:
        del values["timed"]
    parts = {
        "entry": values,
        "limits": [limits.memory],
        "files": [_file_key(text, entry.folder) for text in (entry.source, entry.checkpoint)],
        "code": code_key(),
        "versions": _versions() | _version_of(entry.backend),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def code_key() -> str:
    """Of keraport's own sources and data, so that a change that has no version number yet counts, too."""
    folders = [Path(str(package.__file__)).parent for package in (converter, passes)]
    ours = [(sorted([*folder.rglob("*.py"), *folder.rglob("*.json.gz")]), folder) for folder in folders]
    return "".join(_hash_of(tuple(files), folder) for files, folder in ours)


def _file_key(text: str | None, folder: str) -> str | None:
    """The content behind a source or a checkpoint: a file, a folder of files, or a factory's module."""
    if text is None or is_url(text):
        return None
    kind = kind_of(text)
    if kind is Kind.NAMED:
        return None
    if kind is Kind.FACTORY:
        return _module_key(Path(folder, *text.partition(":")[0].split(".")))
    path = Path(folder) / text.removeprefix(TRANSFORMERS)
    if path.is_dir():
        return _hash_of(tuple(sorted(file for file in path.rglob("*") if file.is_file())), path)
    if not path.is_file():
        return None
    beside = [file for file in path.parent.glob(f"{glob.escape(path.stem)}*") if _DATA.search(file.name)]
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        beside += path.parent.glob("config.json")  # which may say whose weights they are
    return _hash_of((path, *sorted(beside)), path.parent)


def _module_key(path: Path) -> str | None:
    """Of a module or of a whole package; None where it is not in the folder, but on the Python path."""
    if (path / "__init__.py").is_file():
        return _hash_of(tuple(sorted(path.rglob("*.py"))), path)
    file = path.with_name(f"{path.name}.py")
    return _hash_of((file,), file.parent) if file.is_file() else None


def _hash_of(files: Sequence[Path], root: Path) -> str:
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            found.update(str(file.relative_to(root)).encode())
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()


@cache
def _version_of(backend: str) -> dict[str, str]:
    """Of what is in an environment of its own."""
    from converter.backends.onnx2tf.environment import installed

    return {} if backend == KERAS else {each.package: each.version for each in installed() if each.package == backend}


@cache
def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return versions() | {name: version(name) for name in OPTIONAL if find_spec(name) is not None}
