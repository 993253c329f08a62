"""Messages of ONNX, read and written, beside the package onnx; tensors of every type, data in other files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper, printer

from chainrule._io.budget import Budget
from chainrule.errors import FormatError
from chainrule.interop.onnx import messages, tensors
from chainrule.interop.onnx.protobuf import unpack_varints

PACKAGED = Path(onnx.__file__).parent / "backend" / "test" / "data"
FILES = sorted(PACKAGED.rglob("*.onnx"))


def message_of(tensor: Any) -> messages.TensorMessage:
    """Return a tensor as our reader sees it, read from a model that holds it."""
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [], [tensor])
    parsed = messages.parse(memoryview(helper.make_model(graph).SerializeToString()), Budget(0))
    assert parsed.graph is not None
    return parsed.graph.initializers[0]


@pytest.mark.parametrize("kind", tensors.DTYPES)
@given(st.booleans(), st.data())
def test_tensors_of_every_type(kind: int, raw: bool, data: st.DataObject) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    drawn_as = np.dtype(np.float32) if kind == TensorProto.BFLOAT16 else dtype
    shapes = extra.array_shapes(min_dims=0, max_dims=3, min_side=0)
    numbers = data.draw(extra.arrays(drawn_as, shapes, elements={"allow_nan": False} if drawn_as.kind == "f" else None))
    values = numbers.astype(dtype)
    tensor = helper.make_tensor("w", kind, values.shape, values.tobytes() if raw else values.ravel(), raw=raw)
    actual = tensors.array(message_of(tensor), None, Budget(0))
    assert_array_equal(actual, numpy_helper.to_array(tensor).astype(actual.dtype))
    assert actual.dtype == drawn_as


@pytest.mark.parametrize("content", [b"\xff", b"\xff" * 11 + b"\x01", b"\x01\x80"])
def test_packed_numbers_that_do_not_end(content: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_varints(memoryview(content))


def external(location: str, offset: int = 0, length: int = 48) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(3, 4), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return message_of(tensor)


def test_data_are_read_from_a_file_of_the_same_folder_alone(tmp_path: Path) -> None:
    folder, secret, numbers = tmp_path / "models", tmp_path / "secret", np.arange(12, dtype=np.float32).reshape(3, 4)
    (folder / "deep").mkdir(parents=True)
    for file in (secret, folder / "deep" / "w"):
        file.write_bytes(bytes(1000))
    (folder / "w.data").write_bytes(bytes(16) + numbers.tobytes() + bytes(36))
    (folder / "link").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    assert_array_equal(tensors.array(external("w.data", 16), folder, Budget(0)), numbers)
    refused = [
        external(name) for name in ("../secret", str(secret), "link", "deep/w", "..", "", "deep", "pipe", "a\0b")
    ]
    refused += [external("w.data", *part) for part in ((60, 48), (2**62, 48), (0, 49), (0, 2**40))]
    for tensor, where in (*((tensor, folder) for tensor in refused), (external("w.data"), None)):
        with pytest.raises(FormatError):
            tensors.array(tensor, where, Budget(0))
    claiming = helper.make_tensor("w", TensorProto.FLOAT, (2,), bytes(8), raw=True)
    claiming.dims[:] = [2**40, 2**20]
    with pytest.raises(FormatError, match="'w': it has 8 bytes"):
        tensors.array(message_of(claiming), None, Budget(0))


INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(width=32, allow_nan=False)
WORDS = st.text(min_size=1)
ATTRIBUTES = st.fixed_dictionaries(
    {"a": INTEGERS, "c": REALS, "e": WORDS},
    optional={"b": st.lists(INTEGERS, min_size=1), "d": st.lists(REALS, min_size=1)},
)


@given(ATTRIBUTES, WORDS, st.lists(st.text(), min_size=1))
def test_messages_of_the_package_are_read_and_written_alike(
    attributes: dict[str, Any], text: str, names: list[str]
) -> None:
    """The package encodes them to the same bytes, so order and form of the fields are its own."""
    node = helper.make_node("Custom", names, ["y", ""], "node", text, text, **attributes)
    graph = helper.make_graph(
        [node], text, [], [], [helper.make_tensor("w", TensorProto.FLOAT, (2, 0, 3), b"", raw=True)]
    )
    model = helper.make_model(
        graph, producer_name=text, producer_version=text, opset_imports=[helper.make_opsetid("", 13)]
    )
    helper.set_model_props(model, {"k": text})
    written = messages.serialize(messages.parse(memoryview(model.SerializeToString()), Budget(0)))
    actual = onnx.ModelProto.FromString(written)
    assert actual.SerializeToString() == written
    assert printer.to_text(actual) == printer.to_text(model)
