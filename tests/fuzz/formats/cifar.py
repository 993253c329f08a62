"""CIFAR-10's two archives in miniature: the tar file, the records, the images, the labels."""

import gzip
import io
import json
import struct
import tarfile
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np
from fuzz.campaign import Format
from fuzz.formats.images import chunks, png
from fuzz.mutators import WHOLE, changed, mutated, text_of
from PIL import Image

from chainrule.data import cifar

COUNT = 2  # images per batch; the real ones have ten thousand
NAMES = (*cifar.TRAIN, *cifar.TEST)
RANDOM = np.random.default_rng(0)
RECORDS = {f"{name}.bin": bytes(RANDOM.integers(0, 10, COUNT * cifar.RECORD_BYTES, np.uint8)) for name in NAMES}


def _pictures() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name in NAMES:
        stream = io.BytesIO()
        Image.fromarray(np.zeros((COUNT, 1024, 3), np.uint8)).save(stream, "PNG")
        files[f"{name}.png"] = stream.getvalue()
    files["train_lables.json"] = json.dumps([1] * COUNT * len(cifar.TRAIN)).encode()
    files["test_lables.json"] = json.dumps([2] * COUNT).encode()
    return files


PICTURES = _pictures()


def tar(members: dict[str, bytes]) -> bytes:
    """Return a tar file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar/{name}")
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def packed(content: bytes) -> bytes:
    """Compress with gzip, quickly and reproducibly."""
    return gzip.compress(content, 1, mtime=0)


def seeds() -> list[bytes]:
    """Return both archives."""
    return [packed(tar(RECORDS)), packed(tar(PICTURES))]


def _checksum(header: bytes) -> bytes:
    """Return a tar header with a right checksum."""
    total = sum(header[:148]) + 8 * 32 + sum(header[156:512])
    return header[:148] + b"%06o\0 " % (total % 0o1000000) + header[156:]


def craft(random: Random) -> bytes:
    """Return a mutation with right checksums: of a header, a member, an image's chunks or the labels."""
    members = dict(random.choice((RECORDS, PICTURES)))
    name, kind = random.choice([*members]), random.random()
    if kind < 0.35:
        content = bytearray(tar(members))
        header = mutated(bytes(content[:512]), [bytes(content[:512])], FORMAT.words, random)[:512].ljust(512, b"\0")
        content[:512] = _checksum(header)
        return packed(bytes(content))
    if name.endswith(".json"):
        members[name] = text_of(changed(json.loads(members[name]), random)).encode()
    elif name.endswith(".png") and kind < 0.8:
        parts = chunks(members[name])
        at = random.randrange(len(parts))
        part, content = parts[at]
        if part == b"IHDR" and random.random() < 0.5:
            content = struct.pack(">II", *(abs(random.choice(WHOLE)) % 2**32 for _ in range(2))) + content[8:]
        parts[at] = (part, mutated(content, [content], FORMAT.words, random)[:50_000])
        members[name] = png(parts)
    elif kind < 0.9:
        members[name] = mutated(members[name], [members[name]], FORMAT.words, random)
    else:
        del members[name]
    return packed(tar(members))


def read(folder: Path, content: bytes) -> None:
    """Read the input as the archive whose members it contains."""
    path = folder / "some.tar.gz"
    path.write_bytes(content)
    with patch.object(cifar, "BATCH_RECORDS", COUNT):
        if is_package(content):
            cifar.from_package(path)
        else:
            cifar.from_archive(path)


def is_package(content: bytes) -> bool:
    """Return whether an archive seems to contain images."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            start = stream.read(4096)
    except Exception:
        return len(content) % 2 == 0
    return b".png" in start or b".json" in start


def _with(name: str, content: bytes) -> bytes:
    return packed(tar({**PICTURES, name: content}))


def _header(at: int, content: bytes) -> bytes:
    whole = bytearray(tar(RECORDS))
    whole[at : at + len(content)] = content
    whole[:512] = _checksum(bytes(whole[:512]))
    return packed(bytes(whole))


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    picture = chunks(PICTURES["test_batch.png"])
    wide = struct.pack(">II", 100_000, 100_000) + picture[0][1][8:]
    zeros = tarfile.TarInfo("zeros")
    zeros.size = 300_000_000
    return {
        "ValueError: a size": _header(124, b"\xff" * 12),
        "ValueError: digits": _header(124, b"0o9_+x 77\0"),
        "RecursionError": _with("test_lables.json", b"[" * 100_000),
        "DecompressionBombError": _with("test_batch.png", png([(b"IHDR", wide), *picture[1:]])),
        "SyntaxError": _with("test_batch.png", png([*picture[:1], (b"IHDR", b"")])),
        "labels of 400 digits": _with("test_lables.json", b"[" + b"9" * 400 + b", 1]"),
        "a bomb": packed(zeros.tobuf() + bytes(zeros.size)),
        "forty members of one name": packed(b"".join(tar({f"{name}": b"x"})[:1024] for name in [*RECORDS] * 40)),
    }


FORMAT = Format("CIFAR-10 archive", seeds, read, craft, (b"ustar", b"\0\0\0\0\0\0\0", b"77777777777", b"IHDR"), found)
