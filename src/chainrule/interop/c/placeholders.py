"""The values of the placeholders in templates, which depend on the network."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.interop.c.networks import ExportedNetwork
from chainrule.interop.c.projects import MARK
from chainrule.interop.c.quantized import NUMBERS, Quantized
from chainrule.interop.c.report import CostReport
from chainrule.interop.c.routines import decimal_literal
from chainrule.interop.c.source import foreign, identifier, macro, unique_identifiers

if TYPE_CHECKING:
    from chainrule.models.model import Model

FLOAT_BYTES = 4
MAX_LABELS = 1000
STACK = 4096  # bytes of the stack of an example in addition to that of NAME_run
FLOATS = {  # placeholders of templates for an input and outputs in floats
    "order": "channel by channel, with rows from top to bottom",
    "pixel": "real",
    "place": "c * height * width + p",  # index of channel c of pixel p
    "real": "outputs",
}
INTEGERS = {  # for integers
    "order": "row by row from the top, with the channels of a pixel side by side",
    "include": "#include <stdint.h>\n\n",
    "scales": """/* Integers of the input and of the outputs; q represents STEP (q - ZERO). */
#define ${guard}_INPUT_STEP $input_step
#define ${guard}_INPUT_ZERO $input_zero
#define ${guard}_OUTPUT_STEP $output_step
#define ${guard}_OUTPUT_ZERO $output_zero
""",
    "pixel": "($number)fmaxf($low, fminf($high, floorf(real / ${guard}_INPUT_STEP + ${guard}_INPUT_ZERO + 0.5f)))",
    "place": "p * channels + c",
    "real": "integers",
    "integers": "    $number integers[${guard}_OUTPUTS];\n",
    "convert": """    for (int k = 0; k < ${guard}_OUTPUTS; k++)
        outputs[k] = ${guard}_OUTPUT_STEP * ((float)integers[k] - ${guard}_OUTPUT_ZERO);
""",
}
STREAM = {  # for streams
    "stream": """
/* The input is the next samples of a stream. The arena begins with ${guard}_STATE_BYTES of state: fill it with zeros
   before the first call, and leave it unchanged between calls. */
#define ${guard}_STATE_BYTES $state_bytes
""",
    "reset": """    for (int k = 0; k < $state_floats; k++)
        arena[k] = 0;
    for (int call = 0; call < $calls; call++) {
""",
    "end_calls": "    }\n",
    "repeat": "    do {\n",
    "end_repeat": "    } while (read_numbers(file));\n",
}
PLAIN_BYTES = """
/* The same sizes for a build without vectors: with NETWORK_PLAIN, or for a processor that has none. */
#define {guard}_PLAIN_CONSTANT_BYTES {constants}
#define {guard}_PLAIN_ARENA_BYTES {arena}
"""
ABSENT = ("include", "scales", "integers", "convert", "more", "report", "statics", "functions", *STREAM)


def of_network(network: ExportedNetwork, name: str) -> dict[str, Any]:
    """Return the values of the placeholders for a network with this prefix of functions and files."""
    model = network.model
    guard = name.upper()
    channels, height, width = image_shape(network.plan.input.shape)
    labels = label_names(model)
    name_bytes = 0
    for label in labels:
        name_bytes += len(label.encode(errors="replace")) + 1
    values: dict[str, Any] = {
        **dict.fromkeys(ABSENT, ""),
        "title": f"{identifier(model.name)}: a network of {len(model.layers)} layers",
        "mark": MARK,
        "name": name,
        "guard": guard,
        "library": f"chainrule_{name}",
        "option": f"CHAINRULE_{guard}",
        "stack": STACK,
        "static_bytes": 0,
        "scale": "",
        "divided": "",
        "channels": channels,
        "height": height,
        "width": width,
        "inputs": channels * height * width,
        "outputs": network.plan.output.size,
        "classes": len(labels),
        "name_bytes": name_bytes,
        "ports": _port_definitions(model, guard),
        "units": foreign(model.normalization.unit, "comment"),
        "number": NUMBERS[network.io],
        **FLOATS,
    }
    if model.normalization.white == 1:
        values |= {"scale": " / 255", "divided": ", which are divided by 255 as in chainrule predict"}
    if network.int8 and network.io != "float":
        values |= _integer_values(network.int8, values)
    if network.streamed:
        floats = network.streamed.size
        values |= {"state_bytes": FLOAT_BYTES * floats, "state_floats": floats, "calls": network.streamed.calls}
        values |= _substituted(STREAM, values)
    return values


def _integer_values(int8: Quantized, values: dict[str, Any]) -> dict[str, str]:
    """Return the values of placeholders for an input and outputs in integers."""
    limits = np.iinfo(int8.io)
    step, zero = int8.input_scale
    output_step, output_zero = int8.output_scale
    numbers = dict[str, Any](low=limits.min, high=limits.max)
    for scale_name, number in (
        ("input_step", step),
        ("input_zero", zero),
        ("output_step", output_step),
        ("output_zero", output_zero),
    ):
        numbers[scale_name] = decimal_literal(number)
    units = f"{values['units']}, as {values['number']} q: {step:.6g} (q - {zero:.6g})"
    return {"units": units, **_substituted(INTEGERS, values | numbers)}


def _substituted(templates: dict[str, str], values: dict[str, Any]) -> dict[str, str]:
    return {name: Template(text).substitute(values) for name, text in templates.items()}


def of_report(report: CostReport, guard: str) -> dict[str, Any]:
    """Return the values of placeholders for a report: a comment with macros, and the stack of an example."""
    lines = ["Layers: multiply-adds, and bytes, of a build without vectors."]
    for line in str(report).replace("–", "-").splitlines():
        lines.append(foreign(line, "comment"))
    table = "\n   ".join(lines)
    macros = f"#define {guard}_MULTIPLY_ADDS {report.totals['multiply_adds']}\n"
    macros += f"#define {guard}_STACK_BYTES {report.stack}\n"
    return {"report": f"\n/* {table} */\n{macros}", "stack": STACK + report.stack}


def label_names(model: Model) -> Sequence[str]:
    """Return the names of the classes; for several outputs, names of all numbers, such as digit[0].

    If there are more than `MAX_LABELS` numbers, the labels are the names of the outputs.
    """
    ports = model.output_ports
    if ports is None:
        return model.classes
    if ports.size > MAX_LABELS:
        return ports.names
    labels = list[str]()
    for name, columns in ports.columns.items():
        for k in range(columns.stop - columns.start):
            labels.append(f"{name}[{k}]")
    return labels


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


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Return an input shape as (channels, height, width); (C, W) and (F,) become images with one row."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return 1, 1, shape[0]
