"""An nn.Module, exported as an ONNX graph that no optimisation has touched.

torch.onnx.export(dynamo=True, optimize=False) keeps BatchNorm as BatchNorm and writes the path of the module into each
node's metadata. Nothing goes through a file: the graph's weights are the module's own tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir
import torch

from converter.sources.quiet import first_lines, quiet
from converter.sources.torch.call.examples import Call
from converter.sources.torch.capture import Guard, capture, size_guards
from converter.sources.torch.capture_errors import capture_failed, is_packed
from converter.sources.torch.dropout import as_in_inference, depth_as_dropout, keep_dropout
from converter.sources.torch.eval_mode import evaluate_anew
from converter.sources.torch.guard_trials import is_needed
from converter.sources.torch.operators import recurrent
from converter.sources.torch.operators.decompositions import (
    attention_in_steps,
    bags_to_lookups,
    differences_from_numbers,
    masked_writes,
    splits_to_slices,
    types_of_counts,
)
from converter.sources.torch.operators.indices import wide_indices
from converter.sources.torch.operators.pools import rewrite_pools
from converter.sources.torch.operators.translations import translations
from converter.sources.torch.tracing import trace
from passes.errors import ConversionError, ExportFailed, NotExportable
from passes.opset import OPSET

_SYMBOL = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Exported:
    """A graph, and what is to be said of its dynamic sizes.

    Attributes:
        fixed: the sizes asked to be dynamic that are not, each with the reason.
        notes: what the trace assumes about the sizes that are.
    """

    model: ir.Model
    fixed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def export(module: torch.nn.Module, call: Call) -> Exported:
    """Export at the pinned opset; `module` must be in evaluation mode.

    Raises:
        NotExportable: neither of torch's exporters has an ONNX form for an operator.
        ExportFailed: torch.export cannot capture the module; the message is torch's.
    """
    with quiet(), torch.no_grad():
        evaluate_anew(module)  # what it has gathered from its parameters is gathered in the trace
        try:
            with depth_as_dropout(module), recurrent.whole():
                program = capture(module, call)
        except Exception as error:  # whatever the user's forward raises while it is traced
            failed = capture_failed(module, error)
            if not is_packed(error):
                raise failed from error
            return _second_way(module, call, failed)
        finally:
            evaluate_anew(module)  # what it gathered there holds no numbers
        try:
            model = to_onnx(program, call.input_names, call.output_names)
        except NotExportable as error:
            return _second_way(module, call, error)
    exported = settle_sizes(
        model, program, _symbol_names(model, call), lambda guard: is_needed(guard, module, call, model)
    )
    for spec, value in zip(call.specs, model.graph.inputs, strict=False):
        for wanted, dim in zip(spec.shape, value.shape or (), strict=False):
            if isinstance(wanted, str) and isinstance(dim, int):
                exported.fixed[wanted] = f"it became the constant {dim}"
    return exported


def _second_way(module: torch.nn.Module, call: Call, failed: ConversionError) -> Exported:
    """What torch's older exporter makes of a module that the first way refuses.

    Raises:
        ConversionError: that refusal, where the older one cannot either.
    """
    try:
        model = trace(module, call)
    except Exception:  # noqa: BLE001 - the first way's reason is the better one
        raise failed from None
    note = "Exported by torch's older exporter, which follows one run: torch.export does not have a part of forward()."
    return Exported(model, notes=[note])


def to_onnx(
    program: torch.export.ExportedProgram,
    input_names: list[str] | None = None,
    output_names: list[str] | None = None,
) -> ir.Model:
    """Translate a captured program, operator by operator. The program is not left as it was.

    Raises:
        NotExportable: with the message of torch's translation.
    """
    rewrite_pools(program)
    masked_writes(program)
    attention_in_steps(program)
    bags_to_lookups(program)
    differences_from_numbers(program)
    splits_to_slices(program)
    types_of_counts(program)
    wide_indices(program)
    has_dropout = keep_dropout(program)
    try:
        with quiet(), recurrent.whole():
            result = torch.onnx.export(
                program,
                dynamo=True,
                optimize=False,
                opset_version=OPSET,
                verbose=False,
                input_names=input_names,
                output_names=output_names,
                custom_translation_table=translations(),
            )
    except torch.onnx.OnnxExporterError as error:
        root: BaseException = error
        while root.__cause__ is not None:  # the outer messages only say which step failed
            root = root.__cause__
        raise NotExportable(
            f"PyTorch's exporter has no ONNX form for a part of this model. {type(root).__name__}: {first_lines(root)}"
        ) from error
    if result is None:
        raise ExportFailed("torch.onnx.export returned nothing.")
    if has_dropout:
        as_in_inference(result.model)
    _name_tied_weights(result.model, program.state_dict)
    _separate_outputs(result.model, output_names)
    return result.model


def _separate_outputs(model: ir.Model, names: Sequence[str] | None) -> None:
    """What a module returns twice becomes two values: torch's exporter lists one twice, under the last name."""
    outputs = model.graph.outputs
    taken = {str(value.name) for node in model.graph.all_nodes() for value in node.outputs}
    for place, value in enumerate(list(outputs)):
        first = outputs.index(value)
        if first == place:
            continue
        if names is not None:
            value.name = names[first]
        wanted = names[place] if names is not None else f"{value.name}_{place}"
        while names is None and wanted in taken:
            wanted += "_"
        copy = ir.node("Identity", [value])
        copy.outputs[0].name, copy.outputs[0].shape, copy.outputs[0].type = wanted, value.shape, value.type
        model.graph.append(copy)
        outputs[place] = copy.outputs[0]


def _name_tied_weights(model: ir.Model, weights: Mapping[str, torch.Tensor]) -> None:
    """A weight of several names gets the first: of these torch's exporter keeps the last."""
    first: dict[object, str] = {}
    for name, weight in weights.items():
        kept = first.setdefault((weight.data_ptr(), weight.shape, weight.stride()), name)
        initializers = model.graph.initializers
        if kept != name and name in initializers and kept not in initializers:
            value = initializers.pop(name)
            value.name = kept
            initializers[kept] = value


def settle_sizes(
    model: ir.Model,
    program: torch.export.ExportedProgram,
    names: dict[str, str],
    is_needed: Callable[[Guard], bool] = lambda guard: not guard.is_bound,
) -> Exported:
    """Name the dynamic sizes, and find what the trace assumes about them.

    A batch about which anything is assumed, whatever the other sizes, counts as fixed: it must be free.

    Args:
        is_needed: whether the graph is wrong where a guard does not hold; what torch asserts may be more than it needs.
            Where nobody can try, assertions count and bounds do not.
    """
    guards = [guard for guard in size_guards(program, names) if is_needed(guard)]
    batch = {names.get(symbol, symbol) for symbol in _leading_sizes(model)}
    exported = Exported(model)
    if guards:
        texts = "; ".join(guard.text for guard in guards)
        exported.notes.append(f"forward() takes another way, or fails, for sizes without: {texts}.")
    for guard in guards:
        for symbol in guard.fixes | (guard.alone & batch):
            exported.fixed[symbol] = f"forward() needs {guard.text}"
    _rename_sizes(model, names, batch, forget=bool(guards))
    return exported


def _symbol_names(model: ir.Model, call: Call) -> dict[str, str]:
    """torch's names of dynamic sizes (s0, s77, ...) to those asked for."""
    names: dict[str, str] = {}
    for spec, value in zip(call.specs, model.graph.inputs, strict=False):
        for wanted, dim in zip(spec.shape, value.shape or (), strict=False):
            if isinstance(wanted, str) and isinstance(dim, ir.SymbolicDim) and dim.value is not None:
                names.setdefault(str(dim.value), wanted)
    return names


def _rename(expression: str, names: dict[str, str]) -> str:
    return _SYMBOL.sub(lambda match: names.get(match[0], match[0]), expression)


def _leading_sizes(model: ir.Model) -> set[str]:
    leading = [value.shape[0] for value in model.graph.inputs if value.shape]
    return {str(dim.value) for dim in leading if isinstance(dim, ir.SymbolicDim)}


def _rename_sizes(model: ir.Model, names: dict[str, str], batch: set[str], *, forget: bool) -> None:
    """Give every dynamic size its name, in expressions too.

    With `forget`, sizes computed from anything but the batch are dropped instead: the trace only knows them for sizes
    that meet its guards, and shape inference knows them for all.
    """
    inputs = set(model.graph.inputs)
    for value in _values(model.graph):
        if value.shape is None or all(isinstance(dim, int) for dim in value.shape):
            continue
        dims: list[int | str | None] = []
        for dim in value.shape:
            text = dim if isinstance(dim, int) else _rename(str(dim.value), names)
            known = isinstance(text, int) or value in inputs or set(_SYMBOL.findall(text)) <= batch
            dims.append(text if known or not forget else None)
        value.shape = ir.Shape(dims)


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    for node in graph.all_nodes():
        yield from node.outputs
