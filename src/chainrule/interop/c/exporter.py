"""Export of models to C programs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule._io import files
from chainrule.core.arrays import Shape
from chainrule.core.plan import Plan
from chainrule.errors import OptionError, quoted
from chainrule.interop.c import program, selftest, source
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.deciding import decision_of
from chainrule.interop.c.program import CProgram
from chainrule.interop.c.quantized import NUMBERS, Quantized
from chainrule.interop.c.report import POINTER_BYTES, CostReport, report_of
from chainrule.interop.c.routines import decimal_literal, definitions_of, prelude
from chainrule.interop.c.source import Structs, foreign, identifier, macro, strings, unique_identifiers
from chainrule.interop.c.streaming import Stream
from chainrule.interop.c.training import ROUTINES, Training
from chainrule.training.optimizers import SGD, Optimizer
from chainrule.training.target_fitting import folded
from chainrule.version import __version__

if TYPE_CHECKING:
    from chainrule.models.model import Model

FLOAT_BYTES = 4
MAX_LABELS = 1000
PLANAR = "c * height * width + p"  # index of channel c of pixel p
# Names of other files and headers, and of targets of CMake.
RESERVED = ("example", "math", "stdint", "stdio", "all", "clean", "help", "install", "package", "test")
MARK = "written by chainrule"  # text in every exported file; only files with this text may be overwritten
PLAIN_BYTES = """
/* The same sizes for a build without vectors: with NETWORK_PLAIN, or for a processor that has none. */
#define {guard}_PLAIN_CONSTANT_BYTES {constants}
#define {guard}_PLAIN_ARENA_BYTES {arena}
"""


STREAM = {  # placeholders of templates for streams
    "stream": """
/* The input is the next samples of a stream. The arena begins with {guard}_STATE_BYTES of state: fill it with zeros
   before the first call, and leave it unchanged between calls. */
#define {guard}_STATE_BYTES {bytes}
""",
    "reset": """    for (int k = 0; k < {floats}; k++)
        arena[k] = 0;
    for (int call = 0; call < {calls}; call++) {{
""",
    "end_calls": "    }}\n",
    "repeat": "    do {{\n",
    "end_repeat": "    }} while (read_numbers(file));\n",
}


@dataclass(frozen=True)
class CFiles:
    """The result of an export: the files, and the memory required by the program, in bytes.

    folder     folder with the files
    names      names of the files
    units      the values of the input
    ports      (input, outputs): sizes of the arguments of NAME_run in RAM
    constants  size of the parameters in flash, including padding; for training, size of their initial values
    arena      size of the array for activations in RAM, which the caller passes
    plain      (constants, arena) of a build without vectors, which may be smaller
    trained    RAM of a training program, by purpose; empty for an inference program
    report     costs by layer; None for a training program
    """

    folder: Path
    names: tuple[str, ...]
    constants: int
    arena: int
    plain: tuple[int, int]
    trained: dict[str, int]
    units: str
    ports: tuple[int, int]
    report: CostReport | None

    def __str__(self) -> str:
        sizes = self.trained or {"constants": self.constants, "arena": self.arena}
        shown = _format_sizes(**sizes, input=self.ports[0], outputs=self.ports[1])
        if self.plain != (self.constants, self.arena):
            shown += f" (without vectors: {_format_sizes(constants=self.plain[0], arena=self.plain[1])})"
        return f"{self.folder}: {', '.join(self.names)}; input: {self.units}; bytes: {shown}"


def _check_prefix(name: str) -> None:
    """Raise OptionError for a prefix that C functions and files cannot have."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or name in RESERVED:
        raise OptionError(
            f"name {quoted(name)}: expected lowercase letters, digits and underscores, as in the name of a C function, "
            f"and none of {', '.join(RESERVED)}"
        )


def write_c(
    model: Model,
    folder: str | Path,
    *,
    name: str = "network",
    train: bool | Optimizer = False,
    int8: Quantized | None = None,
    compact: bool = False,
    stream: bool = False,
) -> CFiles:
    """Write a model as C99: NAME.c and NAME.h with `NAME_run(arena, image, outputs)`, an example, and build files.

    name     prefix of the names of functions and files
    train    also write `NAME_step(arena, image, label, rate)`, a training step with SGD (True) or with an `SGD` or
             `Momentum` optimizer
    int8     quantized model to write instead of the float model; None: write the float model
    compact  save memory at the expense of speed: do not use Winograd's algorithm. It is never used for training,
             quantized models, or models with `precise`
    stream   write a network of one dimension whose input is the next samples only; see `interop.c.streaming`

    Images are in the units of the training data, before normalization. Numbers are float32.

    Errors   OptionError for a layer without C functions, an invalid prefix, or if a file exists that was not written
             by chainrule, or for another network with the same prefix
    """
    _check_prefix(name)
    if (int8 is not None) + (train is not False) + stream > 1:
        raise OptionError("a quantized model, a stream and a training program cannot be combined: pass one of them")
    unfolded, model = model, folded(model)
    streamed = Stream.of(model) if stream else None
    values = template_values(model, name, int8, streamed) | selftest.values(model, int8, streamed)
    if streamed:
        values |= _stream_values(streamed, values["guard"])
    trained, programs = None, _inference_programs(model, int8, compact, streamed)
    if train is not False:
        trained = Training.of(model, SGD() if train is True else train)
        programs = [trained.running] * 2
        values |= trained.header_values(values)
    size = FLOAT_BYTES if values["number"] == "float" else 1
    ports = size * values["inputs"], size * values["outputs"]
    report, plan = None, streamed.plan if streamed else model.plan()
    if trained is None:
        sizes = [(variant.constant_bytes, variant.arena_bytes) for variant in programs]
        errors = int8.layer_errors if int8 else {}
        names = values["name_bytes"] + POINTER_BYTES * values["classes"]
        report = report_of(plan, programs[1], errors, names=names, ports=sum(ports))
        values["report"] = _report_definitions(report, values["guard"])
    else:
        sizes = [(trained.constant_bytes, trained.sizes["activations"])] * 2
        values["static_bytes"] = trained.static_bytes
    values |= {"constant_bytes": sizes[0][0], "arena_bytes": sizes[0][1]}
    if sizes[0] != sizes[1]:
        values["more"] = PLAIN_BYTES.format(guard=values["guard"], constants=sizes[1][0], arena=sizes[1][1])
    values["identity"] = _identity(unfolded)
    target, contents = files.as_path(folder), _contents(model, plan, values, programs, trained, int8)
    _write_files(target, contents, values["identity"])
    ram, units = trained.sizes if trained else {}, values["units"]
    return CFiles(target, tuple(contents), *sizes[0], sizes[1], ram, units, ports, report)


def _stream_values(streamed: Stream, guard: str) -> dict[str, str]:
    """Return the values of placeholders for streams."""
    numbers = {"floats": streamed.size, "bytes": FLOAT_BYTES * streamed.size, "calls": streamed.calls}
    return {name: text.format(guard=guard, **numbers) for name, text in STREAM.items()}


def _report_definitions(report: CostReport, guard: str) -> str:
    """Return the report as a comment, and the macros with its totals."""
    lines = [foreign(line, "comment") for line in str(report).replace("–", "-").splitlines()]
    table = "\n   ".join(["Layers: multiply-adds, and bytes, of a build without vectors.", *lines])
    numbers = {"MULTIPLY_ADDS": report.totals["multiply_adds"], "STACK_BYTES": report.stack}
    macros = [f"#define {guard}_{macro_name} {number}\n" for macro_name, number in numbers.items()]
    return "".join([f"\n/* {table} */\n", *macros])


def _contents(
    model: Model,
    plan: Plan,
    values: dict[str, Any],
    programs: Sequence[CProgram],
    trained: Training | None,
    int8: Quantized | None,
) -> dict[str, str]:
    """Return the contents of the files by name. `plan` has the operations of a call."""
    name = values["name"]
    scaling, decision = selftest.scaling_calls(model, int8, plan), decision_of(model, values)
    values["functions"] = decision.declaration + values["functions"]
    sections = [_sections(model, values, variant, scaling, trained) for variant in programs]
    for part in sections:
        part[-1].append(decision.definition)
    source_text = _source(name, *sections)
    digest = sha256(source_text.encode()).hexdigest()[:16]  # of the definitions, without the first comment
    values |= {"mark": f"{MARK} {__version__}, {digest}", "digest": digest}
    return {
        f"{name}.c": f"/* The network of {name}.h, {values['mark']} */\n{source_text}",
        f"{name}.h": template("network.h").substitute(values),
        "example.c": template("example.c").substitute(values, printed=decision.printed, report=decision.report),
        "Makefile": template("Makefile").substitute(values),
        "CMakeLists.txt": template("CMakeLists.txt").substitute(values),
    }


def _write_files(target: Path, contents: Mapping[str, str], identity: str) -> None:
    """Write files into a folder. Raise OptionError if one would replace a file that is not of this network."""
    target.mkdir(parents=True, exist_ok=True)
    for file in contents:
        _refuse_to_replace(target / file, identity)
    for file, content in contents.items():
        files.write_atomic(target / file, content.encode())


def _identity(model: Model) -> str:
    """Return a hash of a model's description without what training changes, such as weights."""
    described = json.dumps([model.architecture(), model.name, [*model.classes]], default=str)
    return sha256(described.encode()).hexdigest()[:16]


def _refuse_to_replace(file: Path, identity: str) -> None:
    """Raise OptionError if the file exists and was not written by chainrule, or is the header of another model."""
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else MARK + identity
    if MARK not in text:
        raise OptionError(f"{file} was not written by chainrule and would be overwritten; choose another folder")
    if file.suffix == ".h" and identity not in text:
        raise OptionError(f"{file} belongs to another network; choose another name (--name, name=) or another folder")


def _format_sizes(**sizes: int) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sizes.items() if count)


def template_values(
    model: Model, name: str, int8: Quantized | None = None, streamed: Stream | None = None
) -> dict[str, Any]:
    """Return the values of the templates' placeholders."""
    plan, white = streamed.plan if streamed else model.plan(), model.normalization.white
    outputs, (channels, height, width) = plan.output.size, image_shape(plan.input.shape)
    return {
        "title": f"{identifier(model.name)}: a network of {len(model.layers)} layers",
        "mark": MARK,
        "name": name,
        "guard": name.upper(),
        "static_bytes": 0,
        "scale": " / 255" if white == 1 else "",
        "divided": ", which are divided by 255 as in chainrule predict" if white == 1 else "",
        "channels": channels,
        "height": height,
        "width": width,
        "inputs": channels * height * width,
        "outputs": outputs,
        "classes": len(_labels(model)),
        "name_bytes": sum(len(label.encode(errors="replace")) + 1 for label in _labels(model)),
        "ports": _port_definitions(model, name.upper()),
        **dict.fromkeys(("more", "report", "statics", "functions", *STREAM), ""),
        **_number_values(foreign(model.normalization.unit, "comment"), int8, name.upper()),
    }


def _number_values(units: str, int8: Quantized | None, guard: str) -> dict[str, str]:
    """Return the values of placeholders that depend on the type of the input and the outputs.

    units   units of the input in real numbers
    """
    if int8 is None or int8.io == "float":
        order = "channel by channel, with rows from top to bottom"
        shared = {"number": "float", "order": order, "pixel": "real", "place": PLANAR, "real": "outputs"}
        return {"units": units, **shared, **dict.fromkeys(("include", "scales", "convert", "integers"), "")}
    lines = ["/* Integers of the input and of the outputs; q represents STEP (q - ZERO). */"]
    for kind, (step, zero) in (("INPUT", int8.input_scale), ("OUTPUT", int8.output_scale)):
        lines += [f"#define {guard}_{kind}_{name} {decimal_literal(x)}" for name, x in (("STEP", step), ("ZERO", zero))]
    pixel = f"real / {guard}_INPUT_STEP + {guard}_INPUT_ZERO + 0.5f"
    number, limits, (step, zero) = NUMBERS[int8.io], np.iinfo(int8.io), int8.input_scale
    return {
        "units": f"{units}, as {number} q: {step:.6g} (q - {zero:.6g})",
        "number": number,
        "order": "row by row from the top, with the channels of a pixel side by side",
        "include": "#include <stdint.h>\n\n",
        "scales": "\n".join(lines) + "\n",
        "pixel": f"({number})fmaxf({limits.min}, fminf({limits.max}, floorf({pixel})))",
        "place": "p * channels + c",
        "real": "integers",
        "integers": f"    {number} integers[{guard}_OUTPUTS];\n",
        "convert": f"    for (int k = 0; k < {guard}_OUTPUTS; k++)\n"
        f"        outputs[k] = {guard}_OUTPUT_STEP * ((float)integers[k] - {guard}_OUTPUT_ZERO);\n",
    }


def _labels(model: Model) -> Sequence[str]:
    """Return the names of the classes; for several outputs, names of all numbers, such as digit[0].

    If there are more than `MAX_LABELS` numbers, the labels are the names of the outputs.
    """
    ports = model.output_ports
    if ports is None:
        return model.classes
    if ports.size > MAX_LABELS:
        return ports.names
    return [f"{name}[{k}]" for name, columns in ports.columns.items() for k in range(columns.stop - columns.start)]


def _port_definitions(model: Model, guard: str) -> str:
    """Return macros for the index of the first number of each input and output; empty if there is one of each."""
    lines: list[str] = []
    for array, kind, ports in (("image", "INPUT", model.input_ports), ("outputs", "OUTPUT", model.output_ports)):
        if ports is not None:
            lines += ["", f"/* The {kind.lower()}s follow each other in {array}. Index of the first number of each: */"]
            for name, unique in unique_identifiers(ports.columns, macro).items():
                facts = f"{foreign(name, 'comment')}: {' x '.join(map(str, ports.shapes[name]))}"
                lines.append(f"#define {guard}_{kind}_{unique} {ports.columns[name].start} /* {facts} */")
    return "".join(f"{line}\n" for line in lines)


def template(name: str) -> Template:
    """Return the template, with placeholders, in a file of the folder `templates`."""
    return Template(resources(__package__ or "").joinpath("templates", name).read_text(encoding="utf-8"))


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Return an input shape as (channels, height, width); (C, W) and (F,) become images with one row."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return (shape[0] if len(shape) == 2 else 1), 1, shape[-1]


def _inference_programs(model: Model, int8: Quantized | None, compact: bool, streamed: Stream | None) -> list[CProgram]:
    """Return the programs for builds with and without vectors, which may use different algorithms."""
    if int8:
        return [int8.program()] * 2
    if streamed:
        return [streamed.program(model.normalization, compact=True)] * 2
    arguments = model.plan(), model.weights, model.normalization
    return [program.inference(*arguments, compact=is_compact) for is_compact in (compact or model.precise, True)]


def _sections(
    model: Model,
    values: Mapping[str, Any],
    run_program: CProgram,
    scaling: Sequence[CCall],
    trained: Training | None,
) -> list[list[str]]:
    """Return the sections of a C file: functions for operations, arrays, structs, and definitions of the network."""
    structs, calls, arrays, more = Structs(), run_program.calls, run_program.constants(), set[str]()
    parameters = Template("float *arena, const $number *image, $number *outputs").substitute(values)
    classes = strings(_labels(model), "C", ",\n    ")
    scaled = source.body(scaling, lambda _: program.IMAGE, structs)
    definitions = [
        f"const char *const {values['name']}_classes[{values['guard']}_CLASSES] = {{\n    {classes}}};\n",
        f"void {values['name']}_run({parameters})\n{{\n{run_program.body(structs)}\n}}\n",
        template("selftest.c").substitute(values, scaled=scaled),
    ]
    if trained:
        calls, arrays, more = trained.calls, [trained.variables()], {*ROUTINES}
        definitions.append(trained.functions(values["name"], structs))
    names = {call.function for call in (*calls, *scaling)}
    return [definitions_of(names | structs.kinds() | more), arrays, structs.definitions(), definitions]


def _source(name: str, vectors: list[list[str]], plain: list[list[str]]) -> str:
    """Return a C file with sections for builds with and without vectors; the compiler selects one."""
    includes = f'/* SPDX-License-Identifier: MIT */\n#include <math.h>\n#include <stdint.h>\n\n#include "{name}.h"\n'
    return "\n".join([includes, prelude(), *map(source.conditional, vectors, plain)])
