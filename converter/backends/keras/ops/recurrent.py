"""Recurrent nets: LSTM, GRU, SimpleRNN, and Bidirectional around them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from keras import layers, ops

from converter.backends.keras.build.live_sizes import ones
from converter.backends.keras.build.operands import operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput, with_weights
from converter.backends.keras.nesting.levels import as_list
from converter.backends.keras.ops.spatial.convolution import require_constant
from passes.errors import Unsupported


@op("keraport::LSTM")
def lstm(
    x: Any,
    lengths: Any = None,
    *others: Any,
    activations: tuple[str, ...],
    direction: str,
    hidden_size: int,
    return_sequences: int,
    return_state: int,
    name: str,
) -> Any:
    """y, h, c of each direction."""
    gates, candidate = activations
    returned = _Returned(bool(return_sequences), bool(return_state))
    own = {"activation": candidate, "recurrent_activation": gates, "unit_forget_bias": False}
    return _called(partial(layers.LSTM, hidden_size, **own), x, lengths, others, direction, returned, name)


@op("keraport::GRU")
def gru(
    x: Any,
    lengths: Any = None,
    *others: Any,
    activations: tuple[str, ...],
    direction: str,
    hidden_size: int,
    return_sequences: int,
    return_state: int,
    reset_after: int,
    name: str,
) -> Any:
    """y, h of each direction."""
    gates, candidate = activations
    returned = _Returned(bool(return_sequences), bool(return_state))
    own = {"activation": candidate, "recurrent_activation": gates, "reset_after": bool(reset_after)}
    return _called(partial(layers.GRU, hidden_size, **own), x, lengths, others, direction, returned, name)


@op("keraport::RNN")
def rnn(
    x: Any,
    lengths: Any = None,
    *others: Any,
    activations: tuple[str, ...],
    direction: str,
    hidden_size: int,
    return_sequences: int,
    return_state: int,
    name: str,
) -> Any:
    """y, h of each direction."""
    returned = _Returned(bool(return_sequences), bool(return_state))
    make = partial(layers.SimpleRNN, hidden_size, activation=activations[0])
    return _called(make, x, lengths, others, direction, returned, name)


class _Returned(NamedTuple):
    """What a layer gives: every step or the last one only, and its states."""

    sequences: bool
    state: bool


def _called(
    make: Callable[..., Any],
    x: Any,
    lengths: Any,
    others: tuple[Any, ...],
    direction: str,
    returned: _Returned,
    name: str,
) -> list[Any]:
    """The layer, called, as y and the states.

    Args:
        make: makes the layer of one direction.
        others: kernel, recurrent kernel and bias of each direction, then the states that each begins with.
    """
    both = direction == "bidirectional"
    count = 6 if both else 3
    others = (*others, *[None] * (count - len(others)))  # a bias that is absent at the end
    weights, states = others[:count], [operand(state, x, name=name) for state in others[count:]]
    require_constant(*weights)
    if x.shape[-1] is None:
        raise Unsupported("A recurrent net over features whose number is known only at run time is not converted.")
    biases = [_bias(weight) for weight in weights[2::3]]
    options = {
        "use_bias": any(bias is not None for bias in biases),
        "return_sequences": returned.sequences,
        "return_state": returned.state,
        "zero_output_for_mask": lengths is not None and returned.sequences,
        "dtype": x.dtype,
    }
    sources = {"kernel": weights[0], "recurrent_kernel": weights[1], "bias": biases[0]}
    call = {"mask": _mask(x, operand(lengths, x, name=name))} if lengths is not None else {}
    if states:
        call["initial_state"] = states
    if both:
        forward = make(name=f"{name}-forward", **options)
        backward = make(name=f"{name}-backward", go_backwards=True, **options)
        layer = layers.Bidirectional(forward, backward_layer=backward, merge_mode="concat", name=name)
        sources = {
            **{f"forward.{key}": source for key, source in sources.items()},
            "backward.kernel": weights[3],
            "backward.recurrent_kernel": weights[4],
            "backward.bias": biases[1],
        }
        owners = {"forward.": layer.forward_layer.cell, "backward.": layer.backward_layer.cell}
    else:
        layer = make(go_backwards=direction == "reverse", name=name, **options)
        owners = {"": layer.cell}
    y, *after = as_list(with_weights(layer, x, call=call, owners=owners, **sources))
    if direction == "reverse" and returned.sequences:
        y = ops.flip(y, 1)  # Keras puts out the last step first
    if lengths is not None:
        y = ops.copy(y)  # without the mask, which Keras would hand on to the next layer, and ONNX does not
    return [y, *after]


def _bias(weight: ConstantInput | None) -> ConstantInput | None:
    """ONNX, and those who export to it, write zeros where there is none."""
    if weight is None or weight.is_of_source or weight.numpy().any():
        return weight
    return None


def _mask(x: Any, lengths: Any) -> Any:
    """True for the steps [B, T] that each row has."""
    steps = ops.cumsum(ones(x, 1)) - 1
    return ops.less(ops.expand_dims(steps, 0), ops.expand_dims(ops.cast(lengths, "int32"), 1))
