"""Titles of cells: noun phrases, from `chainrule.operations`."""

from chainrule.explain.cataloguing import without_d
from chainrule.explain.cells import TensorEntry
from chainrule.operations import definitions


def title(entry: TensorEntry, moments: int = 0) -> str:
    """Return a noun phrase for an entry of a tensor; ``moments``: how many the optimizer keeps."""
    titles = definitions.entries()["titles"]
    if entry.name in titles["whole"]:
        return titles["whole"][entry.name]
    owner, _, own = entry.name.rpartition(".")
    if entry.kind == "update":
        return titles["kind"]["update"].format(of=_part(owner))
    if entry.kind == "moment":
        known = titles["moment"]
        name = "velocity" if moments == 1 and own in known else own
        return known.get(name, known["other"]).format(own=own, of=_part(owner))
    if entry.kind == "gradient":
        return _gradient(without_d(entry.name))
    return _part(entry.name)


def _gradient(name: str) -> str:
    """Return the title of a gradient, or of a part of one: of conv1.y, or conv1.y_conv2."""
    kinds = definitions.entries()["titles"]["kind"]
    layer, _, own = name.rpartition(".")
    base, _, through = own.partition("_")
    if not through or not (base in definitions.entries()["titles"]["part"] or not layer):
        return kinds["gradient"].format(of=_part(name))
    of = _part(f"{layer}.{base}" if layer else base)
    part = kinds["gradient_sum" if through.startswith("sum") else "gradient_part"]
    return part.format(of=of, through=through)


def _part(name: str) -> str:
    if name in definitions.entries()["titles"]["whole"]:
        return definitions.entries()["titles"]["whole"][name]
    layer, _, own = name.rpartition(".")
    parts = definitions.entries()["titles"]["part"]
    return parts.get(own, parts["other"]).format(layer=layer, own=own)
