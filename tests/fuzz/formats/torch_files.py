"""State dictionaries of PyTorch: an archive of a pickle and the tensors' bytes."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import WHOLE, mutated, packed

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


STORAGES = {"0": np.arange(24, dtype="<f4").tobytes(), "1": np.arange(6, dtype="<f8").tobytes()}


def state(**changes: Any) -> OrderedDict[str, Any]:
    """Return a state dictionary; changes are of the first tensor's record."""
    first = {"key": "0", "kind": "torch.FloatStorage", "count": 24, "offset": 0, "shape": (4, 6), "strides": (6, 1)}
    return OrderedDict(
        {
            "conv.weight": TensorRecord(**(first | changes)),
            "conv.turned": TensorRecord("0", "torch.FloatStorage", 24, 2, (3, 4), (1, 4)),
            "conv.bias": TensorRecord("1", "torch.DoubleStorage", 6, 0, (6,), (1,)),
        }
    )


def seeds() -> list[bytes]:
    """Return whole files: a state dictionary, and a checkpoint that holds one."""
    return [
        archive(pickled(state()), STORAGES),
        archive(pickled({"state_dict": state(), "epoch": 3, "best": 0.5, "names": ["a", "b"]}), STORAGES),
        legacy(pickled(state()), STORAGES),
    ]


def craft(random: Random) -> bytes:
    """Return an archive with right checksums whose tensors reach elsewhere, or whose pickle is changed."""
    if random.random() < 0.5:
        count = random.choice((1, 1, 2, 3, 20))
        numbers = [random.choice((*WHOLE, 0, 1, 2, 6)) for _ in range(2 * count)]
        changes = {
            "key": random.choice(("0", "1", "2", "../0", 0, None)),
            "kind": random.choice(("torch.FloatStorage", "torch.HalfStorage", "torch.FloatStorage", "os.system")),
            "count": random.choice((24, 24, *WHOLE)),
            "offset": random.choice((0, 1, 23, *WHOLE)),
            "shape": tuple(numbers[:count]),
            "strides": tuple(numbers[count:]),
        }
        chosen = random.sample([*changes], random.randint(1, 2))
        write = random.choice((archive, legacy))
        return write(pickled(state(**{name: changes[name] for name in chosen})), STORAGES)
    content = mutated(pickled(state()), [pickled([1, 2])], FORMAT.words, random)
    method = zipfile.ZIP_DEFLATED if random.random() < 0.1 else zipfile.ZIP_STORED
    return archive(content, STORAGES, method)


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


FORMAT = Format(
    "PyTorch file", "some.pt", read, seeds, craft, (b"ctorch\n", b"Q", b"tR", b"PK\x01\x02", b"PK\x05\x06"), found
)
