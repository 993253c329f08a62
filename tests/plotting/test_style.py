"""Properties of all figures: drawable text, and no import before the first figure."""

import subprocess
import sys

import chainrule
from chainrule.plotting.figures import legible, message, png

ALONE = """
import sys, types
package = sys.modules["chainrule"] = types.ModuleType("chainrule")
package.__path__ = [sys.argv[1]]  # without what the package itself imports
import chainrule.plotting
print(*sorted(name for name in sys.modules if name.startswith("chainrule.")))
print(*{name.split(".")[0] for name in sys.modules})
"""


def test_importing_pictures_imports_neither_matplotlib_nor_other_floors() -> None:
    command = [sys.executable, "-c", ALONE, chainrule.__path__[0]]
    own, others = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"matplotlib", "llvmlite", "PIL", "rich"} & set(others.split()) == set()
    assert {name for name in own.split() if not name.startswith("chainrule.plotting")} == {
        *(
            "chainrule.errors",
            "chainrule._io",
            "chainrule._io.files",
            "chainrule._io.reading",
            "chainrule._io.files",
        ),
    }


def test_pyplot_is_never_imported() -> None:
    program = "from chainrule.plotting import kernels, figures; import numpy, sys\n"
    program += (
        "figures.png(kernels.kernel_grid(numpy.ones((1, 1, 2, 2)), 'k')); print('matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_text_is_one_line_of_known_characters() -> None:
    assert legible("a\tb\n c") == "a b c"
    assert legible("naïve → ½ × σ") == "naïve → ½ × σ"
    assert legible("\U000f0000 x \ud800") == "? x ?"
    assert legible("abcdefghij", 5) == "abcd…"
    assert legible("abcde", 5) == "abcde"


def test_titles_of_any_characters_and_length_are_drawn_without_a_warning() -> None:
    figure = message("$a_1 \U000f0000 " + "a long title " * 15, "$ \U0001f9ff \x07")
    assert png(figure)
    assert figure.get_suptitle().count("\n") > 2
