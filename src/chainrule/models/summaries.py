"""Tables of a network's layers, for a terminal or a notebook."""

from chainrule.core.shapes import text
from chainrule.models.network import Network


def as_text(network: Network) -> str:
    """Return a table of the layers, their output shapes and their numbers of parameters."""
    titles = columns(network)
    empty = [""] * (len(titles) - 3)
    ends = ["input", *empty, text(network.input_shape), ""], ["", *empty, "", f"{network.parameters.size:,}"]
    table = [[titles[0], "", *titles[2:]], ends[0], *rows(network), ends[1]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    widths[-1] *= -1  # to the right
    lines = ["  ".join(_padded(*each) for each in zip(row, widths, strict=True)) for row in table]
    return "\n".join(line.rstrip() for line in lines)


def columns(network: Network) -> list[str]:
    """Return the titles of the columns; what a layer reads is shown where layers branch."""
    return ["layer", "options", *([] if network.wiring.is_chain else ["reads"]), "gives", "parameters"]


def rows(network: Network) -> list[list[str]]:
    """Return a row for each layer, with a cell for each of `columns`."""
    wiring, sources, found = network.wiring, ["input", *network.names], list[list[str]]()
    for number, (name, layer, shape) in enumerate(zip(network.names, network.layers, network.shapes, strict=True)):
        reads = ", ".join(sources[each] for each in wiring.inputs[number])
        shared = wiring.owners[number] != number and bool(layer.parameters(network.input_shapes[number][0], name))
        size = f"of {network.names[wiring.owners[number]]}" if shared else f"{network.size(name):,}"
        found.append([name, layer.describe(), *([] if wiring.is_chain else [reads]), text(shape), size])
    return found


def _padded(cell: str, width: int) -> str:
    """Return a text with spaces after it, or before it for a negative width."""
    return cell.rjust(-width) if width < 0 else cell.ljust(width)
