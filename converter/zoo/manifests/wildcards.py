"""Sources that stand for many: `timm:*resnet*`, `onnx/**/*.onnx`, `transformers:saved/*`, a folder of models."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from converter.zoo.records.kinds import MODEL_SUFFIXES, TRANSFORMERS, Kind, is_wildcard, kind_of
from passes.errors import UsageError


def expand(source: str, folder: Path) -> list[str] | None:
    """The sources that `source` stands for, sorted; None when it stands for itself alone.

    Libraries are imported only when a wildcard asks for their list of models.

    Args:
        source: as a manifest writes it.
        folder: where relative paths start. The results are relative where `source` is.

    Raises:
        UsageError: nothing matches, or the library is not installed.
        BadSource: the library cannot be imported.
    """
    kind = kind_of(source)
    if kind is Kind.URL and "*" in source:
        raise UsageError(f"{source}: wildcards are not looked up in remote storage.", hint="Name each model.")
    found, where = _find(source, kind, folder)
    if found is not None and not found:
        raise UsageError(f"{source} matches nothing {where}.")
    return None if found is None else sorted(found)


def leave_out(source: str, sources: Sequence[str] | None, patterns: Sequence[str]) -> list[str]:
    """What none of the patterns matches, of what `expand` made of `source`. They are written like sources, too.

    Raises:
        UsageError: there is no wildcard, a pattern matches nothing, or nothing is left.
    """
    if sources is None:
        raise UsageError(f"{source} is one model: there is nothing to exclude.", hint="Leave exclude out.")
    for pattern in patterns:
        if not any(fnmatchcase(item, pattern) for item in sources):
            raise UsageError(
                f"{pattern} matches none of the {len(sources)} models of {source}.",
                hint=f"A pattern is written like a source; one of the models is {sources[0]}.",
            )
    left = [item for item in sources if not any(fnmatchcase(item, pattern) for pattern in patterns)]
    if not left:
        raise UsageError(f"Every model of {source} is excluded.")
    return left


def _find(source: str, kind: Kind, folder: Path) -> tuple[list[str] | None, str]:
    """What matches, and the words for where it was looked for."""
    zoo, _, name = source.partition(":")
    if kind is Kind.NAMED and is_wildcard(name):
        known = [f"{zoo}:{known}" for known in _names(zoo)]
        return fnmatch.filter(known, source), f"among the {len(known)} models of {zoo}"
    path = source.removeprefix(TRANSFORMERS)
    if kind is Kind.FOLDER and (folder / path).is_dir():
        return _models(f"{glob.escape(path)}/*", folder), f"that is a model ({', '.join(MODEL_SUFFIXES)})"
    # A file may have brackets in its name.
    if kind not in (Kind.FILE, Kind.FOLDER, Kind.TRANSFORMERS) or not is_wildcard(path) or (folder / path).exists():
        return None, ""
    if kind is Kind.TRANSFORMERS:
        found = glob.glob(f"{path}/config.json", root_dir=folder, recursive=True)
        return [f"{TRANSFORMERS}{Path(name).parent}" for name in found], f"with a config.json in {folder}"
    return _models(path, folder), f"that is a model ({', '.join(MODEL_SUFFIXES)}) in {folder}"


def _models(pattern: str, folder: Path) -> list[str]:
    """The files that a pattern matches and that can be sources."""
    found = glob.glob(pattern, root_dir=folder, recursive=True)
    return [str(Path(name)) for name in found if kind_of(name) is Kind.FILE and (folder / name).is_file()]


def _names(zoo: str) -> list[str]:
    from converter.sources.by_name.libraries import list_models

    return list_models(zoo)
