"""Opening of models: files of this library and of others, and run folders."""

from pathlib import Path

from chainrule._io import files
from chainrule.errors import FormatError, OptionError, ShapeError, explain_memory_errors
from chainrule.interop import importing
from chainrule.models.model import Graph, Model, Options


@explain_memory_errors("loading a model", "close other programs, or load a smaller model")
def load(path: str | Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> Model:
    """Load a model from a file written by `Model.save`, an ONNX or Keras file, or a run folder.

    engine, threads, precise   as in `Sequential`; a file holds none of them

    Errors   FormatError if it is invalid
    """
    place = files.as_path(path)
    if place.is_dir():
        from chainrule.runs.opening import load_run

        return load_run(place, engine=engine, threads=threads, precise=precise)
    if importing.is_network(place):
        return _import(place, engine=engine, threads=threads, precise=precise)
    tensors, about = files.read_tensors(place, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _import(path: Path, *, engine: str | None, threads: int | None, precise: bool) -> Model:
    """Return the network that another framework wrote, named after its file."""
    made = importing.read_network(path)
    try:
        options: Options = {"name": path.stem, "dtype": made.dtype}
        options |= {"engine": engine, "threads": threads, "precise": precise}
        return Graph(made.x, made.y, **options | {"weights": made.weights})
    except (OptionError, ShapeError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from None
