"""The files that a manifest names: whether they are there, and their paths from the folder of the entries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from converter.zoo.manifests.document import Document
from converter.zoo.manifests.toml_lines import Place
from converter.zoo.records.kinds import MODEL_SUFFIXES, TRANSFORMERS, Kind, is_url, kind_of


@dataclass(frozen=True)
class Files:
    """Attributes:
    base: where relative paths start in the manifest.
    root: where they start in its entries.
    check: whether to look if they are there.
    """

    document: Document
    base: Path
    root: Path
    check: bool

    def check_source(self, place: Place, source: str) -> None:
        """Raises a UsageError for what is no source, or is not there."""
        kind, at = kind_of(source), (*place, "source")
        path = self.base / source.removeprefix(TRANSFORMERS)
        if kind is Kind.FOLDER:
            hint = (
                f"A source is a file ({', '.join(MODEL_SUFFIXES)}), a folder of them, package.module:factory, "
                "torchvision:NAME, timm:NAME, transformers:FOLDER or a URL."
            )
            raise self.document.error(at, f"{source!r} is no source, and no folder in {self.base}.", hint)
        if self.check and kind is Kind.FILE and not path.is_file():
            raise self.document.error(at, f"There is no file {source!r} in {os.path.normpath(self.base)}.")
        if self.check and kind is Kind.TRANSFORMERS and not path.is_dir():
            raise self.document.error(at, f"There is no folder {str(path)!r}; models are not downloaded.")

    def check_checkpoint(self, place: Place, checkpoint: str) -> None:
        """Raises a UsageError where it is not there."""
        if self.check and not is_url(checkpoint) and not (self.base / checkpoint).is_file():
            message = f"There is no checkpoint {checkpoint!r} in {os.path.normpath(self.base)}."
            raise self.document.error((*place, "checkpoint"), message)

    def source_from_root(self, source: str) -> str:
        kind = kind_of(source)
        if kind is Kind.TRANSFORMERS:
            return TRANSFORMERS + self.from_root(source.removeprefix(TRANSFORMERS))
        return self.from_root(source) if kind is Kind.FILE else source

    def from_root(self, path: str) -> str:
        """A path from `base` as one from `root`; absolute paths and URLs stay as they are."""
        if is_url(path) or os.path.isabs(path) or self.base == self.root:
            return path
        return os.path.relpath(self.base / path, self.root)
