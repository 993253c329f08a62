"""Weights of safetensors files in a model: what is read, what is refused, what is matched with what."""

import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.interop.detection import BY_SUFFIX
from chainrule.interop.matching import match

LAYERS = [cr.Conv2D(4, 3), cr.BatchNorm2D(), cr.ReLU(), cr.Conv2D(4, 3), cr.BatchNorm2D(), cr.Flatten(), cr.Dense(3)]
NAMES = {"conv1": "0", "norm1": "1", "conv2": "3", "norm2": "4", "dense1": "6"}
KINDS = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias", "running_variance": "running_var"}


def model(seed: int = 0) -> cr.Sequential:
    made = cr.Sequential(LAYERS, (2, 8, 8), seed=seed, engine="numpy")
    random = np.random.default_rng(seed)
    made.set_weights({name: random.uniform(0.5, 1.5, value.shape) for name, value in made.weights.items()})
    return made


def theirs(weights: Any) -> dict[str, Any]:
    """Return weights under the names that PyTorch would give them."""
    result = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        result[f"{NAMES[layer]}.{KINDS.get(kind, kind)}"] = np.ascontiguousarray(value)
    return result


def test_weights_of_any_floating_type(tmp_path: Path) -> None:
    """Small whole numbers are exact in all types of PyTorch, of which NumPy lacks bfloat16."""
    torch = pytest.importorskip("torch")
    save_tensors = pytest.importorskip("safetensors.torch").save_file
    draw, target = np.random.default_rng(4), model(2)
    for kind in ("float64", "float32", "float16", "bfloat16"):
        values = {name: draw.integers(-99, 99, value.shape) for name, value in theirs(target.weights).items()}
        tensors = {name: torch.tensor(value).to(getattr(torch, kind)) for name, value in values.items()}
        save_tensors({**tensors, "1.num_batches_tracked": torch.tensor(7)}, tmp_path / "w.safetensors")
        for weights in (tmp_path / "w.safetensors", {name: value.float() for name, value in tensors.items()}):
            actual = target.load_weights(weights, NAMES)
            assert [*actual] == [*target.weights]
            for parameter, tensor in actual.items():
                assert [*theirs({parameter: 0})] == [tensor]
                assert_array_equal(target.weights[parameter], values[tensor])


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "w"])
def test_files_of_torch_save_are_refused_with_the_line_that_writes_safetensors(name: str, tmp_path: Path) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("w/data.pkl", pickle.dumps({}, 2))
    for content in (archive.getvalue(), pickle.dumps({"a": 1}, 2)):
        (tmp_path / name).write_bytes(content)
        for read in (cr.load, model().load_weights):
            with pytest.raises(FormatError, match=r"safetensors\.torch\.save_file\(model\.state_dict\(\)"):
                read(tmp_path / name)


def test_constants_that_import_inserts_keep_their_values_and_take_no_name(tmp_path: Path) -> None:
    layers = [cr.FixedAffine(), cr.Conv2D(4, 3), cr.FixedAffine("element"), cr.Conv2D(2, 3)]
    target = cr.Sequential(layers, (2, 8, 8), engine="numpy")
    target.set_weights({name: np.full(value.shape, 2.0) for name, value in target.weights.items()})
    shapes = {"first.weight": (4, 2, 3, 3), "first.bias": (4,), "second.weight": (2, 4, 3, 3), "second.bias": (2,)}
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "w.safetensors")
    mapping = {"conv1": "first", "conv2": "second"}
    assert [*target.load_weights(tmp_path / "w.safetensors", mapping).values()] == [*shapes]
    assert (target.parameters == 1).all()
    assert (target.statistics == 2).all()


def test_files_are_recognized_by_their_content(tmp_path: Path) -> None:
    kinds = {
        "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "'import n.*it is text": b"import numpy",
        "it is a page .HTML.": "\ufeff\n\n\n <!DocType html>\n<title>Größe</title>".encode() + b" " * 99,
        "<html lang=.*page .HTML.": b"<html lang='en'>",
        "it is JSON": b'{"message": "Not Found"}',
        "it is XML": b"<?xml version='1.0'?>",
        "b'.x00.x01.*expected one of .onnx": bytes(range(70)),
    }
    for text, content in kinds.items():
        for name in ("some", *((f"some{suffix}" for suffix in BY_SUFFIX) if b"\0" not in content else ())):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(FormatError, match=text):
                cr.load(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as script:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            script.writestr(f"script/{name}", b"")
    with pytest.raises(FormatError, match=r"TorchScript.*torch\.onnx\.export"):
        cr.load(tmp_path / "script.pt")
    model().save(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(tmp_path / "m.onnx")
    assert cr.load(tmp_path / "m.onnx", engine="numpy").names == model().names


@pytest.mark.parametrize("name", ["m.h5", "m.onnx", "m"])
def test_models_are_saved_as_safetensors_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"expected \.safetensors"):
        model().save(tmp_path / name)
    assert not [*tmp_path.iterdir()]


NAMED = ("stem", "encoder", "decoder", "conv1", "conv2", "layer1.0.conv", "layer1.1.conv", "layer2.0.conv", "0.up")
PREFIXES = ("", "module.", "_orig_mod.", "model.", "module._orig_mod.net.", "a_b.1.")


@pytest.mark.parametrize("seed", range(20))
def test_layers_of_equal_shapes_are_matched_by_name_only(seed: int) -> None:
    """In any order, with prefixes on either side; other names are refused."""
    random = Random(seed)
    names = random.sample(NAMED, 7)
    own, there = random.choice(PREFIXES).replace(".", "_"), random.choice(PREFIXES)
    sizes = {name: random.choice([(4, 4, 3, 3), (4, 4, 1, 1), (4, 4)]) for name in names}
    mine = {f"{own}{name.replace('.', '_')}.w": sizes[name] for name in names}
    files = {f"{there}{name}.weight": sizes[name] for name in random.sample(names, 7)}
    expected = {f"{own}{name.replace('.', '_')}.w": f"{there}{name}.weight" for name in names}
    assert match(mine, files) == expected
    renamed = {name: f"{there}part{number}.weight" for number, name in enumerate(files)}
    unlike = {renamed[name]: shape for name, shape in files.items()}
    with pytest.raises(FormatError, match=r"part.*mapping"):
        match(mine, unlike)
    pairs = {name: renamed[other] for name, other in expected.items()}
    layers = {name.removesuffix(".w"): other.removesuffix(".weight") for name, other in pairs.items()}
    assert match(mine, unlike, pairs) == match(mine, unlike, layers) == pairs
    with pytest.raises(OptionError, match="no such layer"):
        match(mine, unlike, {next(iter(mine)): "other"})


@pytest.mark.parametrize("header", [0x0280, 0x0380, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_or_an_archive(header: int, tmp_path: Path) -> None:
    path, w = tmp_path / "w.safetensors", np.ones((2, 3), np.float32)
    save_file({"dense1.w": w}, path)
    content = path.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(header.to_bytes(8, "little") + content[8:size].ljust(header) + content[size:])
    target = cr.Sequential([cr.Dense(2, bias=False)], (3,), engine="numpy")
    target.load_weights(path)
    assert_array_equal(target.weights["dense1.w"], w)


def test_layers_without_a_counterpart_are_named(tmp_path: Path) -> None:
    target, path = model(), tmp_path / "w.safetensors"
    before = target.parameters.copy()
    tensors = theirs(target.weights)
    for name, text in (("3.bias", "conv2"), ("6.weight", "dense1")):
        save_file({each: value for each, value in tensors.items() if each != name}, path)
        with pytest.raises(FormatError, match=text):
            target.load_weights(path, NAMES)
    save_file({**tensors, "7.weight": np.zeros((5, 5))}, path)
    with pytest.raises(FormatError, match=r"7 \(w 5×5\)"):
        target.load_weights(path, NAMES)
    assert_array_equal(target.parameters, before)
