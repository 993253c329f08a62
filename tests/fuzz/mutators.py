"""Mutations of whole files: blind changes of bytes, changes of JSON values, and archives with right checksums."""

import io
import json
import zipfile
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

MOST_CHANGES = 4
WHOLE = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63)
VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "x", "\ud800", "a\nb\x1b[31m", "é" * 400, "1", "nan", [], {}, [[]], [None], {"a": 1}),
    *(0.5, -0.0, 1e308, 5e-324, float("inf"), float("nan"), 10**40, 10**400, *WHOLE),
)
TEXTS = (
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"9" * 5000,
    b"'",
    b'"',
    b"\\",
    b"\0",
    b"\x1b[2J",
    b"\xff",
    b"\n",
)
NESTED = (b"[" * 2000, b"(" * 300, b'{"a":' * 1500, b"[" * 40 + b"]" * 40)


CHANGES = ("flip", "flip", "byte", "byte", "number", "number", "cut", "again", "word", "word", "splice")


def mutated(content: bytes, others: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Return a file with one to four blind changes."""
    result = bytearray(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        _change(random.choice(CHANGES), result, others, words, random)
    return bytes(result)


def _place(found: bytearray, random: Random) -> int:
    """Return an offset to change, more often near the beginning, where headers are."""
    return random.randint(0, min(len(found), 128)) if random.random() < 0.5 else random.randint(0, len(found))


def _change(kind: str, found: bytearray, others: Sequence[bytes], words: Sequence[bytes], random: Random) -> None:
    match kind:
        case "flip" | "byte" if not found:
            pass
        case "flip":
            found[min(_place(found, random), len(found) - 1)] ^= 1 << random.randrange(8)
        case "byte":
            values = (0, 1, 0x7F, 0x80, 0xFF, random.randrange(256))
            found[min(_place(found, random), len(found) - 1)] = random.choice(values)
        case "number":
            at, width = _place(found, random), random.choice((1, 2, 4, 8))
            value = random.choice(WHOLE) % (1 << 8 * width)
            found[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))
        case "cut":
            at = _place(found, random)
            del found[at : at + random.choice((1, 2, 8, 64, len(found)))]
        case "again":
            at, length = _place(found, random), random.choice((1, 4, 16, 100))
            found[at:at] = found[at : at + length] * random.choice((1, 2, 50))
        case "word":
            word, at = random.choice((*words, *TEXTS, random.choice(NESTED))), _place(found, random)
            found[at : at + random.choice((0, len(word)))] = word
        case _:  # splice
            other = random.choice(others)
            found[_place(found, random) :] = other[random.randint(0, len(other)) :]


def changed(tree: Any, random: Random, words: Sequence[bytes]) -> Any:
    """Return a JSON value with one to four entries missing, repeated, of another type, far too large or deeply nested.

    Most changes keep an entry's type: a value that no file can have says little about a reader.
    """
    root = [json.loads(json.dumps(tree))]
    for _ in range(random.randint(1, MOST_CHANGES)):
        inner, key = _entry(root, random)
        if random.random() < 0.1:
            del inner[key]
            root = root or [None]
        elif isinstance(inner, list) and inner is not root and random.random() < 0.2:
            inner += deepcopy(inner) * random.choice((1, 40))
        elif random.random() < 0.1:
            other, place = _entry(root, random)
            inner[key] = deepcopy(other[place])
        else:
            inner[key] = near(inner[key], random, words) if random.random() < 0.8 else value(random)
    return root[0]


def _entry(root: list[Any], random: Random) -> tuple[Any, Any]:
    """Return a drawn entry, as what holds it and its key."""
    inner: Any = root
    while True:
        key = random.choice([*inner] if isinstance(inner, dict) else range(len(inner)))
        if not isinstance(inner[key], (dict, list)) or not inner[key] or random.random() < 0.1:
            return inner, key
        inner = inner[key]


def near(old: Any, random: Random, words: Sequence[bytes]) -> Any:
    """Return another value of the same type."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return random.choice((old + 1, old - 1, 2 * old, random.randint(1, 9), random.choice(WHOLE)))
    if isinstance(old, float):
        return random.choice((-old, old / 2, 1 - old, random.random()))
    if isinstance(old, list):
        return random.choice((old[::-1], 2 * old))
    if isinstance(old, str) and old.lstrip("-").isdigit():
        return str(random.choice(WHOLE))
    if isinstance(old, str):
        blind = mutated(old.encode("latin-1", "replace"), [b""], words, random)
        texts = (old[:-1], old + "x", old.upper(), "é\n" + old)
        return random.choice((*texts, *[text_of(random.choice((b"", *words)))] * 4, *[text_of(blind)] * 4))
    return old


def value(random: Random) -> Any:
    """Return a JSON value that is probably wrong."""
    kind = random.random()
    if kind < 0.6:
        return deepcopy(random.choice(VALUES))
    if kind < 0.7:
        nested: Any = 1
        for _ in range(random.choice((3, 30, 200))):
            nested = [nested] if random.random() < 0.5 else {"a": nested}
        return nested
    if kind < 0.8:
        return [deepcopy(random.choice(VALUES)) for _ in range(random.choice((1, 2, 3, 300)))]
    return random.choice((random.randint(-(10**6), 10**12), random.random() * 10 ** random.randint(-300, 300)))


def json_of(tree: Any) -> bytes:
    """Return JSON as Python writes it, including NaN and lone surrogates."""
    return json.dumps(tree).encode()


def text_of(content: bytes) -> str:
    """Return bytes as a text of a tree."""
    return content.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """Return the bytes that a text of a tree stands for."""
    return text.encode("latin-1")


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a reproducible archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
