"""Files from elsewhere: regular files only, no waiting, and all decoder exceptions become our errors."""

import os
import socket
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selection import draws

from chainrule._io import reading
from chainrule.errors import DataError, FormatError, OptionError, RunError

unix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of Unix")


@unix
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a socket"])
def test_pipes_folders_and_devices_are_refused_at_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    path = Path("some")
    with socket.socket(socket.AF_UNIX) as listener:
        create = {"a pipe": os.mkfifo, "a folder": os.mkdir, "a socket": listener.bind}
        create.get(kind, lambda name: path.symlink_to("/dev/zero"))("some")
    with pytest.raises(RunError, match="some: cannot be read"):
        reading.read_bytes(path, 100, RunError)
    if kind != "a socket":
        assert reading.kind_of(path.stat().st_mode) == kind


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("nowhere", "x" * 5000, "nul\0l"):
        with pytest.raises(DataError, match="cannot be read"):
            reading.read_bytes(tmp_path / name, 100)


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(b"x" * 100)
    assert reading.read_bytes(path, 100) == b"x" * 100
    with pytest.raises(FormatError, match="some: 100 bytes; expected at most 99"):
        reading.read_bytes(path, 99)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unhashable"),
        IndexError(),
        RecursionError("deep"),
        struct.error("short"),
        SyntaxError("a\nb"),
        OSError("x"),
    ],
    ids=repr,
)
def test_errors_of_decoders_become_format_errors(error: Exception) -> None:
    with pytest.raises(FormatError) as caught, reading.decoding("some.png", "image"):
        raise error
    assert str(caught.value).startswith(f"some.png: damaged image ({type(error).__name__}")
    assert str(caught.value).isprintable()


def test_our_own_errors_and_those_of_the_system_are_kept() -> None:
    with pytest.raises(DataError, match="mine"), reading.decoding("some.png", "image"):
        raise DataError("mine")
    with pytest.raises(DataError, match="not enough memory for this image"), reading.decoding("some.png", "image"):
        raise MemoryError
    with pytest.raises(PermissionError), reading.decoding("some.png", "image"):
        raise PermissionError(13, "Permission denied")
    with pytest.raises(KeyboardInterrupt), reading.decoding("some.png", "image"):
        raise KeyboardInterrupt


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_bomb_is_large_and_packed_closely(packed: int, unpacked: int) -> None:
    if unpacked > 100_000_000 and unpacked > 100 * packed:
        with pytest.raises(FormatError, match="expected a ratio of at most 100"):
            reading.refuse_bomb("some.npz", packed, unpacked)
    else:
        reading.refuse_bomb("some.npz", packed, unpacked)


def test_home_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert reading.expanded("plain/x") == Path("plain/x")
    if os.name == "posix":
        assert reading.expanded("~/x") == tmp_path / "x"
    with pytest.raises(OptionError, match="unknown home folder"):
        reading.expanded("~nobody-of-this-name/x")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("stated", [10, 12_000_000])
def test_a_member_that_unpacks_to_more_than_its_archive_states(tmp_path: Path, method: int, stated: int) -> None:
    """Refuse 12 MB of zeros that claim to be 10 bytes, in less memory than 2 MB, and other false sizes."""
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("zeros", bytes(12_000_000) if method else bytes(10))
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("zeros")
        info.file_size = stated
        tracemalloc.start()
        try:
            if method == zipfile.ZIP_STORED and stated == 10:
                assert reading.read_zip_member(archive, info, "zeros") == bytes(10)
            elif method == zipfile.ZIP_DEFLATED and stated > 10:
                assert len(reading.read_zip_member(archive, info, "zeros")) == stated
            else:
                with pytest.raises((FormatError, zipfile.BadZipFile, EOFError)):
                    reading.read_zip_member(archive, info, "zeros")
                assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


def test_messages_of_libraries_do_not_add_lines() -> None:
    """Their warnings would be printed beside the one line of a command."""
    code = (
        "import logging, chainrule._io.reading; "
        "[logging.getLogger(name).warning('a line') for name in ('PIL.TiffImagePlugin', 'matplotlib.font_manager')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("zip64", [False, True])
def test_archives_with_too_many_members_are_refused_before_they_are_listed(tmp_path: Path, zip64: bool) -> None:
    """Draw numbers of members and comments around the limit; what is opened has the members and bytes of zipfile."""
    random, path = Random(), tmp_path / "some.zip"
    for _ in range(draws(2)):
        members, size = random.choice([1, 100, 300, 30_000]), random.choice([1, 1000, 3000, 5000])
        limit = 0 if zip64 else zipfile.ZIP_FILECOUNT_LIMIT
        with patch.object(zipfile, "ZIP_FILECOUNT_LIMIT", limit), zipfile.ZipFile(path, "w") as archive:
            archive.comment = random.choice([b"", b"PK", b"c" * 65_535])
            for number in range(members):
                entry = zipfile.ZipInfo(f"m{number}")
                entry.comment = b"c" * size * (members < 1000)
                archive.writestr(entry, b"some" * random.randrange(20))
        directory = sum(46 + len(info.filename) + len(info.comment) for info in archive.infolist())
        with path.open("rb") as stream:
            if directory > reading.MAX_DIRECTORY:
                with pytest.raises(FormatError, match="directory"):
                    reading.open_zip(stream)
            else:
                with reading.open_zip(stream) as opened, zipfile.ZipFile(path) as whole:
                    assert opened.namelist() == whole.namelist()
                    assert all(opened.read(name) == whole.read(name) for name in opened.namelist())
