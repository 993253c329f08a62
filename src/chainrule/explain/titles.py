"""Titles of cells: noun phrases, from `chainrule.operations`."""

from chainrule import operations
from chainrule.explain.cataloguing import without_d
from chainrule.explain.cells import TensorEntry


def title(entry: TensorEntry, moments: int = 0) -> str:
    """Return a noun phrase for an entry of a tensor; ``moments``: how many the optimizer keeps."""
    titles = operations.entries()["titles"]
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
        return titles["kind"]["gradient"].format(of=_part(without_d(entry.name)))
    return _part(entry.name)


def _part(name: str) -> str:
    layer, _, own = name.rpartition(".")
    parts = operations.entries()["titles"]["part"]
    return parts.get(own, parts["other"]).format(layer=layer, own=own)
