"""Validation of the data entry of a config.json, which is untrusted input.

Errors   KeyError (an entry is missing) or FormatError; `Job.from_config` adds the name of the file
"""

from typing import Any

from chainrule._io.strict_json import expect, expect_list, expect_object
from chainrule.errors import FormatError, quoted


def data(value: Any) -> dict[str, Any]:
    """Return a checked copy of the data entry, with tuples for lists."""
    found = expect_object(value, "data").copy()
    expect(str, found["name"], "name")
    for name in ("per_class", "limit"):
        if found[name] is not None:
            _positive(found[name], name)
    if found["only"] is not None:
        found["only"] = expect_list(int, found["only"], "only")
    if found["size"] is not None:
        found["size"] = expect_list(int, found["size"], "size")
        if len(found["size"]) != 2 or min(found["size"]) < 1:
            raise FormatError(f"size is {quoted(found['size'])}; expected height and width")
    expect(bool, found.setdefault("skip_damaged", False), "skip_damaged")
    _positive(found["training_samples"], "training_samples")
    for name in ("test_samples", "validation_samples"):  # 0: model.fit was given none
        if expect(int, found[name] if name == "test_samples" else found.get(name, 0), name) < 0:
            raise FormatError(f"{name} is {found[name]}; expected at least 0")
    for name in ("source", "fingerprint"):
        expect(str, found[name], name)
    return found


def _positive(value: Any, name: str) -> None:
    if expect(int, value, name) < 1:
        raise FormatError(f"{name} is {value}; expected at least 1")
