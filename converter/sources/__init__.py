"""Where models come from: a file for each kind of source, and `load` in front. torch is imported only on demand."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.input_spec import InputSpec
from converter.options import Options
from converter.processes.exclusive import exclusive
from converter.sources.source import Source
from passes.errors import BadSource, UsageError

__all__ = ["InputSpec", "Source", "load", "refuse_missing"]

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".th", ".ckpt", ".bin", ".safetensors")
_KINDS = (
    "a torch.nn.Module, model.onnx, program.pt2, package.module:factory, torchvision:NAME, timm:NAME or "
    "transformers:FOLDER"
)


@exclusive()
def load(source: Any, options: Options | None = None, **told: Any) -> Source:
    """Load or export `source` as one ONNX graph.

    Args:
        source: a module object, an `ir.Model`, or the text of SOURCE as on the command line.
        options: what else was told; or its fields as keyword arguments. Of these `inputs` fix dynamic sizes of an .onnx
            file, and say what a module takes.

    Raises:
        UsageError: the call is wrong.
        BadSource: the source cannot be read, is malformed, or must not be trusted.
        Unsupported: PyTorch's exporter does not know an operator.
        LimitExceeded: the model is larger than `max_bytes`.
    """
    options = options or Options(**told)
    loaded = _load(source, options)
    if loaded.kind == "onnx":
        loaded = _with_required_sizes(loaded)
    if options.constants:
        from converter.sources.onnx.constants import fix_inputs

        loaded = fix_inputs(loaded, options.constants)
    if options.dequantise:
        from converter.sources.onnx.dequantise import dequantised

        loaded = dequantised(loaded)
    from converter.sources.noise import with_noise_as_inputs

    return with_noise_as_inputs(loaded)


def _with_required_sizes(loaded: Source) -> Source:
    from converter.sources.onnx.required_sizes import required_sizes, settle

    sizes = required_sizes(loaded.model.graph)
    if not sizes:
        return loaded
    model = loaded.model.clone()  # the one given is its owner's
    notes = settle(model.graph, sizes)
    inputs = tuple(InputSpec.of(value) for value in model.graph.inputs if not value.is_initializer())
    return replace(loaded, model=model, inputs=inputs if loaded.inputs else (), notes=[*loaded.notes, *notes])


def _load(source: Any, options: Options) -> Source:
    if _is_graph(source):
        return Source(source, "an onnx_ir.Model", "onnx")
    if _is_module(source):
        from converter.sources.torch.module import load_module

        return load_module(source, options)
    if not isinstance(source, (str, Path)):
        raise UsageError(f"A source must be {_KINDS}. Received: {type(source).__name__}.")
    return _load_named(str(source), options)


def _load_named(text: str, options: Options) -> Source:
    suffix = Path(text).suffix.lower()
    if suffix in (".onnx", ".pt2", *CHECKPOINT_SUFFIXES) and options.has_weights:
        raise UsageError(f"{text} has its own weights.", hint="Leave --checkpoint and --random-weights out.")
    if suffix == ".onnx":
        from converter.sources.onnx.file import load_onnx

        return load_onnx(Path(text), specs=options.specs, max_bytes=options.max_bytes)
    if suffix == ".pt2":
        from converter.sources.torch.program_file import load_exported

        return load_exported(Path(text), specs=options.specs, trust=options.trust, max_bytes=options.max_bytes)
    if suffix in CHECKPOINT_SUFFIXES:
        from converter.sources.by_name.pickled_module import load_pickled

        return load_pickled(Path(text), options)
    if ":" in text:
        from converter.sources.by_name import load_built

        return load_built(text, options)
    raise UsageError(f"{text!r} is not a source.", hint=_suggestion(text))


def _suggestion(text: str) -> str:
    """What somebody may have meant who gave a name without saying whose."""
    if Path(text).is_dir():
        return f"A folder that was made by save_pretrained is transformers:{text}."
    if text.isidentifier() or (re.fullmatch(r"[A-Za-z][\w.-]*", text) and not Path(text).suffix):
        return f"Did you mean torchvision:{text}, timm:{text} or transformers:FOLDER? A source is {_KINDS}."
    return f"A source is {_KINDS}."


def refuse_missing(text: str) -> None:
    """Say that the file of a source is not there, before anything is imported to read it.

    Raises:
        BadSource: it names a file by its suffix, and there is none.
    """
    if text.lower().endswith((".onnx", ".pt2")) and not Path(text).exists():
        raise BadSource(f"There is no file {text!r}.")


def _is_graph(source: Any) -> bool:
    """Whether it is an `ir.Model`, as _is_module says it."""
    onnx_ir = sys.modules.get("onnx_ir")
    return onnx_ir is not None and isinstance(source, onnx_ir.Model)


def _is_module(source: Any) -> bool:
    """Whether it is an nn.Module, without importing torch: such an object exists only where torch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)
