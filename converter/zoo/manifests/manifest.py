"""Manifests: TOML files that list what a zoo run converts.

    folder = "../checkpoints"          # optional: where relative files start; by default the manifest's own folder

    [[model]]
    name = "ResNet-20"                 # optional: by default the source
    source = "models.cifar_resnet:resnet20"
    checkpoint = "resnet20.th"
    inputs = ["x=float32[batch,3,32,32]"]
    tags = ["cnn"]

    [[model]]
    source = "timm:*resnet*"           # a model each
    exclude = ["timm:*_in22k"]
    random_weights = true

Other keys are `options`, `tolerance`, `license` and `expected`; schema.py has them all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter.zoo.manifests.document import Document, read_document
from converter.zoo.manifests.files import Files
from converter.zoo.manifests.schema import TEXT, Wanted, check_model, check_table
from converter.zoo.manifests.toml_lines import Place
from converter.zoo.manifests.wildcards import expand, leave_out
from converter.zoo.records.entry import Entry, folder_name
from passes.errors import ConversionError

MAX_FOLDER = 200
"""Characters of a folder's name; file systems allow 255."""

TOP = {"folder": TEXT, "model": Wanted(lambda value: isinstance(value, list), "tables, each headed [[model]]")}


def read(paths: Sequence[Path], *, folder: Path | None = None, check_files: bool = True) -> list[Entry]:
    """The entries of manifests, wildcards expanded, in the order of the files.

    Args:
        paths: the manifests.
        folder: where relative files start, instead of the `folder` that a manifest names.
        check_files: refuse entries whose files are absent.

    Raises:
        UsageError: one message, with file and line, for the first thing that is wrong.
    """
    entries: list[Entry] = []
    names: dict[str, str] = {}
    outputs: dict[str, tuple[str, str]] = {}
    for path in paths:
        document = read_document(Path(path))
        for place, entry in _read_one(document, folder, check_files):
            _claim(entry.name, document, place, names, outputs)
            entries.append(entry)
    return entries


def _read_one(document: Document, folder: Path | None, check_files: bool) -> list[tuple[Place, Entry]]:
    """The entries of one manifest, each with the place of what named it."""
    check_table(document, (), document.values, TOP)
    models = document.values.get("model", [])
    if not models:
        raise document.error((), "There is no model in this manifest.", "Each is a table headed [[model]].")
    own = Path(os.path.abspath(document.path)).parent
    base = own
    if "folder" in document.values:
        base = own / document.values["folder"] if folder is None else Path(os.path.abspath(folder))
        if check_files and not base.is_dir():
            hint = "The files of these models are looked for there."
            raise document.error(("folder",), f"There is no folder {os.path.normpath(base)!r}.", hint)
    files = Files(document, base, module_root(own), check_files)
    found = []
    for index, table in enumerate(models):
        place: Place = ("model", index)
        values = check_model(document, place, table)
        named = (*place, "name" if "name" in values else "source")
        found += [(named, entry) for entry in _entries(document, place, values, files)]
    return found


def _entries(document: Document, place: Place, values: dict[str, Any], files: Files) -> list[Entry]:
    """One entry, or one for each source that a wildcard stands for."""
    source, exclude = values["source"], values.pop("exclude", ())
    sources = _expanded(document, place, source, exclude, files.base)
    if sources is None:
        sources = [source]
        files.check_source(place, source)
    else:
        for key in values.keys() & {"name", "checkpoint"}:
            raise document.error((*place, key), f"{source} stands for many models, and {key} is one model's.")
    if "checkpoint" in values:
        files.check_checkpoint(place, values["checkpoint"])
        values["checkpoint"] = files.from_root(values["checkpoint"])
    named = [{"name": item, **values, "source": files.source_from_root(item)} for item in sources]
    return [Entry(**fields, folder=str(files.root)) for fields in named]


def _expanded(document: Document, place: Place, source: str, exclude: Sequence[str], base: Path) -> list[str] | None:
    at = (*place, "source")
    try:
        sources = expand(source, base)
        if exclude:
            at = (*place, "exclude")
            sources = leave_out(source, sources, exclude)
    except ConversionError as error:
        raise document.error(at, error.message, error.hint) from error
    return sources


def _claim(
    name: str, document: Document, place: Place, names: dict[str, str], outputs: dict[str, tuple[str, str]]
) -> None:
    """Names are unique, and so are the folders made of them."""
    where, output = document.where(place), folder_name(name)
    if name in names:
        raise document.error(place, f"The name {name!r} is taken: {names[name]}.", "Give one of the two another name.")
    if not output or len(output) > MAX_FOLDER:
        reason = f"has more than {MAX_FOLDER} characters" if output else "has no letter and no digit"
        raise document.error(place, f"The name {name!r} {reason}: no folder can be called by it.")
    if output in outputs:
        other, there = outputs[output]
        raise document.error(
            place,
            f"{name!r} and {other!r} ({there}) would both write to the folder {output}.",
            "Give one of the two another name.",
        )
    names[name] = where
    outputs[output] = (name, where)


def module_root(folder: Path) -> Path:
    """The folder from which modules are imported: `folder`, or where the package that it is in lies."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder
