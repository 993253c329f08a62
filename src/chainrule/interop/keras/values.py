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

    Keras up to 2.1 writes an array as {"type": "ndarray", "value": …}, and .keras files since 2.12 contain
    {"class_name": "__numpy__", "config": {"value": …}}. Versions in between write plain lists.
    """
    if isinstance(value, list):
        return [*map(decode, cast("list[object]", value))]
    options = as_dict(value)
    if not options:
        return value
    kind = options.get("class_name")
    if options.get("type") == "ndarray" and "value" in options:
        return options["value"]
    if kind in ARRAYS:
        return as_dict(options.get("config")).get("value")
    if kind in ("__tuple__", "TensorShape"):
        return decode(options.get("items"))
    return {name: decode(entry) for name, entry in options.items()}
