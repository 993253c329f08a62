"""Export of models to C programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from chainrule._io import files
from chainrule.core.options import checked_options
from chainrule.interop.c import placeholders, program, projects, selftest, source
from chainrule.interop.c.deciding import decision_of
from chainrule.interop.c.networks import ExportedNetwork
from chainrule.interop.c.program import CProgram
from chainrule.interop.c.quantized import Quantized
from chainrule.interop.c.report import POINTER_BYTES, CostReport, report_of
from chainrule.interop.c.routines import definitions_of, prelude
from chainrule.interop.c.source import Structs, strings
from chainrule.version import __version__

if TYPE_CHECKING:
    from chainrule.models.model import Model


@dataclass(frozen=True)
class CFiles:
    """The result of an export: the files, and the memory required by the program, in bytes.

    folder     folder with the files
    names      names of the files
    units      the values of the input
    ports      (input, outputs): sizes of the arguments of NAME_run in RAM
    constants  size of the parameters in flash, including padding
    arena      size of the array for activations in RAM, which the caller passes
    plain      (constants, arena) of a build without vectors, which may be smaller
    report     costs by layer
    """

    folder: Path
    names: tuple[str, ...]
    constants: int
    arena: int
    plain: tuple[int, int]
    units: str
    ports: tuple[int, int]
    report: CostReport

    def __str__(self) -> str:
        sizes = {"constants": self.constants, "arena": self.arena}
        shown = _format_sizes(**sizes, input=self.ports[0], outputs=self.ports[1])
        if self.plain != (self.constants, self.arena):
            shown += f" (without vectors: {_format_sizes(constants=self.plain[0], arena=self.plain[1])})"
        return f"{self.folder}: {', '.join(self.names)}; input: {self.units}; bytes: {shown}"


def _format_sizes(**sizes: int) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sizes.items() if count)


@checked_options
def write_c(
    model: Model,
    folder: str | Path,
    *,
    name: str = "network",
    int8: Quantized | None = None,
    compact: bool = False,
    stream: bool = False,
    project: str = "make",
) -> CFiles:
    """Write a model as C99: NAME.c and NAME.h with `NAME_run(arena, image, outputs)`, an example, and build files.

    name     prefix of the names of functions and files
    int8     quantized model to write instead of the float model; None: write the float model
    compact  save memory at the expense of speed: do not use Winograd's algorithm. It is never used for quantized
             models, models with `precise`, or microcontrollers
    stream   write a network of one dimension whose input is the next samples only; see `interop.c.streaming`
    project  form of the folder: "make", with a Makefile and a CMakeLists.txt; "cmake"; or for microcontrollers
             "arduino", "platformio", "esp-idf" or "zephyr", with an example for a board and a test

    Images are in the units of the training data, before normalization. Numbers are float32.

    Errors   OptionError for a layer without C functions, an invalid prefix or project, or if a file exists that was not
             written by chainrule, or for another network with the same prefix
    """
    form = projects.find(project)
    target = files.as_path(folder)
    projects.check_names(form, name, target)
    network = ExportedNetwork.of(model, int8, stream=stream)
    programs = network.programs(compact=compact or form.is_embedded)
    values = placeholders.of_network(network, name) | selftest.values(network)
    values["identity"] = _identity(model)
    number_bytes = placeholders.FLOAT_BYTES if network.io == "float" else 1
    ports = number_bytes * values["inputs"], number_bytes * values["outputs"]
    errors = int8.layer_errors if int8 else {}
    names = values["name_bytes"] + POINTER_BYTES * values["classes"]
    plans = network.model.plan(), network.plan
    report = report_of(*plans, programs[1], errors, names=names, ports=sum(ports))
    values |= placeholders.of_report(report, values["guard"])
    (constants, arena), plain = [(variant.constant_bytes, variant.arena_bytes) for variant in programs]
    values |= {"constant_bytes": constants, "arena_bytes": arena}
    if plain != (constants, arena):
        values["more"] = placeholders.PLAIN_BYTES.format(guard=values["guard"], constants=plain[0], arena=plain[1])
    _add_source(network, programs, values)
    written = projects.write(form, target, values)
    return CFiles(target, written, constants, arena, plain, values["units"], ports, report)


def _identity(model: Model) -> str:
    """Return a hash of a model's description without what training changes, such as weights."""
    described = json.dumps([model.architecture(), model.name, [*model.classes]], default=str)
    return sha256(described.encode()).hexdigest()[:16]


def _add_source(network: ExportedNetwork, programs: Sequence[CProgram], values: dict[str, Any]) -> None:
    """Add the values of the placeholders for code: of the network, and of the examples."""
    decision = decision_of(network.model, values)
    values["functions"] = decision.declaration + values["functions"]
    vectors, plain = [_sections(network, variant, values, decision.definition) for variant in programs]
    name = values["name"]
    includes = f'/* SPDX-License-Identifier: MIT */\n#include <math.h>\n#include <stdint.h>\n\n#include "{name}.h"\n'
    text = "\n".join([includes, prelude(), *map(source.conditional, vectors, plain)])
    digest = sha256(text.encode()).hexdigest()[:16]  # of the definitions, without the first comment
    values |= {"source": text, "mark": f"{projects.MARK} {__version__}, {digest}", "digest": digest}
    values |= {"printed": decision.printed, "report_outputs": decision.report}
    values["classify"] = projects.template("projects/classify.c").substitute(values)


def _sections(
    network: ExportedNetwork, variant: CProgram, values: Mapping[str, Any], decision: str
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return the sections of a C file: functions for operations, arrays, structs, and definitions of the network."""
    structs = Structs()
    scaling = selftest.scaling_calls(network)
    calls = [*variant.calls, *scaling]
    arrays = variant.constants()
    parameters = Template("float *arena, const $number *image, $number *outputs").substitute(values)
    classes = strings(placeholders.label_names(network.model), "C", ",\n    ")
    scaled = source.body(scaling, lambda _: program.IMAGE, structs)
    definitions = [
        f"const char *const {values['name']}_classes[{values['guard']}_CLASSES] = {{\n    {classes}}};\n",
        f"void {values['name']}_run({parameters})\n{{\n{variant.body(structs)}\n}}\n",
        projects.template("selftest.c").substitute(values, scaled=scaled),
    ]
    definitions.append(decision)
    names = {*structs.kinds(), *(call.function for call in calls)}
    return definitions_of(names), arrays, structs.definitions(), definitions
