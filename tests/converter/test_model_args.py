"""--model-arg: what it reads, and where it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.model_args import parse_model_args
from converter.sources import load
from passes.errors import UsageError
from tests.conftest import Keraport
from tests.zoo import needs

FACTORY = """
import torchvision  # whose compiled operators may be missing
from torch import nn

def build(num_classes=3, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(12, num_classes, bias=bias))
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=10", 10),
        ("a=0.5", 0.5),
        ("a=True", True),
        ("a=none", None),
        ("a=[1, 2]", [1, 2]),
        ("a=gelu", "gelu"),
        ("a=b=c", "b=c"),
        ("a=", ""),
        ("a='7'", "7"),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse_model_args([text]) == {"a": value}


@pytest.mark.parametrize("texts", [["a"], ["=3"], ["a b=3"], ["a=1", "a=2"]])
def test_what_cannot_be_read(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="model argument"):
        parse_model_args(texts)


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_net.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_net", raising=False)
    return "my_net:build"


def test_a_factory(factory: str) -> None:
    source = load(factory, inputs=["x=float32[batch,3,4]"], model_args={"num_classes": 5, "bias": False})
    assert source.model.graph.outputs[0].shape[1] == 5 and source.name == "my_net"
    with pytest.raises(UsageError, match="my_net:build takes no argument 'classes'") as caught:
        load(factory, inputs=["x=float32[batch,3,4]"], model_args={"classes": 5})
    assert caught.value.hint == "It takes num_classes, bias."


def test_a_named_model(keraport: Keraport, tmp_path: Path) -> None:
    needs("torchvision")
    arguments = ["torchvision:squeezenet1_1", "--random-weights", "0", "--no-verify", "--model-arg", "num_classes=7"]
    assert keraport("convert", *arguments, "-o", tmp_path / "net.keras").code == 0
    ran = keraport("convert", *arguments[:-1], "classes")
    assert ran.code == 1 and "cannot be read" in ran.err
    with pytest.raises(UsageError, match=r"cannot be built with klasses=3.*klasses"):
        converter.convert("torchvision:vgg11", random_weights=0, model_args={"klasses": 3, "dropout": 0.1})


def test_a_factory_that_imports_torchvision_by_itself(factory: str, tmp_path: Path) -> None:
    """In a process in which nobody has imported it."""
    needs("torchvision")
    code = f"from converter.sources import load; load({factory!r}, inputs=['x=float32[batch,3,4]'])"
    root = str(Path(converter.__file__).parents[1])
    environment = {"PYTHONPATH": root, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
