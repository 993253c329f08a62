"""Files of results by the name of the grader that reads them."""

from collections.abc import Callable, Sequence

from chainrule.check.graders import services, tables
from chainrule.check.graders.points import PointScheme
from chainrule.check.homework import Grade
from chainrule.errors import OptionError

ONE: dict[str, Callable[[Grade, PointScheme], bytes]] = {
    "gradescope": services.gradescope,
    "github-classroom": services.github_classroom,
    "classroom50": services.classroom50,
}
CLASS: dict[str, Callable[[Sequence[Grade], PointScheme], bytes]] = {"otter": tables.otter, "nbgrader": tables.nbgrader}
FORMATS = (*ONE, *CLASS)


def results(name: str, rows: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the content of a grader's file; OptionError if it can hold one submission only, and there are more."""
    if name in CLASS:
        return CLASS[name](rows, scheme)
    if len(rows) != 1:
        raise OptionError(f"a file of {name} holds the result of one submission, not of {len(rows)}: give --single")
    return ONE[name](rows[0], scheme)
