"""A folder of goldens: arrays by their hash, and a file for each model. Whatever is damaged is named, the rest read."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from converter.atomic_output import Output
from passes.errors import BadSource

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = 1
UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class GoldenStore:
    """The folder; it is made when something is written."""

    folder: Path

    def put(self, arrays: Sequence[Array]) -> str:
        """Keep arrays, in order; the hash under which they are found again."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{str(place): _encoded(array) for place, array in enumerate(arrays)})  # type: ignore[arg-type]
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        path = self._object(digest)
        if not path.is_file() or path.read_bytes() != content:  # a damaged one is mended
            _write(path, content)
        return digest

    def get(self, digest: str) -> list[Array]:
        """The arrays of a hash.

        Raises:
            BadSource: they are not there, or not what was kept.
        """
        path = self._object(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadSource(f"The golden's arrays {str(path)!r} cannot be read: {error.strerror}.") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise BadSource(f"The golden's arrays {str(path)!r} are damaged.", hint=RESTORE)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return [_decoded(file[name]) for name in sorted(file.files, key=int)]

    def sizes(self, digests: Sequence[str]) -> int:
        """How many bytes these arrays take on the disk."""
        return sum(self._object(digest).stat().st_size for digest in set(digests))

    def write(self, name: str, record: dict[str, Any]) -> Path:
        """Put a model's record in its place, whole or not at all."""
        path = self._model(name)
        text = _text({"format": FORMAT, **record})
        _write(path, text.encode())
        return path

    def read(self, name: str) -> dict[str, Any]:
        """A model's record.

        Raises:
            BadSource: it is not there, damaged, or of a format that is not known.
        """
        path = self._model(name)
        try:
            content = path.read_bytes()
            record = json.loads(content)
            format_ = record["format"]
        except OSError as error:
            raise BadSource(f"The golden {str(path)!r} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BadSource(f"The golden {str(path)!r} is damaged.", hint=RESTORE) from error
        if format_ != FORMAT:
            raise BadSource(
                f"The golden {str(path)!r} has the format {format_!r}; this keraport knows {FORMAT}.",
                hint="Record it again, or use the keraport that wrote it.",
            )
        record.pop("digest", None)
        if _text(record).encode() != content:
            raise BadSource(f"The golden {str(path)!r} is damaged.", hint=RESTORE)
        return dict(record)

    def has(self, name: str) -> bool:
        return self._model(name).is_file()

    def names(self) -> list[str]:
        """The models that are kept."""
        return sorted(path.stem for path in (self.folder / "models").glob("[!.]*.json"))

    def _model(self, name: str) -> Path:
        return self.folder / "models" / f"{safe(name)}.json"

    def _object(self, digest: str) -> Path:
        return self.folder / "objects" / digest[:2] / f"{digest}.npz"


RESTORE = "Restore it from where the store is kept, or record it again."


def safe(name: str) -> str:
    """A model's name as the name of a file."""
    return UNSAFE.sub("-", name).strip("-.") or "model"


def digests_of(record: dict[str, Any]) -> Iterator[str]:
    """All hashes that a record names."""
    for case in record.get("cases", ()):
        yield from case["arrays"].values()


def _text(record: dict[str, Any]) -> str:
    """Canonical JSON with its own hash at the end: a bit that flips anywhere shows."""
    body = json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return (
        json.dumps({**record, "digest": digest}, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Output(path) as output:
        output.temporary.write_bytes(content)
        output.commit()


def _encoded(array: Array) -> Array:
    """numpy's files know no bfloat16: its bits travel as a record of one field that is called so."""
    array = np.asarray(array, order="C")
    return array.view(np.dtype([("bfloat16", np.uint16)])) if array.dtype.name == "bfloat16" else array


def _decoded(array: Array) -> Array:
    return array["bfloat16"].view(ml_dtypes.bfloat16) if array.dtype.names == ("bfloat16",) else array
