"""Sources that stand for many: which, in which order, and what is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from converter.sources.by_name import libraries as by_name
from converter.zoo.manifests.manifest import read
from converter.zoo.manifests.wildcards import expand, leave_out
from passes.errors import UsageError
from tests.zoo import needs

MODELS = {
    "torchvision": ["alexnet", "quantized_resnet18", "resnet18", "resnet50", "vgg11"],
    "timm": ["resnet10t", "vit_tiny"],
}
FILES = ["b.onnx", "a.onnx", "sub/c.onnx", "sub/deep/d.PT2", "sub/w.safetensors", "sub/notes.txt", "e[1].onnx"]


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Libraries of a few models; the list of those that were asked for."""
    asked: list[str] = []

    def list_models(zoo: str) -> list[str]:
        asked.append(zoo)
        return MODELS[zoo]

    monkeypatch.setattr(by_name, "list_models", list_models)
    return asked


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("bert", "gpt2"):
        (tmp_path / "saved" / name).mkdir(parents=True)
        (tmp_path / "saved" / name / "config.json").touch()
    (tmp_path / "saved" / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("timm:*", ["timm:resnet10t", "timm:vit_tiny"]),
        ("torchvision:resnet*", ["torchvision:resnet18", "torchvision:resnet50"]),
        (
            "torchvision:*resnet[15]*",
            ["torchvision:quantized_resnet18", "torchvision:resnet18", "torchvision:resnet50"],
        ),
        ("torchvision:vgg1?", ["torchvision:vgg11"]),
    ],
)
@pytest.mark.usefixtures("libraries")
def test_libraries(source: str, found: list[str], tmp_path: Path) -> None:
    assert expand(source, tmp_path) == found


@pytest.mark.parametrize("source", ["timm:resnet10t", "a.onnx", "nets:build", "s3://bucket/a.onnx", "transformers:a"])
def test_what_stands_for_itself(source: str, files: Path, libraries: list[str]) -> None:
    assert expand(source, files) is None
    assert libraries == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("*.onnx", ["a.onnx", "b.onnx", "e[1].onnx"]),
        ("sub/*", ["sub/c.onnx", "sub/w.safetensors"]),
        ("**/*.onnx", ["a.onnx", "b.onnx", "e[1].onnx", "sub/c.onnx"]),
        ("sub/**", ["sub/c.onnx", "sub/deep/d.PT2", "sub/w.safetensors"]),
        ("./[ab].onnx", ["a.onnx", "b.onnx"]),
        ("sub", ["sub/c.onnx", "sub/w.safetensors"]),
        ("sub/", ["sub/c.onnx", "sub/w.safetensors"]),
        ("sub/../sub/deep", ["sub/../sub/deep/d.PT2"]),
        ("e[1].onnx", None),
        ("transformers:saved/*", ["transformers:saved/bert", "transformers:saved/gpt2"]),
        ("transformers:saved/b*/", ["transformers:saved/bert"]),
    ],
)
def test_files(source: str, found: list[str] | None, files: Path) -> None:
    assert expand(source, files) == found


def test_absolute_patterns_give_absolute_paths(files: Path) -> None:
    assert expand(f"{files}/[ab].onnx", files / "sub") == [f"{files}/a.onnx", f"{files}/b.onnx"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("timm:*nothing*", "timm:*nothing* matches nothing among the 2 models of timm."),
        ("*.pt", "*.pt matches nothing that is a model (.onnx, .pt2, "),
        ("saved", "saved matches nothing that is a model (.onnx, .pt2, "),
        ("transformers:sub/*", "transformers:sub/* matches nothing with a config.json in "),
    ],
)
@pytest.mark.usefixtures("libraries")
def test_nothing_matches(source: str, message: str, files: Path) -> None:
    with pytest.raises(UsageError) as caught:
        expand(source, files)
    assert caught.value.message.startswith(message)


def test_leave_out() -> None:
    found = ["timm:a", "timm:ab", "timm:b"]
    assert leave_out("timm:*", found, ["timm:ab", "*:b"]) == ["timm:a"]
    with pytest.raises(UsageError, match=r"timm:c\* matches none of the 3 models of timm:\*") as caught:
        leave_out("timm:*", found, ["timm:a", "timm:c*"])
    assert caught.value.hint == "A pattern is written like a source; one of the models is timm:a."
    with pytest.raises(UsageError, match=r"Every model of timm:\* is excluded"):
        leave_out("timm:*", found, ["timm:*"])


@pytest.mark.usefixtures("libraries")
def test_in_a_manifest(files: Path) -> None:
    manifest = files / "zoo" / "zoo.toml"
    manifest.parent.mkdir()
    manifest.write_text(
        'folder = ".."\n[[model]]\nsource = "torchvision:*"\nrandom_weights = true\nexclude = ["*:quantized_*"]\n'
        'tags = ["image"]\n[[model]]\nsource = "[ab].onnx"\n'
    )
    entries = read([manifest])
    names = ["alexnet", "resnet18", "resnet50", "vgg11"]
    assert [entry.name for entry in entries] == [*(f"torchvision:{name}" for name in names), "a.onnx", "b.onnx"]
    assert [entry.source for entry in entries[-2:]] == ["../a.onnx", "../b.onnx"]
    assert {entry.tags for entry in entries[:4]} == {("image",)}


BAD = {
    "nothing matches": (
        "timm:*_x", "", 2, "timm:*_x matches nothing among the 2 models of timm."),
    "exclude matches nothing": (
        "timm:*", 'exclude = ["timm:x*"]\n', 4, "timm:x* matches none of the 2 models of timm:*."),
    "everything is excluded": (
        "timm:*", 'exclude = ["timm:*"]\n', 4, "Every model of timm:* is excluded."),
    "a name for many": (
        "timm:*", 'name = "a"\n', 4, "timm:* stands for many models, and name is one model's."),
    "a model that a wildcard has had": (
        "timm:*", "[[model]]\nsource = 'timm:vit_tiny'\nrandom_weights = true\n", 5,
        "The name 'timm:vit_tiny' is taken: {manifest}:2."),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("libraries")
def test_bad_wildcards_are_named_with_their_line(case: str, tmp_path: Path) -> None:
    source, more, line, message = BAD[case]
    manifest = tmp_path / "zoo.toml"
    manifest.write_text(f'[[model]]\nsource = "{source}"\nrandom_weights = true\n{more}')
    with pytest.raises(UsageError) as caught:
        read([manifest])
    assert caught.value.message == f"{manifest}:{line}: {message.format(manifest=manifest)}"


def test_a_library_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def list_models(zoo: str) -> list[str]:
        raise UsageError(f"This source needs {zoo}, which is not installed.", hint=f"pip install {zoo}")

    monkeypatch.setattr(by_name, "list_models", list_models)
    manifest = tmp_path / "zoo.toml"
    manifest.write_text('[[model]]\nsource = "timm:*"\nrandom_weights = true\n')
    with pytest.raises(UsageError) as caught:
        read([manifest])
    assert caught.value.message == f"{manifest}:2: This source needs timm, which is not installed."
    assert caught.value.hint == "pip install timm"


def test_nothing_is_imported_without_a_wildcard(tmp_path: Path) -> None:
    (tmp_path / "zoo.toml").write_text('[[model]]\nsource = "timm:resnet10t"\nrandom_weights = true\n')
    code = (
        "import sys; from pathlib import Path; from converter.zoo.manifests.manifest import read; "
        "read([Path(sys.argv[1])]); "
        "assert not {'torch', 'timm', 'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "zoo.toml")], check=True)


def test_the_libraries_own_lists(tmp_path: Path) -> None:
    needs("torchvision", "timm")
    resnets = expand("torchvision:resnet??", tmp_path)
    assert resnets == ["torchvision:resnet18", "torchvision:resnet34", "torchvision:resnet50"]
    assert "timm:resnet18" in (expand("timm:*", tmp_path) or [])
