"""Messages of ONNX, read and written, beside the package onnx; tensors of every type, data in other files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper

from chainrule._io.budget import Budget
from chainrule.errors import FormatError
from chainrule.interop.onnx import messages, tensors
from chainrule.interop.onnx.protobuf import unpack_varints

PACKAGED = Path(onnx.__file__).parent / "backend" / "test" / "data"
FILES = sorted(PACKAGED.rglob("*.onnx"))
TYPES = [kind for kind in tensors.DTYPES if kind != tensors.BFLOAT16]


def message_of(tensor: Any) -> messages.TensorMessage:
    """Return a tensor as our reader sees it, read from a model that holds it."""
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [], [tensor])
    parsed = messages.parse(memoryview(helper.make_model(graph).SerializeToString()), Budget(0))
    assert parsed.graph is not None
    return parsed.graph.initializers[0]


def test_the_files_that_come_with_onnx_are_read_alike() -> None:
    assert len(FILES) > 100
    for file in FILES:
        ours, theirs = messages.parse(memoryview(file.read_bytes()), Budget(0)).graph, onnx.load(file).graph
        assert ours is not None
        for mine, other in zip(ours.nodes, theirs.node, strict=True):
            assert (mine.operator, mine.name, mine.domain) == (other.op_type, other.name, other.domain)
            assert (mine.inputs, mine.outputs) == ([*other.input], [*other.output])
            for attribute, known in zip(mine.attributes, other.attribute, strict=True):
                assert (attribute.name, attribute.integers) == (known.name, [*known.ints])
                assert (attribute.integer or 0, attribute.real or 0.0) == (known.i, known.f)
        for mine, other in zip(ours.initializers, theirs.initializer, strict=True):
            assert_array_equal(tensors.array(mine, None, Budget(0)), numpy_helper.to_array(other))


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("kind", TYPES)
def test_tensors_of_every_type(kind: int, raw: bool) -> None:
    numbers = np.random.default_rng(kind).integers(0, 2 if kind == 9 else 100, (2, 3, 4)).astype(tensors.DTYPES[kind])
    values = numbers.tobytes() if raw else numbers.ravel()
    if not raw and kind == TensorProto.FLOAT16:
        values = numbers.ravel().view(np.uint16)
    tensor = helper.make_tensor("w", kind, numbers.shape, values, raw=raw)
    if not raw and kind == TensorProto.FLOAT16:
        tensor.int32_data[:] = [int(bits) for bits in values]
    assert_array_equal(tensors.array(message_of(tensor), None, Budget(0)), numbers)


def test_bfloat16_becomes_float32() -> None:
    numbers = np.array([1.5, -2.25, 1e30, np.inf], np.float32)
    tensor = helper.make_tensor(
        "w", TensorProto.BFLOAT16, (4,), (numbers.view(np.uint32) >> 16).astype("<u2").tobytes(), raw=True
    )
    actual = tensors.array(message_of(tensor), None, Budget(0))
    assert_array_equal(actual, (numbers.view(np.uint32) & 0xFFFF0000).view(np.float32))


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_numbers(numbers: list[int]) -> None:
    attribute = helper.make_tensor("w", TensorProto.INT64, (len(numbers),), numbers)
    actual = message_of(attribute)
    assert tensors.array(actual, None, Budget(0)).tolist() == numbers


@pytest.mark.parametrize("content", [b"\xff", b"\xff" * 11 + b"\x01", b"\x01\x80"])
def test_packed_numbers_that_do_not_end(content: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_varints(memoryview(content))


def external(location: str, offset: int = 0, length: int = 48) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(3, 4), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return message_of(tensor)


def test_data_in_a_file_of_the_same_folder(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    (tmp_path / "w.data").write_bytes(bytes(16) + numbers.tobytes())
    assert_array_equal(tensors.array(external("w.data", 16), tmp_path, Budget(0)), numbers)


def test_data_elsewhere_are_refused(tmp_path: Path) -> None:
    folder, secret = tmp_path / "models", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(bytes(1000))
    (folder / "short").write_bytes(bytes(10))
    (folder / "link").symlink_to(secret)
    (folder / "deep").mkdir()
    (folder / "deep" / "w").write_bytes(bytes(1000))
    os.mkfifo(folder / "pipe")
    for name in ("../secret", str(secret), "link", "deep/w", "..", "", "short", "deep", "pipe", "none", "a\0b"):
        with pytest.raises(FormatError):
            tensors.array(external(name), folder, Budget(0))
    (folder / "w.data").write_bytes(bytes(100))
    for offset, length in ((60, 48), (2**62, 48), (0, 49), (0, 2**40)):
        with pytest.raises(FormatError):
            tensors.array(external("w.data", offset, length), folder, Budget(0))
    with pytest.raises(FormatError, match="folder"):
        tensors.array(external("w.data"), None, Budget(0))


def test_a_tensor_that_claims_more_than_it_has_is_refused() -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, (2,), bytes(8), raw=True)
    tensor.dims[:] = [2**40, 2**20]
    with pytest.raises(FormatError, match="'w': it has 8 bytes"):
        tensors.array(message_of(tensor), None, Budget(0))


INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(width=32, allow_nan=False)


@given(INTEGERS, st.lists(INTEGERS), REALS, st.lists(REALS), st.text(), st.lists(st.text(), min_size=1))
def test_written_messages_are_read_by_the_package(
    integer: int, integers: list[int], real: float, reals: list[float], text: str, names: list[str]
) -> None:
    """The package encodes the message again to the same bytes, so order and form of the fields are its own."""
    kinds = onnx.AttributeProto
    attributes = [
        messages.Attribute("a", kinds.INT, integer=integer),
        messages.Attribute("b", kinds.INTS, integers=integers),
        messages.Attribute("c", kinds.FLOAT, real=real),
        messages.Attribute("d", kinds.FLOATS, reals=reals),
        messages.Attribute("e", kinds.STRING, text=text.encode()),
    ]
    node = messages.OnnxNode(names, ["y", ""], "node", "Custom", text, attributes)
    weights = messages.TensorMessage([2, 0, 3], TensorProto.FLOAT, "w", b"")
    graph = messages.GraphMessage(text, [node], [weights])
    message = messages.ModelMessage(graph, [messages.Opset("", 13)], text, metadata=[messages.Pair("k", text)])
    content = messages.serialize(message)
    theirs = onnx.ModelProto.FromString(content)
    assert theirs.SerializeToString() == content
    (actual,) = theirs.graph.node
    assert ([*actual.input], [*actual.output], actual.name, actual.domain) == (names, ["y", ""], "node", text)
    values = [helper.get_attribute_value(each) for each in actual.attribute]
    assert values == [integer, integers, real, reals, text.encode()]
    assert numpy_helper.to_array(theirs.graph.initializer[0]).shape == (2, 0, 3)
    assert {each.key: each.value for each in theirs.metadata_props} == {"k": text}
    again = messages.parse(memoryview(content), Budget(0))
    assert messages.serialize(again) == content
