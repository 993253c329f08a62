"""Values in the JSON configurations of Keras models."""

from typing import Any, cast

ARRAYS = ("__numpy__", "__tensor__")


def as_list(value: object) -> list[Any] | None:
    """Return the value if it is a list; None otherwise."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def as_dict(value: object) -> dict[str, Any]:
    """Return the value if it is a dictionary; an empty dictionary otherwise."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def decode(value: Any) -> Any:
    """Decode the value of an option: arrays and tuples become lists, and scalar arrays become numbers.

    Keras up to 2.1 writes an array as {"type": "ndarray", "value": …}, and .keras files since 2.12 contain
    {"class_name": "__numpy__", "config": {"value": …}}. Versions in between write plain lists.
    """
    if isinstance(value, list):
        return [*map(decode, cast("list[Any]", value))]
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
