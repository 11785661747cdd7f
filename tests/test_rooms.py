"""Imports run one way: a room imports from the rooms before it, never from those behind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "passes": """errors opset facts registry / dims / graph / padding / lower / fold.values / fold / shapes.rules /
        shapes / simplify normalize fuse / layout.walk / layout.rules / layout / order""",
    "converter": """errors ports versions temporary / atomic_output input_spec model_args processes.exclusive
        processes.quiet_stderr example_files /
        options sources.memory_budget sources.quiet sources.source sources.torchvision_kernels /
        sources.torchvision_import / proof.oracle / sources.checkpoints sources.onnx / sources.fingerprints
        sources.torch.call sources.torch.operators / sources.torch / sources.by_name / sources / prepare weights /
        backends.keras.surgery backends.keras.differentiate /
        backends.keras.build / backends.keras.nesting / backends.keras.ops / backends / destinations.code /
        processes destinations /
        proof / proof.guilt / report / prove backends.onnx2tf / golden conversion inspect_source / terminal /
        weights.port zoo.records backends.cli /
        zoo.manifests / zoo.results / zoo.running golden.cli weights.cli commands.files / zoo commands / cli /
        __main__""",
}
"""The rooms of a floor, bottom to top; between two slashes none imports another. A room has what it names, but for what
is named apart."""

MOST_MODULES = 15


def rooms(floor: str) -> dict[str, int]:
    """Room → height."""
    heights: dict[str, int] = {}
    for height, names in enumerate(FLOORS[floor].split("/")):
        heights |= dict.fromkeys((f"{floor}.{name}" for name in names.split()), height)
    return heights


def room_of(module: str, heights: dict[str, int]) -> str | None:
    """The longest name among the rooms that the module's begins with; None for the face of the floor."""
    while module and module not in heights:
        module = module.rpartition(".")[0]
    return module or None


def modules(floor: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / floor).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the floor that are imported, now or later, in a file; not for annotations only."""
    tree = ast.parse(path.read_text())
    skipped = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in skipped:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in known or node.module in known:
                    yield name if name in known else node.module


@pytest.mark.parametrize("floor", FLOORS)
def test_rooms_import_downwards(floor: str) -> None:
    heights, known = rooms(floor), modules(floor)
    upwards = []
    for name, path in known.items():
        room = room_of(name, heights)
        if room is None:
            assert name == floor, f"{name} is in no room"
            continue
        for imported in imports(path, known):
            other = room_of(imported, heights)
            if other is not None and other != room and heights[other] >= heights[room]:
                upwards.append(f"{name} → {imported}")
    assert not upwards


@pytest.mark.parametrize("floor", FLOORS)
def test_no_room_is_crowded_and_each_says_what_it_is_for(floor: str) -> None:
    for folder in {path.parent for path in modules(floor).values()}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_MODULES, f"{folder} has {len(files)} modules"
        documented = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert documented, f"{folder.relative_to(ROOT)} does not say what it is for"


def test_one_name_is_one_class() -> None:
    """Also across floors: who reads `Walk` or `Place` need not ask which one."""
    homes: dict[str, list[str]] = {}
    for floor in (*FLOORS, "keraport"):
        for name, path in modules(floor).items():
            for each in ast.parse(path.read_text()).body:
                if isinstance(each, ast.ClassDef):
                    homes.setdefault(each.name, []).append(name)
    assert {each: where for each, where in homes.items() if len(where) > 1} == {}
