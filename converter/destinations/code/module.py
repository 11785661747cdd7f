"""The file: its imports, a function for each kind of nested model, and `build_model()`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from converter.destinations.code.expressions import (
    INDENT,
    NESTED,
    Expression,
    Literal,
    Name,
    Tensor,
    Tree,
    call,
    group,
    lines,
    replaced,
    tensors_in,
    tree,
)
from converter.destinations.code.function_names import OF_THE_FILE, function_name
from converter.destinations.code.layer_code import OURS
from converter.destinations.code.literals import Constants
from converter.destinations.code.loops import code, ends_in_loop
from converter.destinations.code.read import Body, Statement, free_name, given_names
from converter.destinations.code.templates import Template, Templates
from converter.destinations.code.variables import fresh, named

_MOST_SHAPES = 4

_NESTED = '''
def nested(function):
    """Make a model of what `function` does to its tensors, and call it on them."""

    def model(*tensors, name, **arguments):
        names = [f"{name}-input-{index}" for index in range(len(tensors))]
        inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=own) for x, own in zip(tensors, names)]
        outputs = function(*inputs, name=name, **arguments)
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)

    @functools.wraps(function)
    def called(*tensors, name, **arguments):
        return model(*tensors, name=name, **arguments)(list(tensors) if len(tensors) > 1 else tensors[0])

    called.model = model
    return called
'''


def write_code(model: keras.Model, classes: Mapping[str, str], to: Path) -> None:
    """Write the file, the weights that it reads, and the constants, where it has any.

    Args:
        classes: of the source's modules, by the names of their models.
        to: ends in .py; the others lie beside it, under its name.

    Raises:
        Unsupported: an argument or an operation that cannot be written as code.
    """
    written, constants = source_code(model, classes, to.stem)
    to.write_text(written, encoding="utf-8")
    model.save_weights(to.with_suffix(".weights.h5"))
    if constants.arrays:
        np.savez(to.with_suffix(".constants.npz"), **constants.arrays)  # type: ignore[arg-type]


def source_code(model: keras.Model, classes: Mapping[str, str], stem: str) -> tuple[str, Constants]:
    """The text of the file, and the arrays that it reads.

    Args:
        classes: of the source's modules, by the names of their models.
        stem: of the file: its weights are STEM.weights.h5, its constants STEM.constants.npz.

    Raises:
        Unsupported: an argument or an operation that cannot be written as code.
    """
    constants = Constants()
    templates = Templates(model, constants).templates
    keys = list(templates)
    names: dict[str, str] = {}
    parameters = {name for template in templates.values() for name in template.parameters}
    for key in keys[:-1]:
        names[key] = function_name(templates[key].bodies[0].name, classes, {*names.values(), *parameters})
    functions = [_function(names[key], templates[key], names) for key in keys[:-1]]
    whole = _build(model, templates[keys[-1]], names)
    body = "\n\n\n".join(["\n".join(each) for each in functions] + ["\n".join(whole)])
    return _head(model, stem, body, constants) + body + "\n", constants


def _head(model: keras.Model, stem: str, body: str, constants: Constants) -> str:
    used = {name for name in ("layers", "ops") if re.search(rf"\b{name}\.", body)}
    imports = ["import functools"] if "@nested" in body else []
    imports += ["from pathlib import Path", ""]
    imports += ["import keras"] + (["import keraport.layers"] if OURS in body else [])
    imports += ["import numpy as np"] if "np." in body or constants.arrays else []
    imports += [f"from keras import {', '.join(sorted(used))}"] if used else []
    paths = [f'WEIGHTS = Path(__file__).with_name("{stem}.weights.h5")']
    if constants.arrays:
        paths.append(f'CONSTANTS = np.load(Path(__file__).with_name("{stem}.constants.npz"))')
    parts = [f'"""The model {model.name}, as keraport converted it."""', "", *imports, "", *paths, ""]
    return "\n".join(parts) + (f"\n{_NESTED}" if "@nested" in body else "") + "\n\n"


def _function(name: str, template: Template, names: Mapping[str, str]) -> list[str]:
    body = template.bodies[0]
    parameters = list(template.parameters)
    reserved = [*parameters, "name", *names.values()]
    own = [] if body.takes_any else body.inputs
    inputs = dict(zip(own, _input_names(len(own), reserved), strict=True))
    written, outputs = named(inputs, _with_functions(template.statements, names), body.outputs, reserved)
    taken = ["*tensors"] if body.takes_any else [*inputs.values(), "*"]
    head = f"def {name}({', '.join([*taken, *parameters, 'name'])}):"
    told = f'{INDENT}"""{_shapes(body.shapes)} → {_shapes(body.results)}{_for_example(template)}"""'
    *before, last = written
    if len(last.targets) == 1 and outputs == Name(last.targets[0]) and not ends_in_loop(written):
        return ["@nested", head, told, *code(before, INDENT), *lines("return ", last.expression, INDENT)]
    return ["@nested", head, told, *code(written, INDENT), *lines("return ", outputs, INDENT)]


def _build(model: keras.Model, template: Template, names: Mapping[str, str]) -> list[str]:
    body = template.bodies[0]
    inputs = dict(zip(body.inputs, _identifiers([x.name for x in model.inputs], names.values()), strict=True))
    entries = [lines(f"{name} = ", _entry(x), INDENT) for name, x in zip(inputs.values(), model.inputs, strict=True)]
    statements, returned = _with_output_names(model, body, _with_functions(template.statements, names))
    kept = group("tuple", [Tensor(number) for number in body.inputs])  # the inputs are needed to the end
    written, outputs = named(
        inputs, statements, group("tuple", [kept, returned]), ["model", "weights", *names.values()]
    )
    assert isinstance(outputs, Tree)  # as it was given
    given = ", ".join(inputs.values())
    whole = Name(given if len(inputs) == 1 else f"[{given}]")
    return [
        "def build_model(weights=WEIGHTS):",
        f'{INDENT}"""{_ports(model.inputs)} → {_ports(model.outputs, model.output_names)}',
        "",
        f"{INDENT}Args:",
        f"{INDENT * 2}weights: a .weights.h5 file, or None for random ones.",
        f'{INDENT}"""',
        *(line for entry in entries for line in entry),
        *code(written, INDENT),
        *lines("model = ", call("keras.Model", whole, outputs.placed[1], name=Literal(model.name)), INDENT),
        *_renaming(model),
        f"{INDENT}if weights is not None:",
        f"{INDENT * 2}model.load_weights(weights)",
        f"{INDENT}return model",
    ]


def _with_output_names(
    model: keras.Model, body: Body, statements: Sequence[Statement]
) -> tuple[list[Statement], Expression]:
    """An output that an operation computes is named by a layer, since functions of `keras.ops` take no names."""
    found, renamed, given = list(statements), {}, given_names(model)
    number = 1 + max([*body.inputs, *(target for each in statements for target in each.targets)])
    for tensor, own, name in zip(model.outputs, tensors_in(body.outputs), model.output_names, strict=True):
        if own in renamed or isinstance(tensor._keras_history.operation, keras.layers.Layer):
            continue
        wide = keras.backend.is_float_dtype(tensor.dtype) and tensor.dtype != keras.config.floatx()
        told = {"dtype": Literal(tensor.dtype)} if wide else {}  # a layer makes floatx of floats
        identity = call("layers.Identity", name=Literal(free_name(name, given)), **told)
        found.append(Statement([number], tree("apply", "", identity, Tensor(own))))
        renamed[own] = number
        number += 1
    return found, replaced(
        body.outputs, lambda e: Tensor(renamed.get(e.number, e.number)) if isinstance(e, Tensor) else None
    )


def _renaming(model: keras.Model) -> list[str]:
    """The names of the outputs, where their layers cannot have them: they are like those of operations."""
    given = given_names(model)
    if all(free_name(name, given) == name for name in model.output_names):
        return []
    return lines("model.output_names = ", group("list", [Literal(name) for name in model.output_names]), INDENT)


def _entry(tensor: keras.KerasTensor) -> Tree:
    sizes = list(tensor.shape)
    is_open = sizes[:1] == [None]  # the batch; a scalar has none
    shape = group("tuple", [Literal(size) for size in sizes[is_open:]])
    parts: dict[int | str, Expression] = {0: shape} if is_open else {"batch_shape": shape}
    if tensor.dtype != keras.config.floatx():
        parts["dtype"] = Literal(tensor.dtype)
    return Tree("call", "keras.Input", {**parts, "name": Literal(tensor.name)})


def _with_functions(statements: Sequence[Statement], names: Mapping[str, str]) -> list[Statement]:
    def change(expression: Expression) -> Expression | None:
        if not isinstance(expression, Tree) or expression.kind not in NESTED:
            return None
        return Tree(expression.kind, names[expression.label], expression.parts)

    return [replace(each, expression=replaced(each.expression, change)) for each in statements]


def _input_names(count: int, taken: Sequence[str]) -> list[str]:
    names: list[str] = []
    while len(names) < count:
        names.append(fresh([*names, *taken]))
    return names


def _identifiers(names: Sequence[str], functions: Collection[str]) -> list[str]:
    """Names of inputs as variables."""
    found: list[str] = []
    for name in names:
        own = re.sub(r"\W", "_", name)
        own = own if own.isidentifier() and not keyword.iskeyword(own) else f"input_{own}"
        is_taken = own in (*found, *functions, *OF_THE_FILE)
        found.append(f"{own}_{len(found)}" if is_taken else own)
    return found


def _for_example(template: Template) -> str:
    first, *others = template.bodies
    same = all(other.shapes == first.shapes and other.results == first.results for other in others)
    return "" if same else ", for example"


def _shapes(shapes: Sequence[tuple[int | None, ...]]) -> str:
    first, *others = [_shape(shape) for shape in shapes]
    return ", ".join([first, *others] if len(others) < _MOST_SHAPES else [first, "…", others[-1]])


def _shape(shape: Sequence[int | None]) -> str:
    """None at the front is the batch."""
    sizes = [
        "batch" if size is None and not place else "?" if size is None else str(size)
        for place, size in enumerate(shape)
    ]
    return f"[{', '.join(sizes)}]"


def _ports(tensors: Sequence[keras.KerasTensor], names: Sequence[str] = ()) -> str:
    names = names or [tensor.name for tensor in tensors]
    return ", ".join(f"{name} {_shape(tensor.shape)}" for name, tensor in zip(names, tensors, strict=True))
