"""The judge detects forbidden behaviour of a reader."""

import mmap
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="limits of memory are those of Unix")

from fuzz import judge as judging
from fuzz.judge import judge, little_memory

from chainrule.errors import ChainruleError, FormatError


def refuse() -> None:
    raise FormatError("this file: no")


def fail() -> None:
    raise TypeError("unhashable")


def warn() -> None:
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def work() -> None:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass


def wait() -> None:
    reading, _ = os.pipe()
    os.read(reading, 1)


def fill() -> None:
    with mmap.mmap(-1, 60_000_000) as fresh:  # not what this process released, which is still its own
        fresh.write(os.urandom(1000) * 60_000)


def ask_for_too_much() -> None:
    try:
        bytearray(1 << 40)
    except MemoryError:
        raise FormatError("out of memory") from None


class TwoLinesError(ChainruleError):
    def __str__(self) -> str:
        return "two\nlines"


def say_two_lines() -> None:
    raise TwoLinesError


def test_what_is_right() -> None:
    assert judge(lambda: None).fault is None
    assert not judge(lambda: None).refused
    assert judge(refuse).fault is None
    assert judge(refuse).refused


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (fail, "TypeError: unhashable"),
        (warn, "RuntimeWarning: overflow"),
        (work, "took 0.2 s"),
        (wait, "Hang: not done"),
        (say_two_lines, "not one printable line"),
        (ask_for_too_much, "asked for more memory"),
    ],
)
def test_what_is_wrong(read: Callable[[], None], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SECONDS", 0.1)
    monkeypatch.setattr(judging, "HANG", 0.5 if read is wait else 60.0)
    with little_memory():
        assert fault in str(judge(read).fault)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is only known on Linux")
def test_memory_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 50e6 < judge(fill).bytes < 300e6
    assert judge(refuse).bytes < 20e6
    monkeypatch.setattr(judging, "BYTES", 20_000_000)
    assert "MB" in str(judge(fill).fault)
