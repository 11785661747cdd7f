"""The one form of registry."""

from __future__ import annotations

import pytest

from passes.registry import Registry


def test_a_second_answer_is_a_mistake() -> None:
    answers: Registry[str, int] = Registry("numbers")
    assert answers.register("a", "b")(1) == 1
    assert dict(answers) == {"a": 1, "b": 1}
    with pytest.raises(ValueError, match="There are two numbers for b"):
        answers.register("c", "b")(2)
