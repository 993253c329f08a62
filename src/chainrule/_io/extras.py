"""Optional packages: import them, or tell the user how to install them."""

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

from chainrule.errors import OptionError

REQUIREMENTS = {
    "images": ["pillow>=12.2"],
    "jax": ["jax>=0.8,<0.12"],
    "keras": ["h5py>=3.11"],
    "mpi": ["mpi4py>=4"],
    "page": ["starlette>=1.0.1", "uvicorn>=0.34", "h11>=0.16"],
    "plots": ["matplotlib>=3.9", "pillow>=12.2"],
    "sklearn": ["scikit-learn>=1.6"],
    "tflite": ["tflite>=2.18"],
    "wasm": ["ziglang>=0.13"],
}  # extra in pyproject.toml → the packages that it adds


class MissingPackageError(OptionError):
    """A package of an extra is not installed."""


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra for the Python that is running.

    The command names the packages, not the extra, because an extra can only be installed where pip finds chainrule: the
    checkout, the wheel or the index that it was installed from.
    """
    python = Path(sys.executable)
    pip = "pip" if shutil.which("pip") == str(python.with_name("pip")) else f"{python} -m pip"
    packages = [f'"{package}"' for package in REQUIREMENTS[extra]]
    return f"{pip} install {' '.join(packages)}"


def missing(module: str, extra: str, purpose: str) -> MissingPackageError:
    """Return the error for a missing module of an extra. `import_optional` describes the parameters."""
    return MissingPackageError(f"{purpose} needs {module}, which is not installed: {install_command(extra)}")


def import_optional(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an extra; raise MissingPackageError, with the command that installs it, if it is missing.

    purpose   what needs the module, for the message: "reading Keras files"
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise missing(module, extra, purpose) from None
