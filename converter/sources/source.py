"""What `load` returns: one ONNX graph, and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from converter.input_spec import InputSpec
    from passes.normalize.open_batch import Opened


MAKERS = frozenset(
    {"build", "build_model", "create", "create_model", "get_model", "main", "make", "make_model", "model"}
)
"""Names of factories that say nothing about the model."""


@dataclass(frozen=True)
class DrawnNoise:
    """Random numbers that a source draws.

    Attributes:
        distribution: "normal", of mean 0 and variance 1, or "uniform", from 0 to below 1.
        seed: that the source gives; None where it gives none.
        node, module: what draws them there, and in which module.
    """

    distribution: str
    seed: int | None
    node: str
    module: str | None = None


@dataclass
class Source:
    """A model as it was loaded or exported; no pass has touched it.

    Attributes:
        model: the graph. Weights stay memory-mapped (files) or are the module's own tensors (torch), never copied.
        description: one line for the report: what was read, and the weights from where.
        kind: "onnx", "module", "factory", "torchvision", "timm", "transformers" or "exported".
        path: the `.onnx` file, when the source is one.
        torch_module: the module, in the state in which it was exported, when the source is PyTorch.
        example_inputs: the tensors it was exported with, in the order of its forward signature; of a file whose sizes
            were opened, arrays of its own sizes.
        inputs: the inputs as exported: names, types, and which dimensions are dynamic.
        notes: what a reader of the report should know, for example that the batch could not be dynamic.
        states: the inputs that hold what a call before has left, each with the output that it left it in.
        opened: sizes of inputs that the file fixes, and that were asked to be open; `path` is the file as it is.
        nameless: outputs whose names an exporter has made up: a tensor that a module returns has none.
        noise: the inputs of the graph that hold what the source itself draws at random, the last ones; no caller gives
            them.
        let_go: drops what is in memory of weights that lie mapped in a file; they are read again when they are needed.
    """

    model: ir.Model
    description: str
    kind: str
    path: Path | None = None
    torch_module: torch.nn.Module | None = None
    example_inputs: tuple[Any, ...] | None = None
    inputs: tuple[InputSpec, ...] = ()
    notes: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    nameless: frozenset[str] = frozenset()
    opened: Opened | None = None
    noise: dict[str, DrawnNoise] = field(default_factory=dict)
    let_go: Callable[[], None] = lambda: None

    @property
    def asked(self) -> list[ir.Value]:
        """The inputs of the graph that a caller must give: old files list their weights as inputs as well."""
        graph = self.model.graph
        known = graph.initializers.keys() | self.noise.keys()
        return [value for value in graph.inputs if value.name not in known]

    @property
    def trainable(self) -> dict[str, bool] | None:
        """For each parameter and buffer of the source whether it is trained; None where the source does not say."""
        if self.torch_module is not None:
            buffers = dict.fromkeys(
                (name for name, _ in self.torch_module.named_buffers(remove_duplicate=False)), False
            )
            named = self.torch_module.named_parameters(remove_duplicate=False)
            return {**buffers, **{name: parameter.requires_grad for name, parameter in named}}
        from passes.graph.weight_views import TORCH_KIND

        kinds = {
            name: value.metadata_props[TORCH_KIND]
            for name, value in self.model.graph.initializers.items()
            if TORCH_KIND in value.metadata_props
        }
        return {name: kind == "PARAMETER" for name, kind in kinds.items()} or None

    @property
    def classes(self) -> dict[str, str]:
        """The classes of the modules by their dotted paths."""
        modules = () if self.torch_module is None else self.torch_module.named_modules()
        return {path: type(module).__name__ for path, module in modules}

    @property
    def trainable_sizes(self) -> dict[str, int] | None:
        """How many numbers each parameter has that is trained; None where the source is no module.

        A parameter of several names has the first.
        """
        if self.torch_module is None:
            return None
        return {name: p.numel() for name, p in self.torch_module.named_parameters() if p.requires_grad}

    @property
    def name(self) -> str:
        """A short name for the model: `resnet18`, the class of a module, or the stem of a file."""
        if self.path is not None:
            return self.path.stem
        if self.kind == "module" and self.torch_module is not None:
            return type(self.torch_module).__name__.lower()
        module, _, name = self.description.split()[0].rstrip(",").rpartition(":")
        if self.kind == "factory" and name in MAKERS:
            name = module.rpartition(".")[2]
        return name or "model"
