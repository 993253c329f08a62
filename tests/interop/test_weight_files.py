"""Weights of PyTorch and safetensors files in a model: what is read, what is refused, what is matched with what."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.formats.torch_files import STORAGES, archive, legacy, pickled, state
from interop.keras_models import channels_first, filled, keras, predicted, saved
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.interop.importing import match
from chainrule.interop.torch import read_state

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
    found = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        found[f"{NAMES[layer]}.{KINDS.get(kind, kind)}"] = np.ascontiguousarray(value)
    return found


@pytest.mark.parametrize("prefix", ["", "features."])
def test_weights_of_a_safetensors_file(prefix: str, tmp_path: Path) -> None:
    source, target, path = model(1), model(2), tmp_path / "w.safetensors"
    tensors = {f"{prefix}{name}": value for name, value in theirs(source.weights).items()}
    save_file({**tensors, "1.num_batches_tracked": np.array(7)}, path)
    mapping = target.load_weights(path)
    assert mapping["conv2.w"] == f"{prefix}3.weight"
    assert mapping["norm2.running_variance"] == f"{prefix}4.running_var"
    assert_array_equal(target.parameters, source.parameters)
    assert_array_equal(target.statistics, source.statistics)


def test_weights_of_a_model_of_our_own(tmp_path: Path) -> None:
    source, target = model(1), model(2)
    source.save(tmp_path / "m.safetensors")
    assert target.load_weights(tmp_path / "m.safetensors") == {name: name for name in source.weights}
    assert_array_equal(target.parameters, source.parameters)


def test_a_state_dictionary_and_a_checkpoint(tmp_path: Path) -> None:
    whole = np.arange(24, dtype=np.float32)
    loss, moments = state(shape=(), strides=())["conv.weight"], {"state": {0: state(), 1: state()}}
    others = {"epoch": 3, "best": np.float64(0.9), "loss": loss, "optimizer": moments, "ema": {"decay": loss}}
    checkpoint = pickled({**others, "state_dict": state()})
    archives = [archive(content, STORAGES) for content in (pickled(state()), pickled(state(), 4), checkpoint)]
    shared = state()
    several: tuple[Any, ...] = ({"model": state(), "model_ema": state()}, [state()], {"a": shared, "b": [shared]})
    archives += [archive(pickled(value), STORAGES) for value in several]
    for content in (*archives, legacy(checkpoint, STORAGES)):
        (tmp_path / "s.pt").write_bytes(content)
        found = read_state(tmp_path / "s.pt")
        assert_array_equal(found["conv.weight"], whole.reshape(4, 6))
        assert_array_equal(found["conv.turned"], 2 + np.add.outer(np.arange(3), 4 * np.arange(4)))
        assert_array_equal(found["conv.bias"], np.arange(6.0))
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
        ({"offset": 1}, "reaches beyond"),
        ({"strides": (7, 1)}, "reaches beyond"),
        ({"strides": (-1, 1)}, "strides"),
        ({"shape": (2**40, 2**40), "strides": (0, 0)}, "reaches beyond"),
        ({"count": 23}, "24 stored numbers; expected 23"),
        ({"key": "../0"}, "no (member|storage)"),
        ({"kind": "os.system"}, "'os.system', whose code would have to run"),
    ],
)
def test_a_tensor_that_reaches_elsewhere_is_refused(changes: Any, text: str, tmp_path: Path) -> None:
    path = tmp_path / "s.pt"
    for write in (archive, legacy):
        path.write_bytes(write(pickled(state(**changes)), STORAGES))
        with pytest.raises(FormatError, match=text):
            read_state(path)


class Harmful:
    """What a pickle would run on reading: it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    content = pickle.dumps({"a": Harmful(tmp_path / "ran")}, 2)
    pickle.loads(content)
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    for write in (archive, legacy):
        (tmp_path / "s.pt").write_bytes(write(content, {}))
        with pytest.raises(FormatError, match="whose code would have to run"):
            read_state(tmp_path / "s.pt")
    assert not (tmp_path / "ran").exists()


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
    """The columns of Dense, and the normalization before it, are permuted to chainrule's order of the elements."""
    L, random = keras.layers, np.random.default_rng(0)
    convolutions = [L.Conv2D(4, 3), L.ReLU(), L.DepthwiseConv2D(3), L.SeparableConv2D(5, 2), L.BatchNormalization()]
    ends = [L.Flatten(), L.BatchNormalization(), L.Dense(7, activation="tanh"), L.Dense(3)]
    theirs = filled(keras.Sequential([keras.Input((8, 7, 2)), *convolutions, *ends]), random)
    path = saved(tmp_path, theirs, ending)
    deep = [cr.Conv2D(4, 3, groups=4), cr.Conv2D(4, 2, groups=4, bias=False), cr.Conv2D(5, 1)]
    image = [cr.Conv2D(4, 3), cr.ReLU(), *deep, cr.BatchNorm2D(epsilon=1e-3), cr.Flatten()]
    ours = cr.Sequential([*image, cr.BatchNorm1D(epsilon=1e-3), cr.Dense(7), cr.Tanh(), cr.Dense(3)], (2, 8, 7))
    ours.load_weights(path)
    x = random.standard_normal((3, 8, 7, 2)).astype(np.float32)
    assert_allclose(ours.predict(channels_first(x)), predicted(theirs, x), rtol=1e-4, atol=1e-5)


def test_files_are_recognized_by_their_content(tmp_path: Path) -> None:
    kinds = {
        "a PyTorch state dictionary, without a network; it seems to have conv": archive(pickled(state()), STORAGES),
        "seems to have conv": legacy(pickled(state()), STORAGES),
        "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "b'import n.*expected one of .onnx": b"import numpy",
    }
    for text, content in kinds.items():
        (tmp_path / "some").write_bytes(content)
        with pytest.raises(FormatError, match=text):
            cr.load(tmp_path / "some")
    model().save(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(tmp_path / "m.onnx")
    assert cr.load(tmp_path / "m.onnx", engine="numpy").names == model().names


@pytest.mark.parametrize("name", ["m.h5", "m.onnx", "m"])
def test_models_are_saved_as_safetensors_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"expected \.safetensors"):
        model().save(tmp_path / name)
    assert not [*tmp_path.iterdir()]


SHAPES = {
    "stem.w": (4, 3, 3, 3),
    "n1.gamma": (4,),
    "n1.beta": (4,),
    "skip.w": (4, 3, 1, 1),
    "n2.gamma": (4,),
    "n2.beta": (4,),
}


def test_layers_are_told_apart_by_what_they_follow() -> None:
    """Both normalizations have the same shapes, and the file has the convolutions in the other order."""
    order = ("skip.0.weight", "skip.1.weight", "skip.1.bias", "conv.weight", "bn.weight", "bn.bias")
    sizes = dict.fromkeys(order, (4,)) | {"skip.0.weight": (4, 3, 1, 1), "conv.weight": (4, 3, 3, 3)}
    found = match(SHAPES, sizes)
    assert found == {
        "stem.w": "conv.weight",
        "n1.gamma": "bn.weight",
        "n1.beta": "bn.bias",
        "skip.w": "skip.0.weight",
        "n2.gamma": "skip.1.weight",
        "n2.beta": "skip.1.bias",
    }


def test_names_that_agree_come_before_the_order() -> None:
    mine = {"a.w": (2, 3), "layer1_b.w": (2, 3)}
    assert match(mine, {"layer1.b.weight": (2, 3), "a.weight": (2, 3)}) == {
        "a.w": "a.weight",
        "layer1_b.w": "layer1.b.weight",
    }


def test_a_mapping_comes_before_both() -> None:
    mine, there = {"a.w": (2, 3), "b.w": (2, 3)}, {"a.weight": (2, 3), "c.weight": (2, 3)}
    for mapping in ({"a": "c", "b": "a"}, {"a.w": "c.weight", "b.w": "a.weight"}):
        assert match(mine, there, mapping) == {"a.w": "c.weight", "b.w": "a.weight"}
    with pytest.raises(OptionError, match="no such layer"):
        match(mine, there, {"a": "other"})


def test_layers_without_a_counterpart_are_named(tmp_path: Path) -> None:
    target, path = model(), tmp_path / "w.safetensors"
    before = target.parameters.copy()
    tensors = theirs(target.weights)
    for name, text in (("3.bias", "layer of the file .* conv2"), ("6.weight", "layer of the file .* dense1")):
        save_file({each: value for each, value in tensors.items() if each != name}, path)
        with pytest.raises(FormatError, match=text):
            target.load_weights(path)
    save_file({**tensors, "7.weight": np.zeros((5, 5))}, path)
    with pytest.raises(FormatError, match=r"layer of the model .* '7' \(w 5×5\)"):
        target.load_weights(path)
    assert_array_equal(target.parameters, before)
