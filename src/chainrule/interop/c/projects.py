"""The forms of an exported folder: which files it contains, and the template of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from typing import Any

from chainrule._io import files
from chainrule.errors import OptionError, quoted, unknown_name

MARK = "written by chainrule"  # text in every exported file; only files with this text may be overwritten
PREFIX = re.compile(r"[a-z][a-z0-9_]{0,40}")  # of C functions and files
FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")  # name of a folder that the tools for microcontrollers accept
# Prefixes that other files and headers, targets of CMake, or devices of Windows have as names.
RESERVED = frozenset(
    re.findall(
        r"\w+",
        "all arduino aux assert clean clear com1 com2 com3 com4 complex con ctype errno example fenv float help "
        "install inttypes iso646 limits locale lpt1 lpt2 lpt3 main math nul package prn selftest setjmp signal stdarg "
        "stdatomic stdbool stddef stdint stdio stdlib string test tgmath threads time uchar unity wchar wctype",
    )
)


@dataclass(frozen=True)
class Project:
    """A form of an exported folder.

    files         path of each file → its template in the folder `templates`; both contain placeholders
    is_embedded   whether it is for microcontrollers, which compute without vectors
    """

    files: Mapping[str, str]
    is_embedded: bool = True


def _network(folder: str) -> dict[str, str]:
    """Return the files of the network itself, in a folder."""
    return {f"{folder}$name.c": "network.c", f"{folder}$name.h": "network.h"}


def _esp_app(folder: str, main: str) -> dict[str, str]:
    """Return the files of an application of ESP-IDF."""
    return {
        f"{folder}/CMakeLists.txt": "projects/esp_app.cmake",
        f"{folder}/sdkconfig.defaults": "projects/esp_defaults",
        f"{folder}/main/CMakeLists.txt": "projects/esp_main.cmake",
        f"{folder}/main/main.c": f"projects/{main}",
    }


def _zephyr_app(folder: str, main: str, configuration: str, description: str) -> dict[str, str]:
    """Return the files of an application of Zephyr."""
    return {
        f"{folder}/CMakeLists.txt": "projects/zephyr_app.cmake",
        f"{folder}/prj.conf": f"projects/{configuration}",
        f"{folder}/{description}": f"projects/{description}",
        f"{folder}/src/main.c": f"projects/{main}",
    }


CMAKE = {**_network(""), "example.c": "example.c", "CMakeLists.txt": "CMakeLists.txt"}
PROJECTS = {
    "make": Project({**CMAKE, "Makefile": "Makefile"}, is_embedded=False),
    "cmake": Project(CMAKE, is_embedded=False),
    "arduino": Project(
        {
            **_network("src/"),
            "library.properties": "projects/library.properties",
            "examples/classify/classify.ino": "projects/arduino_classify.ino",
            "examples/selftest/selftest.ino": "projects/arduino_selftest.ino",
        }
    ),
    "platformio": Project(
        {
            **_network("lib/$library/src/"),
            "lib/$library/library.json": "projects/library.json",
            "platformio.ini": "projects/platformio.ini",
            "src/main.cpp": "projects/arduino_classify.ino",
            "test/test_$name/test_main.cpp": "projects/unity_test.c",
        }
    ),
    "esp-idf": Project(
        {
            **_network("components/$library/"),
            "components/$library/CMakeLists.txt": "projects/esp_component.cmake",
            "components/$library/idf_component.yml": "projects/idf_component.yml",
            **_esp_app("classify", "esp_classify.c"),
            **_esp_app("selftest", "unity_test.c"),
        }
    ),
    "zephyr": Project(
        {
            **_network("src/"),
            "CMakeLists.txt": "projects/zephyr_library.cmake",
            "Kconfig": "projects/Kconfig",
            "zephyr/module.yml": "projects/zephyr_module.yml",
            **_zephyr_app("sample", "zephyr_classify.c", "zephyr_sample.conf", "sample.yaml"),
            **_zephyr_app("tests", "zephyr_test.c", "zephyr_test.conf", "testcase.yaml"),
        }
    ),
}


def find(name: str) -> Project:
    """Return a form of `PROJECTS`; OptionError for another name."""
    if name not in PROJECTS:
        raise unknown_name("project", name, (*PROJECTS,))
    return PROJECTS[name]


def check_names(project: Project, name: str, folder: Path) -> None:
    """Raise OptionError for a prefix or a folder's name that C, a tool or an operating system does not accept."""
    if not PREFIX.fullmatch(name) or name in RESERVED:
        raise OptionError(
            f"name {quoted(name)}: expected lowercase letters, digits and underscores, as in the name of a C function, "
            f"and none of {', '.join(sorted(RESERVED))}"
        )
    folder_name = folder.resolve().name
    if project.is_embedded and not FOLDER.fullmatch(folder_name):
        raise OptionError(
            f"folder {quoted(folder_name)}: expected letters, digits, dots, dashes and underscores, as for a library"
        )


def template(name: str) -> Template:
    """Return the template, with placeholders, in a file of the folder `templates`."""
    return Template(resources(__package__ or "").joinpath("templates", name).read_text(encoding="utf-8"))


def write(project: Project, target: Path, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Write the files of a project into a folder, and return their names.

    values   values of the placeholders

    Errors   OptionError if one would replace a file that is not of this network
    """
    contents = dict[str, str]()
    for path, template_name in project.files.items():
        contents[Template(path).substitute(values)] = template(template_name).substitute(values)
    for name in contents:
        _refuse_to_replace(target / name, values["identity"])
    for name, content in contents.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(file, content.encode())
    return tuple(contents)


def _refuse_to_replace(file: Path, identity: str) -> None:
    """Raise OptionError if the file exists and was not written by chainrule, or is the header of another model."""
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if MARK not in text:
        raise OptionError(f"{file} was not written by chainrule and would be overwritten; choose another folder")
    if file.suffix == ".h" and identity not in text:
        raise OptionError(f"{file} belongs to another network; choose another name (--name, name=) or another folder")
