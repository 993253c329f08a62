"""Files are complete or absent; every kind of damage is detected; no pickle."""

import csv
import errno
import io
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

import chainrule
from chainrule._io import files
from chainrule.errors import FormatError, OptionError, RunError

# ---------------------------------------------------------------------- whole or not there


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RunError, "^cannot write .*file: No space left on device$"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
    ids=["full disk", "interrupt"],
)
def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing(
    failure: BaseException,
    error: type[BaseException],
    message: str,
    call: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: Any) -> Any:
        raise failure

    path = tmp_path / "file"
    for content in (b"older", b"old"):
        files.write_atomic(path, content)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(error, match=message):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_content_is_flushed_before_the_renaming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names))[1])
    files.write_atomic(tmp_path / "file", b"new")
    assert calls == ["fsync", "replace", "fsync"]


def test_only_torn_files_of_known_names_are_removed(tmp_path: Path) -> None:
    digits = "0123456789abcdef"
    torn = [f".history.csv.{digits}.part", f".kernels-conv1.png.{digits}.part"]
    others = ["a.part", ".a.part", f".notes.txt.{digits}.part", f".history.csv.{digits[1:]}.part", "history.csv"]
    others += [f".history.csv.{digits.upper()}.part", f"history.csv.{digits}.part", f".history.csv.{digits}.parts"]
    for name in [*torn, *others]:
        (tmp_path / name).touch()
    files.remove_temporary(tmp_path, ["history.csv", "kernels-*.png"])
    assert sorted(os.listdir(tmp_path)) == sorted(others)


# ---------------------------------------------------------------------- JSON


def test_json_round_trip(tmp_path: Path) -> None:
    """Numbers that JSON does not have are null."""
    content = {"a": [1, 2.5, None], "ü": "Σ", "tiny": 5e-324}
    files.write_atomic(
        tmp_path / "file.json", files.json_bytes(content | {"loss": float("nan"), "b": (float("inf"), 1.5)})
    )
    assert files.read_json(tmp_path / "file.json") == content | {"loss": None, "b": [None, 1.5]}


def test_a_name_that_is_not_unicode_is_not_written(tmp_path: Path) -> None:
    for write, message in (
        (lambda: files.json_bytes({"data": "\udcff.npz"}), "Unicode"),
        (lambda: files.tensor_bytes("model", {}, {"classes": ["\ud800"]}), "Unicode"),
        (lambda: files.write_atomic(tmp_path / "none" / "file", b""), "cannot write"),
    ):
        with pytest.raises(RunError, match=message):
            write()
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------- tensors

TENSORS = {
    "conv1.w": np.random.default_rng(0).normal(size=(2, 3, 4)),
    "conv1.b": np.array([1.5, -0.0, np.nan], np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(3.0),
    "strided": np.arange(12.0).reshape(3, 4).T[::2],
}
ABOUT = {"step": 3, "model": {"layers": [{"layer": "Conv2D"}], "rate": 0.1, "name": "ü"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    files.write_atomic(tmp_path / "checkpoint.safetensors", files.tensor_bytes("checkpoint", TENSORS, ABOUT))
    return tmp_path / "checkpoint.safetensors"


def one_line(read: Callable[[], Any], path: Path) -> str:
    with pytest.raises(FormatError) as caught:
        read()
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_tensors_round_trip_bit_for_bit(path: Path) -> None:
    tensors, about = files.read_tensors(path, "checkpoint")
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].shape) == (tensor.dtype, tensor.shape)
        assert tensors[name].tobytes() == tensor.tobytes()


def test_every_flipped_byte_is_noticed(path: Path) -> None:
    """Flip bytes everywhere: header, names, shapes, metadata, data. Only white space padding the header may change."""
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= (0x01, 0x20, 0x80)[place % 3]
        path.write_bytes(damaged)
        if not (8 <= place < header and same_header(whole[8:header], bytes(damaged[8:header]))):
            one_line(lambda: files.read_tensors(path, "checkpoint"), path)


def same_header(before: bytes, after: bytes) -> bool:
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


def archive(metadata: dict[str, str] | None) -> bytes:
    return save({"a": np.zeros(3)}, metadata)


def described(**about: Any) -> bytes:
    """Return a file with a right checksum."""
    tensors, (text, *_) = {"a": np.zeros(3)}, (*(value for value in about.values() if isinstance(value, str)), "")
    entries = {"format": "chainrule model 1", "sha256": files._checksum(tensors, text), **about}
    return save(tensors, {"chainrule": json.dumps(entries)})


def of_numbers(kind: str) -> bytes:
    size = {"C64": 8, "I64": 8}.get(kind, 1)
    header = json.dumps({"a": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


ABOUTS = (None, 3, {}, "", "{", "[]", "null", '"text"', "[" * 100_000)
DAMAGED = {
    "no file of tensors": [b"", b"hello", b"\x80\x04\x95" * 40, b"PK\x03\x04" * 40, b"\xff" * 200],
    "of others": [archive(metadata) for metadata in (None, {}, {"format": "pt"}, {"format": "chainrule model 1"})],
    "no description": [described(), *(described(about=about) for about in ABOUTS)],
    "no floats": [of_numbers(kind) for kind in ("F8_E4M3", "C64", "I64", "BOOL")],
    "no JSON": [b"", b"{", b"{'a': 1}", b"\xff\xfe", b'{"a": 1', b"[" * 100_000],
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused(path: Path, kind: str) -> None:
    whole, contents = path.read_bytes(), DAMAGED[kind]
    read = files.read_json if kind == "no JSON" else lambda path: files.read_tensors(path, "model")
    cut = [whole[:length] for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1)]
    for content in (*contents, *cut, whole):  # the whole is of another kind
        path.write_bytes(content)
        text = one_line(lambda: read(path), path)
        assert content not in contents or kind != "no floats" or "floats" in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        one_line(lambda path=path: files.read_tensors(path, "model"), path)
        one_line(lambda path=path: files.read_json(path), path)


def test_pickle_is_nowhere() -> None:
    pattern = re.compile(
        r"^\s*(import|from)\s+(pickle|dill|shelve|marshal|cloudpickle|joblib)\b|allow_pickle\s*=\s*True", re.M
    )
    sources = list(Path(chainrule.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    assert not [str(source) for source in sources if pattern.search(source.read_text(encoding="utf-8"))]


def test_no_cell_is_a_formula_with_any_separator() -> None:
    """Read the same bytes with other separators than commas, as spreadsheets do in some countries."""
    random, parts = Random(), ["a", "=1", "+2", "-x", "@y", "＝z", " ", ";", ",", "|", "\t", "\n", "\r", '"', "'", "--"]
    for _ in range(100):
        rows = [["".join(random.choices(parts, k=6)) for _ in range(3)] for _ in range(3)]
        text = files.csv_bytes(rows).decode()
        for separator in ",;|\t":
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
                for cell in row:
                    for part in re.split(r"[\r\n]", cell):
                        assert not re.match(r"\s*[=+\-@＝＋－＠][^,;|\t]*[^\W_]", part), (separator, part, rows)
    assert files.csv_bytes([["-1", -1, "--", "x = 1", "a-b"]]) == b"'-1,-1,--,x = 1,a-b\r\n"


FORMS = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_}


@given(seed=st.integers(0, 2**32 - 1))
def test_files_of_others_are_read_as_safetensors_reads_them(seed: int) -> None:
    """Integers are refused, or left out where they are counters; the bits of bfloat16 are the upper ones of float32."""
    draw, tensors, floats = np.random.default_rng(seed), dict[str, Any](), dict[str, Any]()
    for number in range(draw.integers(1, 6)):
        kind = str(draw.choice([*FORMS]))
        shape = draw.integers(0, 4, draw.integers(0, 4))
        tensors[f"t{number}"] = np.array(np.floor(99 * draw.random(shape)), FORMS[kind])
        if kind.startswith("F"):
            floats[f"t{number}"] = tensors[f"t{number}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.safetensors"
        path.write_bytes(save(tensors, {"format": "pt", "epoch": "3"}))
        found, entries = files.read_safetensors(path, floats_only=True)
        assert entries == {"format": "pt", "epoch": "3"}
        assert not files.may_be_described(path)
        assert found.keys() == floats.keys()
        for name, tensor in floats.items():
            assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
            assert found[name].tobytes() == tensor.tobytes()
        if len(floats) < len(tensors):
            assert "floats" in one_line(lambda: files.read_safetensors(path), path)
        else:
            assert files.read_safetensors(path)[0].keys() == tensors.keys()


@given(seed=st.integers(0, 2**32 - 1))
def test_bfloat16_is_the_upper_half_of_float32(seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 1 << 16, (3, 4)).astype(np.uint16)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [3, 4], "data_offsets": [0, 24]}}).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
        (found,) = files.read_safetensors(path)[0].values()
    assert found.dtype == np.float32
    assert (found.view(np.uint32) >> 16).tolist() == bits.tolist()
    assert not (found.view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize(
    ("name", "content", "is_described"),
    [
        ("m.safetensors", files.tensor_bytes("model", {"w": np.ones(3)}, {}), True),
        ("m.bin", files.tensor_bytes("model", {"w": np.ones(3)}, {}), True),
        ("m.safetensors", archive(None), False),
        ("m.safetensors", archive({"format": "pt"}), False),
        ("m.safetensors", b"torn", True),
        ("M.SAFETENSORS", b"", True),
        ("m.onnx", b"\x08\x07\x12\x00" * 9, False),
        ("m.txt", b"some text of a file", False),
        ("m.txt", (100).to_bytes(8, "little") + b"{torn", True),
        ("m.safetensors", (1 << 40).to_bytes(8, "little") + b"{}", True),
    ],
)
def test_metadata_tell_who_wrote_a_file(name: str, content: bytes, is_described: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert files.may_be_described(tmp_path / name) == is_described


def test_headers_are_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for size, is_read in ((files.MAX_HEADER, True), (files.MAX_HEADER + 1, False)):
        header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(size)
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        if is_read:
            assert files.read_safetensors(path)[0]["w"].tolist() == [0.0]
        else:
            assert str(size) in one_line(lambda: files.read_safetensors(path), path)


def test_toml_is_read_within_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    names = ".".join(["a"] * 257)
    for text, is_read in (
        ("a = 1\n[b]\nc = 'ü'\n", True),
        (f"{names} = 1\n", True),
        (f"{names}.a = 1\n", False),
        ("a = \n", False),
        ("a = 1\na = 2\n", False),
        ("# " + "x" * (files.MAX_TOML - 2), True),
        ("# " + "x" * (files.MAX_TOML - 1), False),
    ):
        path.write_text(text, encoding="utf-8")
        if is_read:
            assert files.read_toml(path) == tomllib.loads(text)
        else:
            one_line(lambda: files.read_toml(path), path)
    path.write_bytes(b"a = '\xff'")
    one_line(lambda: files.read_toml(path), path)


def test_paths_are_names_or_objects_with_one() -> None:
    assert files.as_path("a/b") == files.as_path(Path("a/b")) == Path("a/b")
    for value in ("", None, 3, b"a", ["a"]):
        with pytest.raises(OptionError):
            files.as_path(value)


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o644])
def test_a_file_has_its_permissions_and_is_appended_to(mode: int, tmp_path: Path) -> None:
    path, mask = tmp_path / "file", os.umask(0o022)
    try:
        files.write_atomic(path, b"one", mode)
    finally:
        os.umask(mask)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == mode & ~0o022
    files.append(path, b" two")
    files.append(tmp_path / "new", b"three")
    assert (path.read_bytes(), (tmp_path / "new").read_bytes()) == (b"one two", b"three")
    with pytest.raises(RunError):
        files.append(tmp_path / "none" / "file", b"")
    for cell in ("\tx", "\nx", "\rx"):
        assert files.csv_bytes([[cell]]).decode().strip('"\r\n').startswith("'")
