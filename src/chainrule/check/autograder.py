"""The autograder for Gradescope, a zip for upload.

Source  gradescope-autograders.readthedocs.io, "Autograder Specifications" (setup.sh and run_autograder in the root of
        the zip; the folders source, submission and results of /autograder) and "Submission Metadata"
"""

import io
import shlex
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from chainrule.check.course_contracts import COURSES, course_file
from chainrule.check.points import PointScheme
from chainrule.errors import OptionError, quoted

LIBRARY = Path(__file__).parents[1]
EXCLUDED_FOLDERS = {"__pycache__", "web"}  # folders of this library that are not needed for grading
EPOCH = (1980, 1, 1, 0, 0, 0)  # timestamp of all files, for reproducible bytes; the earliest in a zip

SETUP = """\
#!/usr/bin/env bash
# Installs Python 3.11 or newer and the packages that chainrule needs. AUTOGRADER_ROOT is for trials elsewhere.
set -euo pipefail
ROOT="${AUTOGRADER_ROOT:-/autograder}"

find_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

if ! PYTHON=$(find_python); then
    apt-get update
    for version in 3.14 3.13 3.12 3.11; do
        apt-get install -y "python$version" "python$version-venv" && break
    done
    PYTHON=$(find_python)
fi
"$PYTHON" -m venv "$ROOT/environment"
"$ROOT/environment/bin/python" -m pip install --requirement "$ROOT/source/requirements.txt"
chmod -R go-rwx "$ROOT/source"  # submissions do not run as root and cannot read the grader
"""

RUN = """\
#!/usr/bin/env bash
# Grades the submission, as another user of the container, and writes results/results.json.
# AUTOGRADER_ROOT is for trials elsewhere.
set -euo pipefail
ROOT="${AUTOGRADER_ROOT:-/autograder}"
PYTHON="${AUTOGRADER_PYTHON:-$ROOT/environment/bin/python}"
export PYTHONPATH="$ROOT/source/library" PYTHONDONTWRITEBYTECODE=1
mkdir -p "$ROOT/results"
chmod go-rwx "$ROOT/results"
cd "$ROOT"
"$PYTHON" -P -m chainrule grade "$ROOT/submission" --single --trust @WORDS@ \\
    --points "$ROOT/source/points.toml" --results gradescope "$ROOT/results/results.json" || [ $? -eq 3 ]
"""


@dataclass(frozen=True)
class GradedAssignment:
    """Grading options that an autograder applies to every submission.

    against      an expression for the layer to implement, the name of a loss, or names of functions and classes
    input_shape  shape of one input as text, such as "3,7,6"; None: choose one
    seconds      time limit for each submission; None: the default
    memory       memory limit in MB; None: the default
    packages     packages that submissions may import in addition to NumPy and the standard library
    shared       names of entries that submissions may import
    seed         seed of the random values; None: a new seed each time
    ties         "first" if max pooling must pass dy to the first of several largest elements
    samples      "one" if submissions should take one sample at a time
    contract     how the code is called; None: find out
    course       name of a course whose contracts apply; None: none
    hints        amount of information in the results, from 0 to 3; None: the default
    """

    against: str | None
    scheme: PointScheme
    input_shape: str | None = None
    seconds: int | None = None
    memory: int | None = None
    packages: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    seed: int | None = None
    hints: int | None = None
    ties: str | None = None
    samples: str | None = None
    contract: str | None = None
    course: str | None = None

    @property
    def arguments(self) -> list[str]:
        """The command-line arguments for these options, without the folder and the points."""
        words = list[str]()
        for name in (
            *("against", "contract", "input_shape", "seconds", "memory", "seed"),
            *("hints", "ties", "samples"),
        ):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        for name in self.packages:
            words += ["--package", name]
        if self.course is not None and self.own_course is None:
            words += ["--course", self.course]
        return words

    @property
    def own_course(self) -> str | None:
        """The contents of the file of a course that is none of this library; None for others."""
        if self.course is None or self.course in COURSES:
            return None
        return course_file(self.course).read_text(encoding="utf-8")


def autograder(task: GradedAssignment) -> bytes:
    """Return the contents of the zip. Equal options produce equal bytes."""
    if not all(word.isprintable() for word in task.arguments):
        raise OptionError(f"{quoted(' '.join(task.arguments))}: expected printable characters only")
    if task.shared:
        raise OptionError(f"--shared {task.shared[0]}: an autograder has no files beside the submission")
    words = task.arguments
    course = task.own_course
    if course is not None:
        words += ["--course", "source/course.toml"]
    files = {
        "setup.sh": SETUP.encode(),
        "run_autograder": RUN.replace("@WORDS@", shlex.join(words)).encode(),
        "points.toml": task.scheme.to_toml().encode(),
        "requirements.txt": "".join(f"{line}\n" for line in _requirements(task)).encode(),
        **{f"library/chainrule/{name}": content for name, content in _library()},
    }
    if course is not None:
        files["course.toml"] = course.encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # compressed bytes differ between zlib versions
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix: external_attr contains the file permissions
            entry.external_attr = (0o100755 if name in ("setup.sh", "run_autograder") else 0o100644) << 16
            archive.writestr(entry, content)
    return stream.getvalue()


def _library() -> Iterator[tuple[str, bytes]]:
    """Yield the path and contents of every file of this library that is needed for grading, in alphabetical order."""
    for path in sorted(LIBRARY.rglob("*"), key=lambda path: path.relative_to(LIBRARY).as_posix()):
        relative = path.relative_to(LIBRARY)
        if path.is_file() and not EXCLUDED_FOLDERS.intersection(relative.parts):
            yield relative.as_posix(), path.read_bytes()


def _requirements(task: GradedAssignment) -> list[str]:
    """Return the requirements of this library and of the packages that submissions may import."""
    requirements = list[str]()
    for line in metadata.requires("chainrule") or []:
        if "extra ==" not in line:
            requirements.append(line)
    return sorted({*requirements, *_distributions(task)})


def _distributions(task: GradedAssignment) -> list[str]:
    """Return the distributions of the packages that submissions may import, pinned to the installed versions."""
    if not task.packages:
        return []
    by_package = metadata.packages_distributions()  # slow: reads all distributions
    names = set[str]()
    for package in task.packages:
        names.update(by_package.get(package, [package]))
    return [f"{name}=={metadata.version(name)}" for name in sorted(names)]
