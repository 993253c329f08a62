"""Export to WebAssembly: the C program compiled with SIMD, a JavaScript module to call it, and a page for drawing."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._io import files
from chainrule._io.extras import import_optional
from chainrule.data.normalization import BYTE
from chainrule.errors import ChainruleError, OptionError, quoted
from chainrule.interop.c import exporter, placeholders, projects, source
from chainrule.interop.c.networks import ExportedNetwork
from chainrule.interop.c.quantized import Quantized

if TYPE_CHECKING:
    from chainrule.models.model import Model

FLAGS = ("-std=c99", "-O3", "-msimd128", "-ffp-contract=fast", "-mexec-model=reactor", "-Wl,--strip-all")
EXPORTED = ("image", "outputs", "run")
ENTRY = """#include "network.h"
static float arena[NETWORK_ARENA_BYTES / sizeof(float)], pixels[NETWORK_INPUTS], results[NETWORK_OUTPUTS];

float *image(void)
{
    return pixels;
}

float *outputs(void)
{
    return results;
}

void run(void)
{
    network_run(arena, pixels, results);
}
"""


def write_wasm(model: Model, file: str | Path, *, int8: Quantized | None = None, compact: bool = False) -> list[Path]:
    """Write a model as FILE.wasm, FILE.js and FILE.html, and return their paths.

    int8     quantized model to write instead of the float model; None: write the float model
    compact  save memory at the expense of speed, as in `write_c`

    Errors   OptionError if the compiler (the package ziglang) is missing, or for another suffix; errors of `write_c`
    """
    path = files.as_path(file)
    if path.suffix != ".wasm":
        raise OptionError(f"file {quoted(path.name)}: expected a name that ends with .wasm")
    if int8 is not None and int8.io != "float":
        raise OptionError(f"io {quoted(int8.io)}: WebAssembly programs have inputs and outputs in floats")
    import_optional("ziglang", "wasm", "compiling WebAssembly")
    network = ExportedNetwork.of(model, None, stream=False)
    compiled = _compile(network.model, int8, compact)
    values = placeholders.of_network(network, "network") | {
        "title": source.foreign(path.stem, "HTML"),
        "classes": f"[{source.strings(model.classes, 'JavaScript')}]",
        "most": model.normalization.white or BYTE,
    }
    module = projects.template("wasm.js").substitute(values)
    page = projects.template("wasm.html").substitute(values, module=module, bytes=base64.b64encode(compiled).decode())
    contents = {path: compiled, path.with_suffix(".js"): module.encode(), path.with_suffix(".html"): page.encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, content in contents.items():
        files.write_atomic(target, content)
    return list(contents)


def _compile(model: Model, int8: Quantized | None, compact: bool) -> bytes:
    """Compile a model, and return the bytes of the WebAssembly module."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        exporter.write_c(model, folder, int8=int8, compact=compact)
        (folder / "entry.c").write_text(ENTRY)
        compiler = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi")
        exports = [f"-Wl,--export={name}" for name in EXPORTED]
        command = [*compiler, *FLAGS, *exports, "network.c", "entry.c", "-o", "network.wasm"]
        completed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if completed.returncode:
            raise ChainruleError(f"ziglang could not compile the network: {completed.stderr.strip()[-200:]}")
        return (folder / "network.wasm").read_bytes()
