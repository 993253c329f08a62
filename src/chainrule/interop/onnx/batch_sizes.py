"""Translation of a graph with an unspecified batch size: for several sizes, whose networks are compared."""

from collections.abc import Callable

from chainrule.errors import FormatError
from chainrule.interop.assembly import Imported
from chainrule.interop.onnx.node_attributes import InvalidNodeError
from chainrule.interop.onnx.operator_call import Feature, Value

TRIAL_BATCH_SIZES = (7, 13, 1)  # for files with an unspecified batch size


def for_any_batch(for_batch: Callable[[int, dict[str, Value]], Imported], count: int) -> Imported:
    """Return the network of a file with an unspecified batch size; FormatError if the network depends on that size.

    Shapes are computed as numbers, and an operation that mixes samples may look valid for a single sample. The graph is
    therefore translated for two batch sizes, and the networks are compared. Sizes that make the graph itself invalid
    are skipped. A graph that is valid only for a single sample is accepted if `_same_shapes` returns True.

    for_batch   returns the network for a batch size, and stores all values of the graph in a dictionary
    count       number of batch sizes to compare; 3 if a Squeeze would also remove a batch axis of size 1
    """
    networks: dict[int, Imported] = {}
    values: dict[int, dict[str, Value]] = {}
    first_problem: InvalidNodeError | None = None
    for size in TRIAL_BATCH_SIZES:
        values[size] = {}
        try:
            networks[size] = for_batch(size, values[size])
        except InvalidNodeError as error:
            first_problem = first_problem or error
        except FormatError as error:
            for_batch(1, {})  # whose error, if there is one, is independent of the batch size
            raise FormatError(f"{error} (for a batch of {size}; the file does not fix its size)") from None
        if len(networks) == count:
            break
    if first_problem is not None and len(networks) < 2:
        is_for_one_sample = 1 in networks
        for size, other in values.items():
            if size != 1 and not (is_for_one_sample and _same_shapes(values[1], other)):
                raise FormatError(str(first_problem))
    first, *rest = networks.values()
    for other in rest:
        if not first.equals(other):
            sizes = " and ".join(map(str, networks))
            raise FormatError(
                f"its layers differ between batches of {sizes} samples; expected a file with a fixed size"
            )
    return first


def _same_shapes(single: dict[str, Value], several: dict[str, Value]) -> bool:
    """Return whether each value computed for several samples has the same shape per sample as for one sample.

    Translation for several samples stops at the first invalid node, so later values are missing. If all earlier shapes
    agree, this node is invalid for every batch size but 1.
    """
    for name, value in several.items():
        if not isinstance(value, Feature):
            continue
        of_one = single.get(name)
        if not isinstance(of_one, Feature) or of_one.shape != (1, *value.shape[1:]):
            return False
        if value.shape[:1] != (value.batch,):
            return False
    return True
