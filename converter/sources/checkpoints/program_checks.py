"""What must not be in a `.pt2` file, because torch.export.load would run it.

A `.pt2` is a zip archive: the graph as JSON, the weights as raw bytes. Read from torch 2.13, loading it runs code from
the file in these places, none of which an ordinary program has need of:

- data/weights and data/constants: an entry with `use_pickle` goes through torch.load(weights_only=False); custom_obj_*
  and opaque_obj_* constants go through unpicklers without limits. Refused.
- data/sample_inputs: torch.load(weights_only=True), and *on any error* weights_only=False. Read here first, with
  weights_only=True: what passes that never gets to the second.
- data/aotinductor, executorch, and the layout before torch 2.8 (pickled parts): compiled code, pickles. Refused.
- `expr_str` of sizes goes to sympy.sympify, which is eval. Only names, numbers, arithmetic, and calls of torch's own
  symbolic functions may be in it. `guards_code` is Python and becomes a function: the same, with sizes of the inputs.
- `target` of a node is looked up from `torch`, `_operator` or `math` by its dotted path ("torch.os.system" exists) and
  later called. Only torch.ops.NAMESPACE.OPERATOR, symbolic arithmetic, and plain operators are let through.
- the structure of inputs and outputs may name a class or an enum, whose module is imported. Only the built-in
  containers are let through.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from converter.sources.quiet import quiet
from passes.errors import BadSource

_TRUST = "Export the program again with torch.export.save; or give --trust if you trust whoever made the file."
_REFUSED_FOLDERS = ("data/aotinductor/", "executorch/", "data/executorch/", "xl_model_weights/", "mtia/")
_TARGET = re.compile(
    r"torch\.ops\.(?!_)\w+\.(?!__)\w+(\.(?!__)\w+)?"  # an operator with its overload, or a higher-order one
    r"|torch\.sym_\w+|torch\._sym_\w+|math\.[a-z]\w*"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
)
_STRUCTURE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_FUNCTIONS = {
    *("Add", "Mul", "Pow", "Integer", "Rational", "Float", "Symbol", "Max", "Min", "Abs", "floor", "ceiling"),
    *("Eq", "Ne", "Gt", "Ge", "Lt", "Le", "And", "Or", "Not", "Where", "Identity", "Mod", "PythonMod"),
    *("FloorDiv", "CeilDiv", "CleanDiv", "FloatTrueDiv", "IntTrueDiv", "ModularIndexing", "LShift", "RShift"),
    *("PowByNatural", "FloatPow", "ToFloat", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal"),
    *("CeilToInt", "FloorToInt", "size", "stride", "storage_offset"),
}
_SYNTAX = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load),
    *(ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Subscript, ast.Attribute),
)
_POWERS = ("Pow", "FloatPow", "PowByNatural", "LShift")
MAX_EXPONENT = 64
MAX_EXPRESSION = 2_000
"""Characters of one size expression."""


def check_program(path: Path) -> None:
    """Refuse a `.pt2` file that could run code when loaded.

    Raises:
        BadSource: naming what was found.
    """
    try:
        with quiet(), zipfile.ZipFile(path) as archive:
            entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
            if sum(entry.file_size for entry in entries.values()) > path.stat().st_size:
                raise BadSource(f"{path.name} declares more content than its own size.")
            _check_entries(path, list(entries))
            for name, entry in entries.items():
                if name.startswith("models/"):
                    _check_graph(path, json.loads(archive.read(entry)))
                elif name.endswith("_config.json"):
                    _check_payloads(path, json.loads(archive.read(entry)))
                elif name.startswith("data/sample_inputs/"):
                    torch.load(io.BytesIO(archive.read(entry)), weights_only=True, map_location="cpu")
    except BadSource:
        raise
    except zipfile.BadZipFile as error:
        raise BadSource(f"{path.name} is not a torch.export program, or is truncated: {error}.") from error
    except Exception as error:  # JSON, pickles and structures, damaged in any way
        raise _refused(path, f"a part that cannot be checked ({type(error).__name__})") from error


def _check_entries(path: Path, names: list[str]) -> None:
    if not any(name.startswith("models/") for name in names):
        raise _refused(path, "no models/ folder, which torch 2.8 and later write; before that, parts were pickles")
    for name in names:
        if name.startswith(_REFUSED_FOLDERS):
            raise _refused(path, f"compiled code ({name})")
        if re.fullmatch(r"data/(weights|constants)/[^/]*\.pt", name) or "_obj_" in name.rpartition("/")[2]:
            raise _refused(path, f"a pickle ({name})")


def _check_payloads(path: Path, config: Any) -> None:
    for name, payload in config["config"].items():
        if payload["use_pickle"] or "_obj_" in payload["path_name"]:
            raise _refused(path, f"the pickled tensor {name!r}")


def _check_graph(path: Path, program: Any) -> None:
    for guard in program.get("guards_code", []):
        _check_expression(path, guard)
    for key, value in _entries(program):
        if key == "target" and isinstance(value, str) and not _TARGET.fullmatch(value):
            raise _refused(path, f"a node that calls {value!r}")
        if key == "expr_str":
            _check_expression(path, value)
        if key in ("in_spec", "out_spec"):
            _check_structure(path, json.loads(value)[1])


def _check_expression(path: Path, text: str) -> None:
    """Arithmetic over names: no attribute but the sizes of a tensor, no call but of a known function."""
    if len(text) > MAX_EXPRESSION:
        raise _refused(path, f"a size expression of {len(text):,} characters")
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except SyntaxError as error:
        raise _refused(path, f"the size expression {text[:80]!r}") from error
    for node in nodes:
        called = node.func if isinstance(node, ast.Call) else None
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else None
        known = called is None or name in _FUNCTIONS
        private = isinstance(node, ast.Name) and node.id.startswith("__")
        attribute = isinstance(node, ast.Attribute) and node.attr not in _FUNCTIONS
        if not isinstance(node, _SYNTAX) or not known or private or attribute or _is_huge_power(node):
            raise _refused(path, f"the size expression {text[:80]!r}")


def _is_huge_power(node: ast.AST) -> bool:
    """9**9**9 is arithmetic too, and never ends: a power must have a small number as exponent, and none in its base."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift)):
        base, exponent = node.left, node.right
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _POWERS:
        if len(node.args) != 2:
            return True
        base, exponent = node.args
    else:
        return False
    parts = [part for side in (base, exponent) for part in ast.walk(side)]
    nested = any(
        isinstance(part, (ast.Pow, ast.LShift)) or (isinstance(part, ast.Name) and part.id in _POWERS) for part in parts
    )
    numbers = [part.value for part in ast.walk(exponent) if isinstance(part, ast.Constant)]
    small = len(numbers) == 1 and isinstance(numbers[0], int) and numbers[0] <= MAX_EXPONENT
    return nested or not small


def _check_structure(path: Path, spec: Any) -> None:
    if spec["type"] not in _STRUCTURE_TYPES or "__enum__" in str(spec["context"]):
        raise _refused(path, f"inputs or outputs of the type {spec['type']!r}")
    for child in spec["children_spec"]:
        _check_structure(path, child)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from item.items()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _refused(path: Path, what: str) -> BadSource:
    return BadSource(f"{path.name} has {what}: loading it could run code.", hint=_TRUST)
