"""The second way of a module to ONNX: torch's older exporter, which follows one run (TorchScript).

It has forms of some operators that the first way has not, packed sequences among them. What it follows are the sizes of
one example, so the graph is compared with the module at others before it is taken.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir
import torch

from converter.sources.torch.call.examples import Call, resized
from converter.sources.torch.guard_trials import are_close

if TYPE_CHECKING:
    from converter.proof.oracle import Oracle

OPSET_OF_TRACES = 17
"""The last one that the older exporter has in full."""

_TORCH = str(Path(torch.__file__).parent)


class NotTraced(Exception):
    """One run does not tell what another one does."""


def trace(module: torch.nn.Module, call: Call) -> ir.Model:
    """The graph of one run of `forward`, with the dynamic sizes that were asked for, right at other sizes as well.

    Raises:
        NotTraced: forward makes numbers of sizes or tensors, or the graph is another one at another size.
        Exception: whatever that exporter raises.
    """
    from converter.proof.oracle import Oracle

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = ir.from_proto(onnx.load_model_from_string(_written(module, call)))
    for warning in told:
        if issubclass(warning.category, torch.jit.TracerWarning) and not warning.filename.startswith(_TORCH):
            raise NotTraced(str(warning.message))
    oracle = Oracle(model)
    for symbol in sorted({size for spec in call.specs for size in spec.symbols}):
        if not any(_is_right(module, call, oracle, symbol, factor) for factor in (2, 3)):
            raise NotTraced(f"No run at another {symbol} tells whether the graph is right.")
    return model


def _written(module: torch.nn.Module, call: Call) -> bytes:
    axes = {
        spec.name: {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)} for spec in call.specs
    }
    written = io.BytesIO()
    # Of what fails it prints the graph.
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            module,
            call.args,
            written,  # type: ignore[arg-type]
            kwargs=call.kwargs or None,
            dynamo=False,
            input_names=[spec.name for spec in call.specs],
            output_names=call.output_names,
            dynamic_axes={name: sizes for name, sizes in axes.items() if sizes},
            opset_version=OPSET_OF_TRACES,
            do_constant_folding=False,
            verbose=False,
        )
    return written.getvalue()


def _is_right(module: torch.nn.Module, call: Call, oracle: Oracle, symbol: str, factor: int) -> bool:
    """Whether the graph gives what the module gives with one size changed; False where the module does not run.

    Raises:
        NotTraced: it gives something else.
    """
    traced = {
        name: value.shape[axis]
        for spec, value in zip(call.specs, call.values, strict=False)
        for axis, name in enumerate(spec.shape)
        if isinstance(name, str)
    }
    other = resized(call, {**traced, symbol: traced[symbol] * factor + 1})
    inputs = [value for value in other.values if isinstance(value, torch.Tensor)]
    for spec, value in zip(call.specs, inputs, strict=True):
        if spec.symbols and not value.is_floating_point() and value.dtype != torch.bool:  # else it is the caller's own
            value.fill_(1)  # an index, a token and a length anywhere
    try:
        with torch.no_grad():
            outputs = module(*other.args, **other.kwargs)
    except Exception:  # noqa: BLE001 - whatever the user's forward raises
        return False
    feeds = {spec.name: value.cpu().numpy() for spec, value in zip(call.specs, inputs, strict=True)}
    if not are_close(outputs, oracle.run(feeds)):
        raise NotTraced(f"The graph of one run is another one at another {symbol}.")
    return True
