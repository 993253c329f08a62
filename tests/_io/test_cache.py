"""The folders of compiled programs: which are deleted, and when."""

import os
import time
from pathlib import Path

import pytest

from chainrule._io import cache
from chainrule._io.cache import DAY, LOCKS, cache_folder
from chainrule._io.process_locks import Locks
from chainrule.errors import OptionError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    return tmp_path / "compiled"


def unused_programs(folder: Path, days: float) -> Path:
    """Create a folder of 1,000 bytes last used some days ago."""
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / "a.nbc").write_bytes(b"x" * 1000)
    then = time.time() - days * DAY
    os.utime(folder, (then, then))
    return folder


def test_a_new_version_clears_out_those_not_used_for_a_month(programs: Path) -> None:
    for name, days in (("old", 31), ("recent", 29), ("now", 50)):
        unused_programs(programs / name, days)
    (programs / "a file").touch()
    assert cache.use_programs("now").stat().st_mtime > time.time() - DAY  # is there already
    assert (programs / "old").exists()
    assert cache.use_programs("new") == programs / "new"
    assert sorted(path.name for path in programs.iterdir()) == ["a file", "new", "now", "recent"]


def test_clearing_says_what_it_freed(programs: Path) -> None:
    assert cache.clear_programs() == cache.programs_size() == 0
    unused_programs(programs / "a", 0)
    Locks(unused_programs(programs / "b", 3) / LOCKS)
    assert cache.programs_size() == 2000
    assert cache.clear_programs() == 2000
    assert not programs.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        cache.use_programs("now")
    assert cache.programs_size() == cache.clear_programs() == 0


@pytest.mark.parametrize("folder", ["~/.cache/chainrule", RuntimeError("no home"), ValueError("no home")])
def test_a_user_without_a_home_folder(folder: str | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handle platformdirs versions that keep the ~ or raise: no folder named ~ is created."""

    def user_cache_dir(name: str) -> str:
        if isinstance(folder, Exception):
            raise folder
        return folder

    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", user_cache_dir)
    with pytest.raises(OptionError, match="no home folder"):
        cache_folder()
    monkeypatch.setenv("CHAINRULE_CACHE", "~nobody-here/x")
    with pytest.raises(OptionError, match="CHAINRULE_CACHE=~nobody-here/x"):
        cache_folder()
