"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from typing import Iterator


def delays(first: float, longest: float) -> Iterator[float]:
    """Seconds to wait: doubling from ``first`` up to ``longest``, each somewhere in its upper half.

    The spread keeps clients that lost the same server from coming back at the same moment.
    """
    ceiling = first
    while True:
        yield ceiling * random.uniform(0.5, 1.0)
        ceiling = min(ceiling * 2, longest)
