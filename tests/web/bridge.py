"""Lossless transfer of values between Python and the browser: arrays as base64 of their bytes, in JSON.

`tests/web/bridge.js` is the other end.
"""

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from web.networks import Subject
from web.pages import Page

from chainrule.explain import Trace

KINDS = {"f8": np.float64, "f4": np.float32, "i4": np.int32, "u1": np.uint8}


def call(page: Page, function: str, *arguments: Any) -> Any:
    """Call a function of bridge.js and return its result; arrays are transferred exactly."""
    script = "async ([name, text]) => (await import('/tests/bridge.js')).answered(name, text)"
    answer = page.evaluate(script, [function, json.dumps(arguments, default=_packed, allow_nan=False)])
    return json.loads(answer, object_hook=_unpacked)


def look(page: Page, subject: Subject, seed: int = 0) -> Trace:
    """Show a subject with one of its pictures to the modules of the page, and trace it in Python."""
    picture = subject.picture(seed)
    call(page, "look", subject.description, subject.frame, picture)
    return subject.trace(picture)


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array: NDArray[Any] = np.ascontiguousarray(value)
        kind = next(name for name, dtype in KINDS.items() if array.dtype == dtype)
        return {"shape": list(value.shape), "kind": kind, "bytes": base64.b64encode(array.tobytes()).decode()}
    raise TypeError(f"cannot be sent: {type(value)}")


def _unpacked(value: dict[str, Any]) -> Any:
    if value.keys() == {"shape", "kind", "bytes"}:
        return np.frombuffer(base64.b64decode(value["bytes"]), KINDS[value["kind"]]).reshape(value["shape"])
    if value.keys() == {"number"}:  # values that JSON cannot represent
        return float(value["number"])
    return value
