"""Values in the JSON configurations of Keras models."""

from typing import TypeGuard, cast

from chainrule.core import shapes

ARRAYS = ("__numpy__", "__tensor__")


def as_list(value: object) -> list[object] | None:
    """Return the value if it is a list; None otherwise."""
    return cast("list[object]", value) if isinstance(value, list) else None


def as_dict(value: object) -> dict[str, object]:
    """Return the value if it is a dictionary; an empty dictionary otherwise."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def is_whole(value: object, least: int = -shapes.MAX_INT32) -> TypeGuard[int]:
    """Return whether a value is a whole number of at least ``least``; see `shapes.is_whole`."""
    return shapes.is_whole(value, least)


def decode(value: object) -> object:
    """Decode the value of an option: arrays and tuples become lists, and scalar arrays become numbers.

    An array is {"class_name": "__numpy__", "config": {"value": …}} in .keras files, and a plain list in .h5 files.
    """
    if isinstance(value, list):
        return [*map(decode, cast("list[object]", value))]
    options = as_dict(value)
    if not options:
        return value
    kind = options.get("class_name")
    if kind in ARRAYS:
        return as_dict(options.get("config")).get("value")
    if kind in ("__tuple__", "TensorShape"):
        return decode(options.get("items"))
    return {name: decode(entry) for name, entry in options.items()}
