"""A model that is computed in turns: ONNX' Loop and Scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraport.layers.tensors import as_list, called, read_model


@keras.saving.register_keras_serializable(package="keraport")
class Loop(keras.layers.Layer):
    """[most?, condition?, states …, wholes …, given …] → [states …, rows …], by turns of `body`.

    The body takes the turn, counted from 0 as int64, the states, the row of each whole (along its first axis) and what
    is given, the same in each turn. It returns whether to go on, if `conditional`, the states of the next turn, and
    rows, which are gathered along a new first axis. States keep their shapes.

    JAX does not compile a loop that is both `conditional` and gathers rows, since numbers say how many there are, and
    has no gradients of loops.

    Args:
        body: a Functional model.
        states: how many tensors go from turn to turn.
        scanned: how many inputs are gone along, all as long as the first; there are as many turns.
        turns: the most turns; None where an input, or the condition alone, says it.
        has_most: whether the first input is the most turns.
        has_condition: whether the next one says if there is a first turn.
        conditional: whether the body says if there is another turn.
        backwards: for each whole, whether the last row comes first; all forwards by default.
        gathered_backwards: likewise for the rows.
    """

    def __init__(
        self,
        body: keras.Model,
        states: int = 0,
        scanned: int = 0,
        turns: int | None = None,
        has_most: bool = False,
        has_condition: bool = False,
        conditional: bool = False,
        backwards: Sequence[bool] = (),
        gathered_backwards: Sequence[bool] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(body, keras.Model):
            raise ValueError(f"body must be a Keras model. Received: {type(body).__name__}")
        self.body = body
        self.states, self.scanned = int(states), int(scanned)
        self.turns = None if turns is None else int(turns)
        self.has_most, self.has_condition = bool(has_most), bool(has_condition)
        self.conditional = bool(conditional)
        rows = len(body.outputs) - self.conditional - self.states
        if not 0 <= self.states + self.scanned <= len(body.inputs) - 1 or rows < 0:
            raise ValueError(f"The body has {len(body.inputs)} inputs, fewer than the turn, the states and the rows.")
        self.backwards = tuple(bool(back) for back in backwards) or (False,) * self.scanned
        self.gathered_backwards = tuple(bool(back) for back in gathered_backwards) or (False,) * rows
        self.built = True

    def call(self, inputs: Any) -> list[Any]:
        values = as_list(inputs)
        most: Any = ops.reshape(values.pop(0), ()) if self.has_most else self.turns
        goes_on = _flag(values.pop(0) if self.has_condition else True)
        states, wholes = values[: self.states], values[self.states : self.states + self.scanned]
        given = values[self.states + self.scanned :]
        if wholes:
            most = ops.shape(wholes[0])[0]
        if most is not None:
            most = ops.maximum(ops.cast(most, "int32"), 0)

        def another(turn: Any, goes_on: Any, *_: Any) -> Any:
            return goes_on if most is None else ops.logical_and(goes_on, ops.less(turn, most))

        def take_turn(turn: Any, goes_on: Any, *held: Any) -> tuple[Any, ...]:
            results = self._turn(turn, held[: self.states], self._rows(wholes, turn, most), given)
            after = _flag(results.pop(0)) if self.conditional else goes_on
            kept = [_like(new, old) for new, old in zip(results, held[: self.states], strict=False)]
            gathered = [
                self._put(buffer, row, most - 1 - turn if back else turn)
                for buffer, row, back in zip(
                    held[self.states :], results[self.states :], self.gathered_backwards, strict=True
                )
            ]
            return (turn + 1, after, *kept, *gathered)

        buffers = self._room(most, states, wholes, given)
        start = (ops.cast(0, "int32"), goes_on, *map(ops.convert_to_tensor, states), *buffers)
        turn, _, *held = ops.while_loop(another, take_turn, start)
        rows = [buffer[:turn] for buffer in held[self.states :]] if self.conditional else held[self.states :]
        return [*held[: self.states], *rows]

    def _turn(self, turn: Any, states: Sequence[Any], rows: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        return called(self.body, [ops.cast(turn, self.body.inputs[0].dtype), *states, *rows, *given])

    def _rows(self, wholes: Sequence[Any], turn: Any, most: Any) -> list[Any]:
        places = (most - 1 - turn if back else turn for back in self.backwards)
        return [ops.take(whole, place, axis=0) for whole, place in zip(wholes, places, strict=True)]

    def _put(self, buffer: Any, row: Any, place: Any) -> Any:
        return _like(ops.scatter_update(buffer, ops.reshape(place, (1, 1)), ops.expand_dims(row, 0)), buffer)

    def _room(self, most: Any, states: Sequence[Any], wholes: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        """Room for a row of every turn. Where a size of a row is open, a turn on zeros tells it."""
        rows = self.body.outputs[self.conditional + self.states :]
        shapes: list[Any] = [row.shape for row in rows]
        if any(size is None for shape in shapes for size in shape):
            blank = [ops.zeros(ops.shape(whole)[1:], whole.dtype) for whole in wholes]
            found = self._turn(0, list(map(ops.zeros_like, states)), blank, given)
            shapes = [ops.shape(row) for row in found[self.conditional + self.states :]]
        return [ops.zeros((most, *shape), row.dtype) for shape, row in zip(shapes, rows, strict=True)]

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        values = as_list(inputs)
        first = self.has_most + self.has_condition
        states = values[first : first + self.states]
        count = values[first + self.states].shape[0] if self.scanned else self.turns
        if self.conditional or self.has_most:
            count = None
        rows = self.body.outputs[self.conditional + self.states :]
        return [
            *(keras.KerasTensor(state.shape, state.dtype) for state in states),
            *(keras.KerasTensor((count, *row.shape), row.dtype) for row in rows),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "body": keras.saving.serialize_keras_object(self.body),
            "states": self.states,
            "scanned": self.scanned,
            "turns": self.turns,
            "has_most": self.has_most,
            "has_condition": self.has_condition,
            "conditional": self.conditional,
            "backwards": self.backwards,
            "gathered_backwards": self.gathered_backwards,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loop:
        return cls(**{**config, "body": read_model(config.get("body"))})


def _flag(value: Any) -> Any:
    return ops.reshape(ops.cast(value, "bool"), ())


def _like(new: Any, old: Any) -> Any:
    """The same numbers with the type and, where that is known, the shape that the loop holds them with."""
    return ops.reshape(ops.cast(new, old.dtype), ops.shape(old))
