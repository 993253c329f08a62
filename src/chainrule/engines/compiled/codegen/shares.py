"""Division of a batch into shares, and of the parameters into parts, of which threads take turns.

Each of several threads begins with half of its samples, goes on with half of the rest, and so on, until what is left
is not worth being halved; one that is done takes what others have not begun, which is small by then. So the slowest
thread no longer decides, be it interrupted or on a slower processor, and large shares read the weights of dense layers
less often.
"""

import numpy as np
from numpy.typing import NDArray

SEVERAL = 3  # threads; two have a share each: more cost 1 to 2 %, and gained nothing where both are as fast
SHARES = 5  # of the samples of each thread, at most
FEWEST = 2  # samples of the smallest
ROWS_BYTES = 1 << 25  # of the gradients of all shares
PARTS = 4  # of the parameters for each thread


def most_shares(threads: int, gradient_bytes: int) -> int:
    """Return how many shares the samples of each thread may have, each with a gradient of so many bytes."""
    return max(1, min(SHARES, ROWS_BYTES // max(1, threads * gradient_bytes))) if threads >= SEVERAL else 1


def share_edges(count: int, threads: int, most: int, fewest: int) -> NDArray[np.int32]:
    """Return where the shares of a batch of `count` samples begin, in order, and its end: halves of what is left.

    most    shares of the samples of each thread
    fewest  samples of the smallest, if there are so many for each thread
    """
    halvings = range(1, min(most, (count // threads // max(FEWEST, fewest)).bit_length()))
    edges = [0]
    for thread in range(threads):
        first, last = (edge * count // threads for edge in (thread, thread + 1))
        edges += [*(last - ((last - first) >> times) for times in halvings), last]
    return np.array(edges, np.int32)


def parts(threads: int) -> int:
    """Return the number of parts into which the parameters are divided evenly."""
    return threads * (PARTS if threads >= SEVERAL else 1)
