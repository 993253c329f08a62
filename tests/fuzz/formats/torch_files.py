"""State dictionaries of PyTorch: an archive of a pickle and the tensors' bytes."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import bytes_of, packed, text_of

from chainrule.interop.torch import read_state


class Named:
    """A function or class by its name, which need not exist here."""

    def __init__(self, name: str) -> None:
        self.module, _, self.name = name.rpartition(".")


class TensorRecord:
    """A tensor as PyTorch pickles it: a call of `torch._utils._rebuild_tensor_v2`."""

    def __init__(self, key: Any, kind: str, count: Any, offset: Any, shape: Any, strides: Any) -> None:
        self.storage = ("storage", Named(kind), key, "cpu", count)
        self.rest = (offset, shape, strides, False, OrderedDict())


class Writer(pickle._Pickler):  # pyright: ignore[reportPrivateUsage]
    """Pickles records of tensors and names without the classes that they stand for."""

    def save(self, obj: Any, *arguments: Any, **options: Any) -> None:
        """Write names as GLOBAL, tensors as calls, storages as references."""
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, TensorRecord):
            self.save(Named("torch._utils._rebuild_tensor_v2"))
            self.write(pickle.MARK)
            self.save(obj.storage)
            self.write(pickle.BINPERSID)
            for each in obj.rest:
                self.save(each)
            self.write(pickle.TUPLE + pickle.REDUCE)
        else:
            super().save(obj, *arguments, **options)


def pickled(value: Any, protocol: int = 2) -> bytes:
    """Return the pickle of a state dictionary."""
    stream = io.BytesIO()
    Writer(stream, protocol).dump(value)
    return stream.getvalue()


def archive(content: bytes, storages: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return the archive that torch.save writes."""
    members = {"data.pkl": content, "byteorder": b"little"}
    members |= {f"data/{key}": storage for key, storage in storages.items()}
    return packed({f"some/{name}": member for name, member in members.items()}, method)


def legacy(content: bytes, storages: dict[str, bytes]) -> bytes:
    """Return the file that torch.save wrote before PyTorch 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    start = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system))
    counts = {"0": 24, "1": 6}
    ends = [counts[key].to_bytes(8, "little") + storage for key, storage in storages.items()]
    return start + content + pickle.dumps([*storages], 2) + b"".join(ends)


FLOATS = "torch.FloatStorage"
STORAGES = {"0": np.arange(24, dtype="<f4").tobytes(), "1": np.arange(6, dtype="<f8").tobytes()}


TENSORS: dict[str, dict[str, Any]] = {
    "conv.weight": {"key": "0", "kind": FLOATS, "count": 24, "offset": 0, "shape": (4, 6), "strides": (6, 1)},
    "conv.turned": {"key": "0", "kind": FLOATS, "count": 24, "offset": 2, "shape": (3, 4), "strides": (1, 4)},
    "conv.bias": {"key": "1", "kind": "torch.DoubleStorage", "count": 6, "offset": 0, "shape": (6,), "strides": (1,)},
}


def state(**changes: Any) -> OrderedDict[str, Any]:
    """Return a state dictionary; changes are of the first tensor's record."""
    return records({**TENSORS, "conv.weight": {**TENSORS["conv.weight"], **changes}})


def records(tree: Any) -> Any:
    """Return a tree in which dictionaries with the entries of a tensor are tensors."""
    if isinstance(tree, dict) and "strides" in tree:
        return TensorRecord(**{name: tuple(x) if isinstance(x, list) else x for name, x in tree.items()})
    return OrderedDict((name, records(value)) for name, value in tree.items()) if isinstance(tree, dict) else tree


def trees() -> list[Any]:
    """Return a state dictionary in either form of files, a checkpoint that holds one, and a pickle as a text."""
    checkpoint = {"state_dict": TENSORS, "epoch": 3, "best": 0.5, "names": ["a", "b"]}
    return [
        *({"is_archive": is_archive, "content": TENSORS} for is_archive in (True, False)),
        *({"is_archive": True, "content": content} for content in (checkpoint, text_of(pickled(state())))),
    ]


def build(tree: Any) -> bytes:
    """Return a file with right checksums."""
    content = tree["content"]
    content = bytes_of(content) if isinstance(content, str) else pickled(records(content))
    return (archive if tree["is_archive"] else legacy)(content, STORAGES)


def read(path: Path) -> None:
    """Read a file, and every number of it."""
    for each in read_state(path).values():
        each.sum()


class Harmful:
    """What a pickle would run on reading."""

    def __reduce__(self) -> Any:
        return print, ("run",)


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail or do harm."""
    keys = pickle.EMPTY_DICT + b"r\xff\xff\xff\xff" * 3 + pickle.STOP
    return {
        "code": archive(pickle.dumps(Harmful(), 2), STORAGES),
        "a whole module": archive(b"\x80\x02ctorch.nn.modules.container\nSequential\nq\x00)\x81.", STORAGES),
        "a memo of four thousand million": archive(keys, STORAGES),
        "a tensor of 2⁸⁰ numbers that are one": archive(pickled(state(shape=(2**40, 2**40), strides=(0, 0))), STORAGES),
        "only the start of the format from before 1.6": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + bytes(100),
        "a text of 4 GB": archive(b"\x80\x02X\xff\xff\xff\xffabc.", STORAGES),
        "a bomb": archive(bytes(100_000_000), STORAGES, zipfile.ZIP_DEFLATED),
    }


WORDS = (b"torch.HalfStorage", b"os.system", b"../0", b"ctorch\n", b"Q", b"tR", b"PK\x01\x02", b"PK\x05\x06")
FORMAT = Format("PyTorch file", "some.pt", read, trees, build, WORDS, found)
