"""A mask of one's own: shares by the cube of the magnitudes, sharper than the Wiener filter.

sepvae separate talk.wav -m model -o out --mask cubic --plugin docs/examples/cubic_mask.py
"""

from torch import Tensor

import sepvae


def cubic(magnitudes: Tensor) -> Tensor:
    """Weigh sources by the third power of their magnitudes (sources, …, frames, bins)."""
    return magnitudes.pow(3)


sepvae.register("mask", "cubic", cubic)
