"""The line finder against tomllib: it finds every place that tomllib has, on the line where it was written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.zoo.manifests.toml_lines import Place, locate

Written = tuple[str, dict[Place, int]]
"""A value's text, and the places inside of it with their lines, counted from the value's own."""

TRAPS = ["[[model]]", "\n[[model]]\n", "# no comment", 'name = "x"', "'''", '"""', "\\", "]", "}", ",", "\n", "a", " "]
texts = st.lists(st.sampled_from(TRAPS), max_size=5).map("".join)


def basic(text: str) -> str:
    for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(char, escaped)
    return f'"{text}"'


def basic_lines(text: str) -> str:
    """Up to two quotes in a row need no escape, not even at the end."""
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return f'"""{escaped}"""'


def literal(text: str) -> str:
    return f"'{text}'" if "'" not in text and "\n" not in text else basic(text)


def literal_lines(text: str) -> str:
    return f"'''{text}'''" if "'''" not in text else basic_lines(text)


strings = st.builds(
    lambda write, text: write(text), st.sampled_from([basic, basic_lines, literal, literal_lines]), texts
)
scalars = st.sampled_from(["1", "-2.5e3", "true", "1979-05-27 07:32:00", "07:32:00", "[]", "{}", "''", '""'])
plain = (strings | scalars).map(lambda text: (text, {}))
gaps = st.sampled_from(["", " ", "\n", "\n\n  ", " # ]}\n", ' # """\n\t'])
KEYS = ["a", "b-1", '"c d"', "'e.f'", '"[[model]]"', '"\\u0041\\""', "1979"]


def array(items: list[tuple[str, Written, str]], closing: str) -> Written:
    text, places = "[", {}
    for index, (before, (value, inside), after) in enumerate(items):
        text += before
        line = text.count("\n")
        places[(index,)] = line
        places |= {(index, *place): line + offset for place, offset in inside.items()}
        text += f"{value}{after},"
    return f"{text}{closing}]", places


def inline_table(items: dict[str, Written]) -> Written:
    text, places = "{", {}
    for index, (key, (value, inside)) in enumerate(items.items()):
        text += f"{', ' if index else ' '}{key} = "
        line = text.count("\n")
        places[(read_key(key),)] = line
        places |= {(read_key(key), *place): line + offset for place, offset in inside.items()}
        text += value
    return f"{text} }}", places


def read_key(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 1")))


values: st.SearchStrategy[Written] = st.recursive(
    plain,
    lambda inner: (
        st.builds(array, st.lists(st.tuples(gaps, inner, gaps), max_size=3), gaps)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3).map(inline_table)
    ),
    max_leaves=6,
)
tables = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
between = st.sampled_from(["\n", "\n\n", " # [[model]]\n", "\t# '''\n# name = 1\n"])


@st.composite
def documents(draw: st.DrawFn) -> Written:
    """Some keys, then models, each with an optional table of options and a table array inside."""
    text, places = draw(st.sampled_from(["", "\n", "# [[model]]\n"])), {}

    def assign(place: Place) -> None:
        nonlocal text
        for key, (value, inside) in draw(tables).items():
            prefix = draw(st.sampled_from(["", "dotted."])) if place[-1:] != ("options",) else ""
            line = text.count("\n") + 1
            name = (*place, *(["dotted"] if prefix else []), read_key(key))
            if prefix:
                places.setdefault((*place, "dotted"), line)
            places[name] = line
            text += f"{draw(st.sampled_from(['', '  ']))}{prefix}{key} = "
            places.update({(*name, *rest): line + offset for rest, offset in inside.items()})
            text += value + draw(between)

    def head(header: str, *new: Place) -> None:
        nonlocal text
        for place in new:
            places.setdefault(place, text.count("\n") + 1)
        text += header + draw(between)

    assign(())
    for index in range(draw(st.integers(0, 3))):
        head(draw(st.sampled_from(["[[model]]", "[[ model ]]", '[["model"]]'])), ("model",), ("model", index))
        assign(("model", index))
        if draw(st.booleans()):
            head(draw(st.sampled_from(["[model.options]", "[ model . options ]"])), ("model", index, "options"))
            assign(("model", index, "options"))
        for step in range(draw(st.integers(0, 2))):
            head("[[model.steps]]", ("model", index, "steps"), ("model", index, "steps", step))
            assign(("model", index, "steps", step))
    return text, places


def walk(value: Any, place: Place = ()) -> set[Place]:
    """Every place in what tomllib returns."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {place} if place else set()
    for key, item in pairs:
        found |= walk(item, (*place, key))
    return found


@given(documents(), st.booleans())
def test_every_place_is_found_on_its_line(document: Written, windows: bool) -> None:
    text, places = document
    text = text.replace("\n", "\r\n") if windows else text
    found = locate(text)
    assert found.keys() == walk(tomllib.loads(text))
    assert found == places


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", {}),
        ("a = 1", {("a",): 1}),
        ("\n[[model]]", {("model",): 2, ("model", 0): 2}),
        ("[a.b]\n[a]\nc = 1", {("a",): 2, ("a", "b"): 1, ("a", "c"): 3}),
        ('a = """""\nx""""" # b = 1\nb = 2', {("a",): 1, ("b",): 3}),
        ("a = ''''\n'''''\nb = 2", {("a",): 1, ("b",): 3}),
    ],
)
def test_places(text: str, places: dict[Place, int]) -> None:
    tomllib.loads(text)
    assert locate(text) == places
