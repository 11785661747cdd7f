"""The one form of registry: a function says with a decorator for which operators it answers a question.

    RULES: Registry[str, Rule] = Registry("shape rules")

    @RULES.register("Conv", "MaxPool")
    def _windowed(...): ...

Each question has its own: shapes, numbers, layout, emission, opsets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Registry(dict[K, T]):
    """Operator → the one that answers.

    Args:
        answers: what they are called, for the message about two of them.
    """

    def __init__(self, answers: str) -> None:
        super().__init__()
        self._answers = answers

    def register(self, *operators: K) -> Callable[[T], T]:
        """Add one under operators, written as `Conv` or `keraport::Dense`.

        Raises:
            ValueError: there is one already.
        """

        def add(answer: T) -> T:
            for operator in operators:
                if operator in self:
                    raise ValueError(f"There are two {self._answers} for {operator}.")
                self[operator] = answer
            return answer

        return add
