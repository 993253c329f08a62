"""Check results for code that raises an error, is not written, or cannot be called."""

from typing import Any

from chainrule.check.host.remote import EMPTY_SLICE
from chainrule.check.report import PADDING_ZERO, UNWRITTEN, CheckResult, Diagnosis
from chainrule.check.submitted_functions import failed_in_backward
from chainrule.custom.calls import InterfaceError
from chainrule.errors import UnwrittenError

FAILURES = {UNWRITTEN: "is missing", "not-checked": "is not checked", "fails": "cannot be computed"}


def failure_result(name: str, error: Exception | str, method: str = "none", **changes: Any) -> CheckResult:
    """Return the result for code that raises an error on valid values; ``changes`` replace fields of the result.

    Code that is not written, and code in a form that the checker cannot call or read, is not checked. The tensor is y,
    or x for an error in backward.
    """
    if isinstance(error, InterfaceError):
        kind = "not-checked"
    else:
        kind = "fails"
    if isinstance(error, UnwrittenError):
        kind = UNWRITTEN
    elif EMPTY_SLICE in str(error):
        kind = PADDING_ZERO
    fields: dict[str, Any] = {
        "tensor": "x" if failed_in_backward(str(error)) else "y",
        "checked": kind not in (UNWRITTEN, "not-checked"),
        "diagnoses": (Diagnosis(kind, f"{FAILURES.get(kind, FAILURES['fails'])}: {error}"),),
    }
    return CheckResult(name, method=method, failed=True, **{**fields, **changes})
