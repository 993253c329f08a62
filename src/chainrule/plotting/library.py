"""Matplotlib, a package of the extra ``plots``. No other module imports it when it runs.

The settings in the working folder are not read: they may be a stranger's.
"""

import sys
from contextlib import chdir, nullcontext
from pathlib import Path

from chainrule._io.extras import missing

try:
    with chdir(sys.prefix) if Path("matplotlibrc").exists() else nullcontext():
        from matplotlib import font_manager
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter
except ImportError:
    raise missing("matplotlib", "plots", "drawing figures") from None

__all__ = ["Axes", "Figure", "PercentFormatter", "font_manager"]
