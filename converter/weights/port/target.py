"""The model that the weights are for: how it is found, and which of its inputs and outputs is which of the source's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import onnx_ir as ir

from converter.ports import Port, to_keras
from converter.proof.saved_model import refuse_unsafe_keras
from converter.sources.by_name.callables import find_callable
from converter.weights.port.calls import Array
from passes.errors import BadSource, UsageError

MOST_PAIRINGS = 24


def load_target(into: str, arguments: Mapping[str, Any], *, trust: bool) -> Any:
    """`MODEL.keras`, or what `package.module:factory` makes.

    Raises:
        UsageError: there is no such file or factory, or it does not take the arguments.
        BadSource: the file does not load, the factory fails, or returns no Keras model.
    """
    if into.endswith(".keras"):
        return _of_file(Path(into), trust=trust)
    factory = find_callable(into, arguments)
    try:
        model = factory(**arguments)
    except Exception as error:  # whatever the user's factory raises
        raise BadSource(f"{into} failed: {type(error).__name__}: {error}") from error
    if not isinstance(model, keras.Model):
        raise BadSource(f"{into} returned {type(model).__name__}, not a keras.Model.")
    return model


def _of_file(path: Path, *, trust: bool) -> Any:
    import keraport.layers  # noqa: F401 (files may have them)

    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}.")
    if not trust:
        refuse_unsafe_keras()
    try:
        return keras.models.load_model(path)
    except Exception as error:  # whatever Keras raises
        raise BadSource(
            f"Keras does not load {path.name}: {error}",
            hint="A model with classes of its own is given by its factory: --into package.module:factory.",
        ) from error


def given_to(ports: Sequence[Port], feeds: Mapping[str, Array]) -> list[Array]:
    """What a model takes of the source's inputs, by their names: in its own order, turned as it takes them."""
    return to_keras(ports, [feeds[port.name] for port in ports])


def pairings(model: Any, ports: Sequence[Port], feeds: Mapping[str, Array]) -> Iterator[Sequence[Port]]:
    """The model's inputs as ports of the source, each way that there is: by name, or else those whose shapes fit, in
    order first.

    Raises:
        UsageError: there is none.
    """
    own = getattr(model, "inputs", None)
    if not own:
        yield ports
        return
    names = {name: port for port in ports for name in (port.name, port.keras_name)}
    found = False
    if all(each.name in names for each in own):
        orders: Iterator[tuple[Port, ...]] = iter([tuple(names[each.name] for each in own)])
    else:
        orders = itertools.permutations(ports, len(own))
    for order in itertools.islice(orders, MOST_PAIRINGS):
        fitting = [_fitting(port, each.shape, feeds) for port, each in zip(order, own, strict=True)]
        if None not in fitting:
            found = True
            yield [port for port in fitting if port is not None]
    if not found:
        wanted = ", ".join(f"{each.name} {tuple(each.shape)}" for each in own)
        given = ", ".join(f"{name} {array.shape}" for name, array in feeds.items())
        raise UsageError(
            f"The model takes {wanted}; the source takes {given}.",
            hint="Give the source the model's sizes: --input NAME=float32[batch,3,H,W].",
        )


def _fitting(port: Port, shape: Sequence[int | None], feeds: Mapping[str, Array]) -> Port | None:
    for possible in (port, replace(port, permutation=None)):
        given = possible.to_keras(feeds[port.name]).shape
        if len(given) == len(shape) and all(b is None or a == b for a, b in zip(given, shape, strict=True)):
            return possible
    return None


def chosen_outputs(model: Any, outputs: Sequence[ir.Value]) -> list[int]:
    """For each output of the model the place of the source's.

    Raises:
        UsageError: the source has none that could be it.
    """
    own = getattr(model, "outputs", None)
    if not own:
        return list(range(len(outputs)))
    if (named := _by_name(model, outputs)) is not None:
        return named
    places: list[int] = []
    for each in own:
        free = (place for place in range(len(outputs)) if place not in places)
        place = next((place for place in free if _could_be(outputs[place], each)), None)
        if place is None:
            raise UsageError(
                f"The model gives {', '.join(str(tuple(y.shape)) for y in own)}; the source gives "
                f"{', '.join(f'{y.name} {y.shape}' for y in outputs)}.",
                hint="Take the source without its head, or with the same one: --model-arg NAME=VALUE.",
            )
        places.append(place)
    return places


def _could_be(output: ir.Value, own: Any) -> bool:
    """Whether the known sizes are the same, in any order: axes may be turned."""
    if output.shape is None or len(output.shape) != len(own.shape):
        return False
    theirs = sorted(size for size in list(output.shape)[1:] if isinstance(size, int))
    ours = sorted(size for size in own.shape[1:] if size is not None)
    return ours == theirs or len(ours) != len(theirs)


def _by_name(model: Any, outputs: Sequence[ir.Value]) -> list[int] | None:
    names = [output.name for output in outputs]
    own = list(getattr(model, "output_names", ()))
    return [names.index(name) for name in own] if own and set(own) == set(names) else None
