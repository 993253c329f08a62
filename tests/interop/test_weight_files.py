"""Weights of PyTorch and safetensors files in a model: what is read, what is refused, what is matched with what."""

import pickle
import zipfile
from argparse import Namespace
from collections import Counter, defaultdict, deque
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from fuzz.formats.torch_files import STORAGES, Harmful, archive, legacy, pickled, state
from interop.keras_models import channels_first, filled, keras, predicted, saved
from numerical import assert_close
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.interop.detection import BY_SUFFIX
from chainrule.interop.matching import match
from chainrule.interop.torch import read_state

L = keras.layers
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
        torch.save(tensors, tmp_path / "w.pt")
        for name in ("w.safetensors", "w.pt"):
            actual = target.load_weights(tmp_path / name)
            assert [*actual] == [*target.weights]
            for parameter, tensor in actual.items():
                assert [*theirs({parameter: 0})] == [tensor]
                assert_array_equal(target.weights[parameter], values[tensor])


def test_a_state_dictionary_and_a_checkpoint(tmp_path: Path) -> None:
    whole = np.arange(24, dtype=np.float32)
    loss, moments = state(shape=(), strides=())["conv.weight"], {"state": {0: state(), 1: state()}}
    others: dict[Any, Any] = {"best": np.float64(0.9), "loss": loss, "optimizer": moments, "ema": {"decay": loss}}
    others |= {"path": tmp_path, "options": Namespace(rate=0.1, folder=tmp_path), "losses": np.arange(5.0), (1, 2): 3}
    others |= {"curves": defaultdict(list, a=[1]), "when": datetime.now(), "recent": deque([1, 2], 3), "ids": {1, 2}}
    others |= {"names": frozenset("ab"), "counts": Counter("aab"), "large": 2**3000, "raw": bytearray(b"c"), "z": 2j}
    checkpoint = pickled({**others, "state_dict": state()})
    contents = *(pickled({**others, "net": state()}, protocol) for protocol in (2, 3, 4, 5)), checkpoint
    archives = [archive(content, STORAGES) for content in (pickled(state()), pickled(state(), 4), *contents)]
    shared = state()
    several: tuple[Any, ...] = (
        *({"model": state(), "model_ema": state()}, {"run": {"model": state(), "ema": state()}}),
        *([state()], {"a": shared, "b": [shared]}),
    )
    archives += [archive(pickled(value), STORAGES) for value in several]
    for content in (*archives, legacy(checkpoint, STORAGES)):
        (tmp_path / "s.pt").write_bytes(content)
        actual = read_state(tmp_path / "s.pt")
        assert_array_equal(actual["conv.weight"], whole.reshape(4, 6))
        assert_array_equal(actual["conv.turned"], 2 + np.add.outer(np.arange(3), 4 * np.arange(4)))
        assert_array_equal(actual["conv.bias"], np.arange(6.0))
    for value, text in (
        ({"first": state(), "ema": state()}, "'first', 'ema'"),
        ([state(), state()], r"\[0\]', '\[1\]'"),
    ):
        (tmp_path / "s.pt").write_bytes(archive(pickled(value), STORAGES))
        with pytest.raises(FormatError, match=text):
            read_state(tmp_path / "s.pt")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shape": (5, 6)}, "reaches beyond its 24 numbers"),
        ({"strides": (7, 1)}, "reaches beyond"),
        ({"strides": (-1, 1)}, "strides"),
        ({"shape": (2**40, 2**40), "strides": (0, 0)}, "reaches beyond"),
        ({"count": 23}, "24 stored numbers; expected 23"),
        ({"key": "../0"}, "no (member|storage)"),
        ({"kind": "os.system"}, "no storage of its own, or one of an unknown type"),
    ],
)
def test_a_tensor_that_reaches_elsewhere_is_refused(changes: Any, text: str, tmp_path: Path) -> None:
    path = tmp_path / "s.pt"
    for write in (archive, legacy):
        path.write_bytes(write(pickled(state(**changes)), STORAGES))
        with pytest.raises(FormatError, match=text):
            read_state(path)


def test_legacy_storages_may_have_no_view(tmp_path: Path) -> None:
    """Before PyTorch 1.6, references end with the view of a storage; only None, the whole storage, is read."""
    for view in (None, ("0", 0, 6)):
        tensors = state()
        for record in tensors.values():
            record.storage += (view,)
        (tmp_path / "s.pt").write_bytes(legacy(pickled(tensors), STORAGES))
        if view is None:
            actual = read_state(tmp_path / "s.pt")
            assert_array_equal(actual["conv.bias"], np.arange(6.0))
            assert_array_equal(actual["conv.weight"], np.arange(24.0).reshape(4, 6))
        else:
            with pytest.raises(FormatError, match="storage"):
                read_state(tmp_path / "s.pt")


class Called:
    """An object that is made by a call, whose arguments contain tensors."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Namespace, (state(),)


class Network:
    """A network of PyTorch that was saved as an object."""

    def __init__(self) -> None:
        self._parameters, self.more = {"w": state()["conv.weight"]}, [state()]


class NetworkOfCalls:
    """A network of four tensors; a call has three of them as its arguments."""

    def __init__(self) -> None:
        self._parameters, self.more = {"w": state()["conv.weight"]}, [Called()]


def test_nothing_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls beside a state dictionary are left out, and a network as an object is refused."""
    pickle.loads(pickle.dumps({"a": Harmful()}, 2))
    assert capsys.readouterr().out == "run\n"
    for write in (archive, legacy):
        (tmp_path / "s.pt").write_bytes(write(pickled({"a": Harmful(), "net": state()}), STORAGES))
        assert {*read_state(tmp_path / "s.pt")} == {*state()}
        refused: tuple[tuple[Any, dict[str, bytes]], ...] = (
            *(({"a": Harmful()}, {}), (Network(), STORAGES), ({"model": Network(), "ema": state()}, STORAGES)),
            ({"model": NetworkOfCalls(), "ema": state()}, STORAGES),
        )
        for value, storages in refused:
            (tmp_path / "s.pt").write_bytes(write(pickled(value), storages))
            with pytest.raises(FormatError, match="whose code would have to run"):
                read_state(tmp_path / "s.pt")
    assert capsys.readouterr().out == ""


def test_constants_that_import_inserts_keep_their_values_and_take_no_name(tmp_path: Path) -> None:
    layers = [cr.FixedAffine(), cr.Conv2D(4, 3), cr.FixedAffine("element"), cr.Conv2D(2, 3)]
    target = cr.Sequential(layers, (2, 8, 8), engine="numpy")
    target.set_weights({name: np.full(value.shape, 2.0) for name, value in target.weights.items()})
    shapes = {"conv1.weight": (4, 2, 3, 3), "conv1.bias": (4,), "conv2.weight": (2, 4, 3, 3), "conv2.bias": (2,)}
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "w.safetensors")
    assert [*target.load_weights(tmp_path / "w.safetensors").values()] == [*shapes]
    assert (target.parameters == 1).all()
    assert (target.statistics == 2).all()


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_weights_of_keras_in_a_network_of_chainrule(ending: str, tmp_path: Path) -> None:
    """The columns of Dense, and the normalization before it, are permuted unless the network permutes the image."""
    random = np.random.default_rng(0)
    convolutions = [L.Conv2D(4, 3), L.ReLU(), L.DepthwiseConv2D(3), L.SeparableConv2D(5, 2), L.BatchNormalization()]
    ends = [L.Flatten(), L.BatchNormalization(), L.Dense(7, activation="tanh"), L.Dense(3)]
    theirs = filled(keras.Sequential([keras.Input((8, 7, 2)), *convolutions, *ends]), random)
    path = saved(tmp_path, theirs, ending)
    deep = [cr.Conv2D(4, 3, groups=4), cr.Conv2D(4, 2, groups=4, bias=False), cr.Conv2D(5, 1)]
    image = [cr.Conv2D(4, 3), cr.ReLU(), *deep, cr.BatchNorm2D(epsilon=1e-3)]
    x = random.standard_normal((3, 8, 7, 2)).astype(np.float32)
    to_last, to_first = cr.Permute((1, 2, 0)), cr.Permute((2, 0, 1))
    for order in ([], [to_last], [to_last, to_first]):
        vectors = [cr.Flatten(), cr.BatchNorm1D(epsilon=1e-3), cr.Dense(7), cr.Tanh(), cr.Dense(3)]
        ours = cr.Sequential([*image, *order, *vectors], (2, 8, 7), engine="numpy")
        ours.load_weights(path)
        assert_close(ours.predict(channels_first(x)), predicted(theirs, x))


def test_files_are_recognized_by_their_content(tmp_path: Path) -> None:
    kinds = {
        "a PyTorch state dictionary, without a network; it seems to have conv": archive(pickled(state()), STORAGES),
        "seems to have conv": legacy(pickled(state()), STORAGES),
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
    """In any order, with prefixes on either side; other names are refused, unless all are positions in a Sequential."""
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
    numbers = sorted(random.sample(range(20), 7))
    positions = {f"module.{number}.weight": size for number, size in zip(numbers, sizes.values(), strict=True)}
    shuffled = dict(random.sample([*positions.items()], 7))
    assert [*match(mine, shuffled).values()] == [*positions]


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
            target.load_weights(path)
    save_file({**tensors, "7.weight": np.zeros((5, 5))}, path)
    with pytest.raises(FormatError, match=r"7 \(w 5×5\)"):
        target.load_weights(path)
    assert_array_equal(target.parameters, before)
