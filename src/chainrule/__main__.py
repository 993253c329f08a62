"""`python -m chainrule`: the command `chainrule`."""

import os
import sys


def _forget_working_folder() -> None:
    """Remove the working folder from the folders of imports, as the command does: it may hold files of strangers."""
    folder, package = os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path[:1] in ([folder], [""]) and folder != package:
        del sys.path[0]


if __name__ == "__main__":
    _forget_working_folder()
    from chainrule.cli import main

    main(prog_name="chainrule")
