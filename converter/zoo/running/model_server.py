"""The warm process from which every model's child is forked.

    python -P -m converter.zoo.running.model_server DESCRIPTOR [PACKAGE...]

It imports what conversions need, and the optional packages that the run's sources need. Not onnxruntime: importing it
starts a thread, and a process with threads must not fork (see fork_server.py); a child has it in a third of a second.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import sys
from collections.abc import Sequence

import converter
from converter.processes import fork_server
from converter.zoo.records.entry import Entry
from converter.zoo.running.child import serve

CONVERSION = (
    ".conversion",
    ".backends.keras.emit",
    ".proof.inputs.cases",
    ".proof.compare",
    ".report.page",
    "onnxscript",
)
"""What every conversion imports: ours as `import_module` takes names in a package."""

TORCH = (
    "torch",
    "torch._dynamo",
    "torch.export._trace",
    "torch.onnx._internal.exporter._torchlib.ops",
    "onnxscript.function_libs.torch_lib.ops",
    "safetensors.torch",
    ".sources.by_name",
)
"""What sources other than .onnx files need. torch imports half of an export's modules when the first export needs them;
a name that another version has not is left out, and costs seconds only."""


def packages_for(entries: Sequence[Entry]) -> list[str]:
    """What these entries will import, for `main` to import once."""
    kinds = {entry.source.partition(":")[0] for entry in entries if not entry.source.lower().endswith(".onnx")}
    optional = [name for name in ("torchvision", "timm", "transformers") if name in kinds]
    return [*(TORCH if kinds else ()), *optional]


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    warm_up(sys.argv[2:])
    command = [sys.executable, "-P", "-X", "faulthandler", "-m", f"{__package__}.child"]
    fork_server.ForkServer(listener, serve, control=0, command=command).run()


def warm_up(packages: Sequence[str]) -> None:
    from converter.terminal.quiet_tensorflow import import_backend

    import_backend()
    for name in CONVERSION:
        importlib.import_module(name, converter.__name__)
    for name in packages:
        with contextlib.suppress(Exception):  # what is missing or broken is the child's to report
            _import(name)


def _import(package: str) -> None:
    if package in ("torchvision", "timm"):  # timm imports torchvision, which needs help beside a CPU build of torch
        from converter.sources.torchvision_import import import_torchvision

        import_torchvision()
    importlib.import_module(package, converter.__name__)


if __name__ == "__main__":
    main()
