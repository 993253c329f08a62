"""The table of the layers that `Model.summary` returns."""

from chainrule._io.console import aligned
from chainrule.core.shapes import text
from chainrule.network.fitted import UNFITTED
from chainrule.network.network import Network


class Summary(str):
    """A text that is also printed where a notebook or the interpreter shows the value of an expression."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary_text(network: "Network") -> str:
    """Return a table of the layers, and the network's signature if training recorded one."""
    titles = summary_columns(network)
    empty = [""] * (len(titles) - 3)
    ends = ["input", *empty, text(network.input_shape), ""], ["", *empty, "", f"{network.parameters.size:,}"]
    table = [[titles[0], "", *titles[2:]], ends[0], *summary_rows(network), ends[1]]
    lines = [line.rstrip() for line in aligned(table, right=(len(titles) - 1,))]
    if network.normalization != UNFITTED:
        from chainrule.models.signature import NetworkSignature

        lines += ["", str(NetworkSignature.of(network))]
    return "\n".join(lines)


def summary_columns(network: "Network") -> list[str]:
    """Return the titles of the columns. The column of each layer's inputs exists only in networks with branches."""
    return ["layer", "options", *([] if network.wiring.is_chain else ["reads"]), "gives", "parameters"]


def summary_rows(network: "Network") -> list[list[str]]:
    """Return one row per layer, with one cell for each column in `summary_columns`."""
    wiring = network.wiring
    sources = ["input", *network.names]
    rows = list[list[str]]()
    for number, (name, layer, shape) in enumerate(zip(network.names, network.layers, network.shapes, strict=True)):
        reads = ", ".join(sources[index] for index in wiring.inputs[number])
        shared = wiring.owners[number] != number and bool(layer.parameters(network.input_shapes[number][0], name))
        size = f"of {network.names[wiring.owners[number]]}" if shared else f"{network.size(name):,}"
        rows.append([name, layer.describe(), *([] if wiring.is_chain else [reads]), text(shape), size])
    return rows
