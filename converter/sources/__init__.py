"""Where models come from: a file for each kind of source, and `load` in front. torch is imported only on demand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter.processes.exclusive import exclusive
from converter.sources.input_spec import InputSpec, parse_inputs
from converter.sources.source import Source
from passes.errors import BadSource, UsageError

__all__ = ["InputSpec", "Source", "load", "refuse_missing"]

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".th", ".ckpt", ".bin", ".safetensors")
_KINDS = (
    "a torch.nn.Module, model.onnx, program.pt2, package.module:factory, torchvision:NAME, timm:NAME or "
    "transformers:FOLDER"
)


@exclusive()
def load(
    source: Any,
    *,
    checkpoint: str | Path | None = None,
    inputs: Sequence[str | InputSpec] = (),
    example_inputs: Any = None,
    random_weights: int | None = None,
    trust: bool = False,
    max_bytes: int | None = None,
    state: str = "refuse",
) -> Source:
    """Load or export `source` as one ONNX graph.

    Args:
        source: a module object, an `ir.Model`, or the text of SOURCE as on the command line.
        checkpoint: a file of weights for a module, a factory or a named model.
        inputs: `name=float32[batch,3,224,224]` or `InputSpec`s. For an .onnx file they fix dynamic sizes.
        example_inputs: for a module, instead of `inputs`: a tensor, a tuple or a dict; the first axis is the batch.
        random_weights: a seed; the weights and the BatchNorm statistics are then drawn at random.
        trust: load pickled modules and TorchScript archives, which can run code of whoever wrote them.
        max_bytes: refuse models whose weights need more; by default half of the machine's memory.
        state: "refuse" a module that writes to its buffers in `forward`, or make "inputs" and outputs of them.

    Raises:
        UsageError: the call is wrong.
        BadSource: the source cannot be read, is malformed, or must not be trusted.
        Unsupported: PyTorch's exporter does not know an operator.
        LimitExceeded: the model is larger than `max_bytes`.
    """
    specs = parse_inputs(inputs)
    if checkpoint is not None and random_weights is not None:
        raise UsageError("A checkpoint and random weights were both asked for.", hint="Leave one of the two out.")
    if _is_graph(source):
        return Source(source, "an onnx_ir.Model", "onnx")
    if _is_module(source):
        from converter.sources.torch.module import load_module

        return load_module(
            source,
            specs=specs,
            example_inputs=example_inputs,
            checkpoint=checkpoint,
            random_weights=random_weights,
            trust=trust,
            max_bytes=max_bytes,
            state=state,
        )
    if not isinstance(source, (str, Path)):
        raise UsageError(f"A source must be {_KINDS}. Received: {type(source).__name__}.")
    text = str(source)
    refuse_missing(text)
    if text.lower().endswith(".onnx"):
        from converter.sources.onnx.file import load_onnx

        _refuse_weights(text, checkpoint, random_weights)
        return load_onnx(Path(text), specs=specs, max_bytes=max_bytes)
    if text.lower().endswith(".pt2"):
        from converter.sources.torch.program_file import load_exported

        _refuse_weights(text, checkpoint, random_weights)
        return load_exported(Path(text), specs=specs, trust=trust, max_bytes=max_bytes)
    if text.lower().endswith(CHECKPOINT_SUFFIXES):
        from converter.sources.by_name.pickled_module import load_pickled

        _refuse_weights(text, checkpoint, random_weights)
        return load_pickled(
            Path(text), specs=specs, example_inputs=example_inputs, trust=trust, max_bytes=max_bytes, state=state
        )
    if ":" in text:
        from converter.sources.by_name import load_built

        return load_built(
            text,
            specs=specs,
            example_inputs=example_inputs,
            checkpoint=checkpoint,
            random_weights=random_weights,
            trust=trust,
            max_bytes=max_bytes,
            state=state,
        )
    raise UsageError(f"{text!r} is not a source.", hint=f"A source is {_KINDS}.")


def refuse_missing(text: str) -> None:
    """Say that the file of a source is not there, before anything is imported to read it.

    Raises:
        BadSource: it names a file by its suffix, and there is none.
    """
    if text.lower().endswith((".onnx", ".pt2")) and not Path(text).is_file():
        raise BadSource(f"There is no file {text!r}.")


def _refuse_weights(text: str, checkpoint: Any, random_weights: Any) -> None:
    if checkpoint is not None or random_weights is not None:
        raise UsageError(f"{text} has its own weights.", hint="Leave --checkpoint and --random-weights out.")


def _is_graph(source: Any) -> bool:
    """Whether it is an `ir.Model`, as _is_module says it."""
    onnx_ir = sys.modules.get("onnx_ir")
    return onnx_ir is not None and isinstance(source, onnx_ir.Model)


def _is_module(source: Any) -> bool:
    """Whether it is an nn.Module, without importing torch: such an object exists only where torch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)
