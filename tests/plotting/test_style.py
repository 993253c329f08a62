"""Properties of all figures: drawable text, and no import before the first figure."""

import subprocess
import sys

from chainrule.plotting.figures import legible, message, png


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
