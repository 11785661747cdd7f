"""Sources, checkpoints and outputs on remote storage, through fsspec: `s3://`, `gs://`, `hf://`, `memory://`, …

A worker fetches what its child needs, and uploads what the child made: the child itself touches local files only.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.zoo.records.entry import Entry
from converter.zoo.records.kinds import TRANSFORMERS, is_url
from passes.errors import BadSource, ConversionError, UsageError

ALSO = ("{name}.data", "{name}_data", "{stem}.data", "{stem}.bin")
"""Names under which exporters put a model's external data beside it."""


def fetched(entry: Entry, folder: Path) -> Entry:
    """The entry with its remote files in `folder`; itself where it has none.

    Raises:
        BadSource: a file cannot be fetched; the message is that of the storage.
    """
    changes: dict[str, Any] = {}
    for field in ("source", "checkpoint"):
        url = getattr(entry, field)
        if url is not None and is_url(url):
            # Folders of their own: both files may have one name.
            (folder / field).mkdir(parents=True, exist_ok=True)
            kind = TRANSFORMERS if url.startswith(TRANSFORMERS) else ""
            changes[field] = kind + str(_fetch(url.removeprefix(kind), folder / field, whole=bool(kind)))
    return replace(entry, **changes) if changes else entry


def upload(folder: Path, names: dict[str, str], url: str) -> dict[str, str]:
    """Copy files to a remote folder; their URLs.

    Raises:
        ConversionError: with the message of the storage.
    """
    places = {}
    with _explained(f"{url} cannot be written", ConversionError):
        system, root = _filesystem(url)
        system.makedirs(root, exist_ok=True)
        for kind, name in names.items():
            system.put_file(str(folder / name), posixpath.join(root, name))
            places[kind] = f"{url.rstrip('/')}/{name}"
    return places


def _fetch(url: str, folder: Path, *, whole: bool) -> Path:
    """A file, with the external data beside it, or a whole folder."""
    with _explained(f"{url} cannot be read", BadSource):
        system, path = _filesystem(url)
        name = posixpath.basename(path.rstrip("/"))
        target = folder / name
        if whole:
            system.get(path, str(target), recursive=True)
            return target
        system.get_file(path, str(target))
        if name.lower().endswith(".onnx"):
            for pattern in ALSO:
                other = pattern.format(name=name, stem=name[: -len(".onnx")])
                place = posixpath.join(posixpath.dirname(path), other)
                if system.exists(place):
                    system.get_file(place, str(folder / other))
    return target


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{url} needs fsspec.", hint="pip install 'keraport[zoo]'") from error
    system, path = fsspec.core.url_to_fs(url)
    return system, str(path)


@contextlib.contextmanager
def _explained(what: str, kind: type[ConversionError]) -> Iterator[None]:
    try:
        yield
    except ConversionError:
        raise
    except Exception as error:  # every storage raises errors of its own
        raise kind(f"{what}: {type(error).__name__}: {error}") from error
