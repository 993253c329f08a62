"""What the tests of VanillaCNN's equations share."""

import numpy as np
import pytest
from numerical import normals
from tutorials.paper import Paper


@pytest.fixture(scope="module")
def paper() -> Paper:
    """Return the paper's network in SciPy."""
    return Paper()


@pytest.fixture
def pair() -> list[np.ndarray]:
    """Draw an image 7×6 and a kernel 3×2: outputs are 5×5."""
    return normals(1, (7, 6), (3, 2))
