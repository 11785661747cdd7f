"""What is to be converted: one model of a manifest, and the limits that its child process gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from converter.options import NOT_OF_ONNX2TF
from converter.zoo.records.seeding import SEED

KERAS = "keras"
"""The backend that is meant where none is named."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def folder_name(name: str) -> str:
    """The folder below the run that an entry writes to: `torchvision:resnet18` gives `torchvision-resnet18`.

    Two names may give one folder; `manifest.read` refuses such a pair. "" where the name holds nothing to go by.
    """
    return _UNSAFE.sub("-", name).strip("-.")


def by_backend(name: str, backend: str) -> str:
    """What the result of a model is called: one by Keras as the model."""
    return name if backend == KERAS else f"{name} ({backend})"


@dataclass(frozen=True)
class Entry:
    """One `[[model]]` of a manifest, wildcards expanded.

    Attributes:
        name: unique in a run; what tables, results and folders call it.
        source: SOURCE as on the command line, or a URL of one (`s3://bucket/model.onnx`).
        checkpoint: a file of weights, or its URL.
        inputs: specifications as `--input` takes them.
        random_weights: draw the weights from `SEED`: there is no checkpoint.
        options: keyword arguments of `converter.convert`: layout, structure, fold_batchnorm, trust, max_bytes.
        tolerance: {"rtol": …, "atol": …} instead of the one of each output's dtype.
        tags: words to filter by.
        license: of the weights.
        expected: the status that a good run gives; "" where nothing is expected.
        folder: where relative paths start and modules are found: the manifest's folder, or, where that lies in a
            Python package, the folder that holds the package.
        backend: what converts it. Where it is not Keras, `name` ends with it, since that is another result.
        timed: whether a call of the `.keras` file is timed, to be compared.
    """

    name: str
    source: str
    checkpoint: str | None = None
    inputs: tuple[str, ...] = ()
    random_weights: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: Mapping[str, float] | None = None
    tags: tuple[str, ...] = ()
    license: str = ""
    expected: str = "verified"
    folder: str = "."
    backend: str = KERAS
    timed: bool = False

    @property
    def model(self) -> str:
        """The name without the backend: the same for all results of one model."""
        return self.name.removesuffix(by_backend("", self.backend))

    @property
    def told(self) -> dict[str, Any]:
        """What `converter.convert` is told beside the source."""
        weights = SEED if self.random_weights else None
        told = {"checkpoint": self.checkpoint, "inputs": self.inputs, "random_weights": weights}
        if self.backend == KERAS:
            return {**told, **self.options, **({"timed": True} if self.timed else {})}
        options = {name: value for name, value in self.options.items() if name not in NOT_OF_ONNX2TF}
        return {**told, **options, "backend": self.backend}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Entry:
        return cls(**{**values, "inputs": tuple(values["inputs"]), "tags": tuple(values["tags"])})


@dataclass(frozen=True)
class Limits:
    """What one child process may use.

    Attributes:
        timeout: seconds of wall-clock time.
        memory: bytes of data, for each of its processes and for all of them together; None for no limit.
        threads: how many threads an operator may use; 0 leaves it to the libraries.
    """

    timeout: float = 1800.0
    memory: int | None = None
    threads: int = 0
