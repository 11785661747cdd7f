"""What a conversion was told beside its source, checked once and handed on as one."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.input_spec import InputSpec, parse_inputs
from passes.errors import UsageError

if TYPE_CHECKING:
    from converter.example_files import ExampleFiles
    from converter.proof.compare import Tolerance

BACKENDS = ("tensorflow", "jax", "torch")
"""Of Keras."""

CHOICES = {
    "layout": ("channels_last", "source"),
    "structure": ("modules", "flat"),
    "outputs": ("list", "dict"),
    "state": ("refuse", "inputs"),
    "optimise": ("none", "latency"),
    "backend": ("keras", "onnx2tf"),
}


DTYPE_POLICIES: Mapping[str, float] = {"mixed_bfloat16": 10.0, "bfloat16": 10.0, "mixed_float16": 25.0, "float16": 25.0}
"""Keras' policies of fewer bits, and the decibels of signal to noise that every output keeps, unless others are asked
for: what 50 layers with random weights keep, which add up more rounding than trained ones."""

NOT_OF_ONNX2TF = (
    "layout",
    "structure",
    "outputs",
    "fold_batchnorm",
    "optimise",
    "portable",
    "dtype_policy",
    "verify_on",
    "example_files",
    "quantise",
)
"""Options that say how we emit and prove."""

VERIFY = ("full", "quick")
"""One case instead of all, and no second opinion in float64: for the hundredth time, not for the first."""


def backend_names(text: str | None) -> tuple[str, ...]:
    """`tensorflow,jax` as names."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


@dataclass(frozen=True)
class Options:
    """The keyword arguments of `convert`, which says what each means.

    Raises:
        UsageError: one has a value that it cannot have, or two exclude each other.
        Unsupported: the backend is not there yet.
    """

    inputs: Sequence[str | InputSpec] = ()
    example_inputs: Any = None
    checkpoint: str | Path | None = None
    random_weights: int | None = None
    model_args: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    dequantise: bool = False
    trust: bool = False
    max_bytes: int | None = None
    state: str = "refuse"
    layout: str = "channels_last"
    structure: str = "modules"
    outputs: str = "list"
    backend: str = "keras"
    fold_batchnorm: bool = False
    optimise: str = "none"
    dropout: bool = True
    portable: bool = False
    dtype_policy: str | None = None
    verify: bool | str = True
    verify_on: Sequence[str] = ()
    example_files: ExampleFiles | None = None
    quantise: str | None = None
    calibrate: str | Path | None = None
    least_signal: float | None = None
    onnx2tf_python: str | Path | None = None
    onnx2tf_raw: bool = False
    layers: bool = False
    timed: bool = False
    tolerance: Tolerance | None = None

    def __post_init__(self) -> None:
        for option, choices in CHOICES.items():
            value = getattr(self, option)
            if value not in choices:
                raise UsageError(f"{option} must be one of {', '.join(choices)}. Received: {value!r}.")
        if self.verify not in (True, False, *VERIFY):
            raise UsageError(f"verify must be one of True, False, {', '.join(VERIFY)}. Received: {self.verify!r}.")
        if self.dtype_policy is not None and self.dtype_policy not in DTYPE_POLICIES:
            raise UsageError(
                f"dtype_policy must be one of {', '.join(DTYPE_POLICIES)}. Received: {self.dtype_policy!r}.",
                hint="Without one the model computes with the source's own bits.",
            )
        unknown = sorted(set(self.verify_on) - set(BACKENDS))
        if unknown:
            raise UsageError(f"Keras has no backend {unknown[0]!r}.", hint=f"It has {', '.join(BACKENDS)}.")
        for name in self.verify_on:
            if importlib.util.find_spec(name) is None:
                raise UsageError(f"The backend {name} is not installed.", hint=f"pip install 'keraport[{name}]'")
        if self.backend != "onnx2tf" and (self.onnx2tf_python is not None or self.onnx2tf_raw):
            raise UsageError("onnx2tf was told something, and is not asked.", hint="Add --backend onnx2tf.")
        if self.backend == "onnx2tf":
            self._refuse_ours()
        object.__setattr__(self, "inputs", parse_inputs(self.inputs))
        if self.checkpoint is not None and self.random_weights is not None:
            raise UsageError("A checkpoint and random weights were both asked for.", hint="Leave one of the two out.")

    def _refuse_ours(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        told = next((name for name in NOT_OF_ONNX2TF if getattr(self, name) != defaults[name]), None)
        if told is not None or self.verify == "quick":
            option = "verify quick" if told is None else told.replace("_", "-")
            raise UsageError(f"--{option} says nothing to onnx2tf.", hint=f"Leave --{option} or --backend out.")

    @property
    def specs(self) -> tuple[InputSpec, ...]:
        """`inputs`, which were read when this was made."""
        return tuple(spec for spec in self.inputs if isinstance(spec, InputSpec))

    @property
    def folds_batchnorm(self) -> bool:
        """Whether BatchNormalization goes into the layer before it: asked for, or because it is faster."""
        return self.fold_batchnorm or self.optimise == "latency"

    @property
    def has_examples(self) -> bool:
        """Whether there are inputs of the user's own."""
        return self.example_inputs is not None or self.example_files is not None

    @property
    def has_weights(self) -> bool:
        """Whether weights were asked for that the source has not."""
        return self.checkpoint is not None or self.random_weights is not None
