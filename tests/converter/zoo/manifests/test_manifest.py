"""Manifests: what a good one gives, and one message with file and line for every way to be bad."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from converter.zoo.manifests.manifest import read
from converter.zoo.records.entry import Entry, folder_name
from passes.errors import UsageError

NAMED = '[[model]]\nsource = "torchvision:resnet18"\nrandom_weights = true\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def entries(text: str | bytes, file: str = "zoo.toml", **options: Any) -> list[Entry]:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read([Path(file)], **options)


def refusal(text: str | bytes, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        entries(text, **options)
    return caught.value


def touch(*files: str) -> None:
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()


def test_every_key(place: Path) -> None:
    touch("weights.pt")
    [entry] = entries(
        """
        [[model]]
        name = "ResNet-20"
        source = "nets:resnet20"
        checkpoint = "weights.pt"
        inputs = ["x=float32[batch,3,32,32]"]
        options = { layout = "source", structure = "flat", fold_batchnorm = true, trust = true, max_bytes = 1000 }
        tolerance = { rtol = 1e-3, atol = 0 }
        tags = ["cnn", "cifar"]
        license = "MIT"
        expected = "unsupported"
        """
    )
    assert entry == Entry(
        name="ResNet-20",
        source="nets:resnet20",
        checkpoint="weights.pt",
        inputs=("x=float32[batch,3,32,32]",),
        options={
            "layout": "source", "structure": "flat", "fold_batchnorm": True, "trust": True, "max_bytes": 1000
        },
        tolerance={"rtol": 1e-3, "atol": 0},
        tags=("cnn", "cifar"),
        license="MIT",
        expected="unsupported",
        folder=str(place),
    )  # fmt: skip


def test_what_may_be_left_out(place: Path) -> None:
    [entry] = entries(NAMED)
    name = "torchvision:resnet18"
    assert entry == Entry(name=name, source=name, random_weights=True, folder=str(place))


@pytest.mark.usefixtures("place")
def test_a_tolerance_that_is_a_number_is_rtol() -> None:
    [entry] = entries(NAMED + "tolerance = 1e-3\n")
    assert entry.tolerance == {"rtol": 1e-3, "atol": pytest.approx(1e-4)}


@pytest.mark.usefixtures("place")
def test_several_manifests_in_order() -> None:
    entries('[[model]]\nsource = "nets:b"\n[[model]]\nsource = "nets:a"\n', "one.toml")
    entries('[[model]]\nsource = "nets:c"\n', "two.toml")
    assert [entry.name for entry in read([Path("two.toml"), Path("one.toml")])] == ["nets:c", "nets:b", "nets:a"]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("text", [NAMED.replace("\n", "\r\n"), "\ufeff" + NAMED], ids=["crlf", "byte order mark"])
def test_what_editors_write(text: str) -> None:
    assert [entry.name for entry in entries(text)] == ["torchvision:resnet18"]


def test_urls_are_left_as_they_are(place: Path) -> None:
    [one, two, three] = entries(
        'folder = "."\n'
        '[[model]]\nsource = "s3://bucket/a.onnx"\n'
        '[[model]]\nsource = "nets:a"\ncheckpoint = "hf://owner/repository/a.safetensors"\n'
        '[[model]]\nsource = "transformers:gs://bucket/bert"\n'
    )
    assert (one.source, two.checkpoint, three.source) == (
        "s3://bucket/a.onnx", "hf://owner/repository/a.safetensors", "transformers:gs://bucket/bert"
    )  # fmt: skip
    assert {entry.folder for entry in (one, two, three)} == {str(place)}


def test_paths_start_at_the_manifest(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("zoo/nets/a.onnx", "b.onnx", "zoo/saved/bert/config.json", "elsewhere/x")
    monkeypatch.chdir(place / "elsewhere")
    text = (
        '[[model]]\nsource = "nets/a.onnx"\n[[model]]\nsource = "transformers:saved/bert"\n'
        f"[[model]]\nsource = '{place / 'b.onnx'}'\n"
    )
    found = entries(text, "../zoo/zoo.toml")
    assert [entry.source for entry in found] == ["nets/a.onnx", "transformers:saved/bert", str(place / "b.onnx")]
    assert {entry.folder for entry in found} == {str(place / "zoo")}


def test_in_a_package_paths_and_modules_start_above_it(place: Path) -> None:
    touch("outer/__init__.py", "outer/models/__init__.py", "outer/models/w.pt", "outer/models/a.onnx")
    text = '[[model]]\nsource = "outer.models.nets:a"\ncheckpoint = "w.pt"\n[[model]]\nsource = "a.onnx"\n'
    [one, two] = entries(text, "outer/models/zoo.toml")
    assert one.folder == two.folder == str(place)
    assert one.checkpoint == "outer/models/w.pt"
    assert (two.name, two.source) == ("a.onnx", "outer/models/a.onnx")


def test_a_folder_of_files(place: Path) -> None:
    touch("files/a.onnx", "files/w.pt", "other/a.onnx", "other/w.pt")
    text = 'folder = "../files"\n[[model]]\nsource = "a.onnx"\n[[model]]\nsource = "nets:a"\ncheckpoint = "w.pt"\n'
    [one, two] = entries(text, "zoo/zoo.toml")
    assert one.folder == two.folder == str(place / "zoo")
    assert (one.name, one.source, two.checkpoint) == ("a.onnx", "../files/a.onnx", "../files/w.pt")
    [one, two] = read([Path("zoo/zoo.toml")], folder=Path("other"))
    assert (one.name, one.source, two.checkpoint) == ("a.onnx", "../other/a.onnx", "../other/w.pt")


@pytest.mark.usefixtures("place")
def test_files_need_not_be_there_to_be_listed() -> None:
    text = 'folder = "nowhere"\n[[model]]\nsource = "a.onnx"\n[[model]]\nsource = "nets:a"\ncheckpoint = "w.pt"\n'
    assert [entry.source for entry in entries(text, check_files=False)] == ["nowhere/a.onnx", "nets:a"]


TWO = '# two\n\n[[model]]\nsource = "nets:a"\n\n[[model]]\nsource = "nets:b"\n'
BAD = {
    "unknown key": (
        TWO + '\nchekpoint = "a.pt"\n', 9, "Unknown key 'chekpoint'.", "Did you mean checkpoint?"),
    "unknown key at the top": (
        'defaults = 1\n' + TWO, 1, "Unknown key 'defaults'.", "Known: folder, model."),
    "unknown key in a table of its own": (
        TWO + "[model.option]\n", 8, "Unknown key 'option'.", "Did you mean options?"),
    "name is no text": (
        TWO + "name = 3\n", 8, "name must be text, of one line and not empty. Received: 3.", None),
    "name is empty": (
        TWO + 'name = " "\n', 8, "name must be text, of one line and not empty. Received: ' '.", None),
    "name of two lines": (
        TWO + 'name = "a\\nb"\n', 8, "name must be text, of one line and not empty. Received: 'a\\nb'.", None),
    "inputs are no list": (
        TWO + 'inputs = "x=float32[1]"\n', 8, 'inputs must be a list of specifications, such as '
        '["x=float32[batch,3,224,224]"]. Received: \'x=float32[1]\'.', None),
    "random_weights is a seed": (
        TWO + "random_weights = 1\n", 8, "random_weights must be true or false. Received: 1.", None),
    "tags are no words": (
        TWO + "tags = [\n1\n]\n", 8, 'tags must be a list of words, such as ["cnn"]. Received: [1].', None),
    "options are a list": (
        TWO + "options = []\n", 8, 'options must be a table, such as { layout = "source" }. Received: [].', None),
    "tolerance is true": (
        TWO + "tolerance = true\n", 8, "tolerance must be a number, or { rtol = 1e-4, atol = 1e-5 }. Received: true.",
        None),
    "tolerance is not finite": (
        TWO + "tolerance = nan\n", 8, "tolerance must be a number, or { rtol = 1e-4, atol = 1e-5 }. Received: nan.",
        None),
    "tolerance is half of a table": (
        TWO + "tolerance = { rtol = 1 }\n", 8,
        "tolerance must be a number, or { rtol = 1e-4, atol = 1e-5 }. Received: {'rtol': 1}.", None),
    "unknown option": (
        TWO + '[model.options]\n# so\nlayuot = "source"\n', 10, "Unknown key 'layuot'.", "Did you mean layout?"),
    "an option that is no matter of a manifest": (
        TWO + "options = { verify = false }\n", 8, "Unknown key 'verify'.",
        "Known: layout, structure, fold_batchnorm, trust, max_bytes."),
    "unknown layout": (
        TWO + 'options.layout = "nchw"\n', 8, "layout must be one of channels_last, source. Received: 'nchw'.", None),
    "a layout that is a list": (
        TWO + "options.layout = [1]\n", 8, "layout must be one of channels_last, source. Received: [1].", None),
    "max_bytes is true": (
        TWO + "options.max_bytes = true\n", 8, "max_bytes must be a number of bytes. Received: true.", None),
    "unknown status": (
        TWO + 'expected = "verifed"\n', 8, "There is no status 'verifed'.", "Did you mean verified?"),
    "input that cannot be read": (
        TWO + 'inputs = [\n  "x=float32[1]",\n  "y=float[1]",\n]\n', 10,
        "Input specification 'y=float[1]': unknown type 'float'.", ...),
    "an input twice": (
        TWO + 'inputs = [\n  "x=float32[1]",\n  "x=float32[1]",\n]\n', 10, "Input 'x' is specified 2 times.", None),
    "no source": (
        TWO + '[[model]]\nname = "c"\n', 8, "This model has no source.", 'Write source = "torchvision:resnet18".'),
    "same name": (
        TWO + 'name = "nets:a"\n', 8, "The name 'nets:a' is taken: zoo.toml:4.", "Give one of the two another name."),
    "same source": (
        TWO + TWO, 11, "The name 'nets:a' is taken: zoo.toml:4.", "Give one of the two another name."),
    "same output": (
        TWO + 'name = "nets-a"\n', 8,
        "'nets-a' and 'nets:a' (zoo.toml:4) would both write to the folder nets-a.",
        "Give one of the two another name."),
    "a name of nothing but signs": (
        TWO + 'name = "…"\n', 8, "The name '…' has no letter and no digit: no folder can be called by it.", None),
    "a name that is too long": (
        TWO + f'name = "{"a" * 201}"\n', 8,
        f"The name {'a' * 201!r} has more than 200 characters: no folder can be called by it.", None),
    "no such checkpoint": (
        TWO + 'checkpoint = "a.pt"\n', 8, "There is no checkpoint 'a.pt' in {place}.", None),
    "no such file": (
        TWO + '[[model]]\nsource = "a.onnx"\n', 9, "There is no file 'a.onnx' in {place}.", None),
    "no such folder of transformers": (
        TWO + '[[model]]\nsource = "transformers:bert"\n', 9,
        "There is no folder '{place}/bert'; models are not downloaded.", None),
    "no such folder of files": (
        '\nfolder = "files"\n' + TWO, 2, "There is no folder '{place}/files'.",
        "The files of these models are looked for there."),
    "no source of any kind": (
        TWO + '[[model]]\nsource = "resnet18"\n', 9, "'resnet18' is no source, and no folder in {place}.", ...),
    "a library's model without weights": (
        TWO + '[[model]]\nsource = "timm:vgg11"\n', 9, "timm:vgg11 needs weights; none are downloaded.",
        "Give it random_weights = true, or a checkpoint."),
    "two kinds of weights": (
        TWO + 'checkpoint = "a.pt"\nrandom_weights = true\n', 9, "A checkpoint and random weights exclude each other.",
        "Leave one of them out."),
    "weights for what has its own": (
        '[[model]]\nsource = "a.onnx"\nrandom_weights = true\n', 3, "a.onnx has its own weights.",
        "Leave random_weights out."),
    "wildcard that matches no file": (
        TWO + '[[model]]\nsource = "onnx/*.onnx"\n', 9,
        "onnx/*.onnx matches nothing that is a model (.onnx, .pt2, .pt, .pth, .th, .ckpt, .bin, .safetensors) in "
        "{place}.", None),
    "wildcard in a URL": (
        TWO + '[[model]]\nsource = "s3://bucket/*.onnx"\n', 9,
        "s3://bucket/*.onnx: wildcards are not looked up in remote storage.", "Name each model."),
    "exclude without a wildcard": (
        TWO + 'exclude = ["a"]\n', 8, "nets:b is one model: there is nothing to exclude.", "Leave exclude out."),
    "model is a number": (
        "model = 3\n", 1, "model must be tables, each headed [[model]]. Received: 3.", None),
    "model is one table": (
        "\n[model]\n", 2, "model must be tables, each headed [[model]]. Received: {}.", None),
    "models that are no tables": (
        "model = [\n{ source = 'nets:a' },\n3,\n]\n", 3, "A model must be a table. Received: 3.", None),
    "no model": (
        "# nothing\n", 1, "There is no model in this manifest.", "Each is a table headed [[model]]."),
    "not TOML": (
        TWO + "name = \n", 8, "Not TOML: Invalid value, at column 8.", None),
    "not TOML at the end": (
        TWO + 'name = """', 8, "Not TOML: Unterminated string, at the end of the file.", None),
    "a number that is too long": (
        "a = " + "1" * 5000, 1, ..., None),
    "nested too deeply": (
        "a = " + "[" * 5000 + "]" * 5000, 1, "The manifest is nested too deeply.", None),
    "not UTF-8": (
        b"# one\n# \xff\n", 2, "The manifest is not UTF-8 text.", None),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_manifest(case: str, place: Path) -> None:
    text, line, message, hint = BAD[case]
    error = refusal(text)
    where, _, said = error.message.partition(": ")
    assert where == f"zoo.toml:{line}", error.message
    if message is not ...:
        assert said == message.replace("{place}", str(place))
    if hint is not ...:
        assert error.hint == hint


@pytest.mark.usefixtures("place")
def test_a_name_in_two_manifests() -> None:
    entries(TWO, "one.toml")
    entries("\n" + TWO, "two.toml")
    with pytest.raises(UsageError) as caught:
        read([Path("one.toml"), Path("two.toml")])
    assert caught.value.message == "two.toml:5: The name 'nets:a' is taken: one.toml:4."


@pytest.mark.usefixtures("place")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_manifest_that_may_not_be_read() -> None:
    touch("zoo.toml")
    Path("zoo.toml").chmod(0)
    with pytest.raises(UsageError, match=r"'zoo\.toml' cannot be read: Permission denied"):
        read([Path("zoo.toml")])


def test_no_manifest(place: Path) -> None:
    with pytest.raises(UsageError, match=r"'zoo\.toml' does not exist"):
        read([Path("zoo.toml")])


def test_files_and_folders_of_models_are_manifests_of_their_own(place: Path) -> None:
    for name in ("onnx/a.onnx", "onnx/deep/b.onnx", "c.onnx"):
        (place / name).parent.mkdir(exist_ok=True)
        touch(name)
    entries = read([place / "onnx", place / "c.onnx"])
    assert [entry.name for entry in entries][-1] == "c.onnx" and len(entries) >= 2
    assert {entry.expected for entry in entries} == {"verified"}
    (place / "none").mkdir()
    with pytest.raises(UsageError, match="none matches nothing"):
        read([place / "none"])


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("torchvision:resnet18", "torchvision-resnet18"),
        ("digits (ships with keraport)", "digits-ships-with-keraport"),
        ("onnx/a.onnx", "onnx-a.onnx"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", ""),
        ("ResNet_20.v1", "ResNet_20.v1"),
        ("größe", "gr-e"),
    ],
)
def test_folder_name(name: str, folder: str) -> None:
    assert folder_name(name) == folder
