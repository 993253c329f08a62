"""`python -m chainrule`: the command `chainrule`."""

import os
import sys


def _remove_current_folder() -> None:
    """Remove the current folder from `sys.path`, as the `chainrule` script does: it may contain untrusted files."""
    folder = os.getcwd()
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path[:1] in ([folder], [""]) and folder != package:
        del sys.path[0]


if __name__ == "__main__":
    _remove_current_folder()
    from chainrule.cli import main

    main(prog_name="chainrule")
