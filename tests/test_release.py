"""What a release needs: one version, one place with addresses, and commands of the README that work in a checkout."""

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docs.pages import FENCE, ROOT
from docs.pages import text as text_of
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import chainrule as cr
import chainrule.sklearn
from chainrule import __version__
from chainrule._io import extras
from chainrule.errors import OptionError
from chainrule.interop.c.wasm import write_wasm

README = text_of("README.md")
PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
TARGET = re.compile(r"\]\((?!#)([^)\s]+)\)")
ADDRESS = "https://host.example/owner/name"
WRITTEN = re.compile(r".*\.(md|py|toml|ya?ml|cff|js|json)")  # kinds of files that are written by hand
IGNORED = {"node_modules", "__pycache__", "build", "dist", "runs", ".venv", ".git"}


def written_files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = {*folders} - IGNORED
        yield from (Path(folder, name) for name in names if WRITTEN.fullmatch(name))


def test_the_changelog_and_the_citation_have_the_version_and_one_date() -> None:
    released = re.search(r"^## (\S+) - (\S+)$", text_of("CHANGELOG.md"), re.M)
    cited = re.search(r"^version: (\S+)\ndate-released: (\S+)$", text_of("CITATION.cff"), re.M)
    assert released is not None
    assert cited is not None
    assert released.groups() == cited.groups() == (__version__, released[2])


def test_actions_are_pinned_by_hash() -> None:
    used = [use for path in (ROOT / ".github").rglob("*.yml") for use in re.findall(r"uses: (\S+)", text_of(path))]
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)] == []


def test_a_package_contains_tracked_files_only(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Package.compile_kernels = lambda self, build_data, editable: None
    wheel, sdist = (
        module.Package(str(tmp_path), {}, None, None, str(tmp_path), target) for target in ("wheel", "sdist")
    )
    (tmp_path / "src").mkdir()
    for name in ("src/module.py", "src/ignored.py", "src/private.py", "note.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored.py\n", encoding="utf-8")
    wheel.initialize("standard", {})  # from an archive without a repository
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".git" / "info").mkdir(exist_ok=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("private.py\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r": src/module\.py, src/private\.py$"):
        wheel.initialize("standard", {})
    wheel.initialize("editable", {})
    subprocess.run(["git", "add", "--force", "src", ".gitignore"], cwd=tmp_path, check=True)
    wheel.initialize("standard", {})
    with pytest.raises(ValueError, match=r": note\.txt$"):
        sdist.initialize("standard", {})


def test_addresses_of_the_project_are_those_of_its_metadata() -> None:
    own = tuple(PROJECT["urls"].values())
    urls = [(path.name, url) for path in written_files() for url in re.findall(r"https://[\w./@-]+", text_of(path))]
    assert urls
    named = [(name, url) for name, url in urls if PROJECT["name"] in url.lower()]
    assert [(name, url) for name, url in named if not url.startswith(own)] == []


def metadata_readme(folder: Path, urls: str, readme: str) -> str:
    """Return the README in the metadata of a package with other addresses and another README.md."""
    for name in ("pyproject.toml", "LICENSE", "hatch_build.py", "src/chainrule/version.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    project = re.sub(r"(\[project.urls\]\n)[^[]*", rf"\1{urls}\n\n", text_of("pyproject.toml"))
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return ProjectMetadata(str(folder), PluginManager()).core.readme


BADGE = "[![License](https://badges.example/mit)](LICENSE)\n"


def test_metadata_have_no_relative_links(tmp_path: Path) -> None:
    """With an address, the links lead there to the same files; all else is unchanged."""
    without, text = (metadata_readme(tmp_path, urls, BADGE + README) for urls in ("", f'Repository = "{ADDRESS}"'))
    for readme in (without, text):
        assert [place for place in TARGET.findall(readme) if not place.startswith("https://")] == []
    assert re.findall(r"!\[.*?\]\((.*?)\)", without) == ["https://badges.example/mit"]
    assert FENCE.findall(without) == FENCE.findall(README)
    assert re.sub(rf"{ADDRESS}/(blob|raw)/main/", "", text) == BADGE + README
    assert re.findall(rf"!\[[^]]*\]\({ADDRESS}/raw/main/(.*?)\)", text) == re.findall(r"!\[.*?\]\((docs.*?)\)", README)


def test_the_first_commands_of_the_readme() -> None:
    """Two to begin with; the Makefile defines them, `.ci/run` calls the tests, and pip installs this folder."""
    _, block = FENCE.findall(README)[0]
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert commands == ["make train", "make test"]
    beginning = README.partition("\n## ")[0]
    assert '`pip install ".[all]"`' in beginning
    assert "make test" in text_of(".ci/run").splitlines()
    recipes = dict(re.findall(r"^(train|test):.*\n\t(.*)", text_of("Makefile"), re.M))
    assert "/chainrule train" in recipes["train"]
    assert "-m pytest" in recipes["test"]


def test_speeds_of_the_readme_are_those_of_the_tables() -> None:
    """Compare ratios; those of the zoo are compared by `test_docs.py`."""
    section = README.partition("## Speed")[2]
    line = re.search(r"- ratio to the fastest PyTorch variant: .*", text_of("docs/benchmarks.md"))
    assert line
    ratios = [re.findall(rf"numpy-cnn {batch}: ([\d.]+×)", line[0])[0] for batch in (1, 32, 128)]
    assert ratios == re.findall(r"[\d.]+×", section)


def test_extras_are_listed_once() -> None:
    page, declared = text_of("docs/start/install.md"), PROJECT["optional-dependencies"]
    listed = re.findall(r"^\| `(\w+)` \|", page, re.M)
    of_targets = re.findall(r"`(\w+)`", page.partition("The extras ")[2].partition(" are for")[0])
    assert sorted([*listed, *of_targets]) == sorted(declared)
    assert {name: declared[name] for name in listed if name not in ("all", "course")} == extras.REQUIREMENTS
    assert declared["all"] == ["chainrule[images,page,plots]"]


ACTIONS: dict[str, tuple[str, Callable[[], Any]]] = {
    "keras": ("h5py", lambda: cr.load("net.h5")),
    "tflite": ("tflite", lambda: cr.load("net.tflite")),
    "wasm": ("ziglang", lambda: write_wasm(cr.Sequential([cr.ReLU()], (1, 4, 4), engine="numpy"), "net.wasm")),
    "sklearn": ("sklearn", lambda: importlib.reload(chainrule.sklearn)),
}


@pytest.mark.parametrize(("extra", "module", "action"), [(extra, *rest) for extra, rest in ACTIONS.items()])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    extra: str, module: str, action: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("net.h5", "net.tflite"):
        Path(name).write_bytes(b"\x89HDF\r\n\x1a\n" if name == "net.h5" else b"\0\0\0\0TFL3")
    with pytest.raises((OptionError, ImportError)) as raised:
        action()
    assert re.findall(r' install "(.*)"$', str(raised.value)) == PROJECT["optional-dependencies"][extra]


@pytest.mark.parametrize("folder", [str(Path(sys.executable).parent), "nowhere"])
def test_the_command_installs_into_this_python(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", folder)
    pip = shlex.split(extras.install_command("sklearn").partition(" install ")[0])
    done = subprocess.run([*pip, "--version"], capture_output=True, text=True, check=True)
    assert sys.prefix in done.stdout
