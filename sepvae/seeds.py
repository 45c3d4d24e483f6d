"""Random numbers by name: a stream depends on (seed, names) alone, never on global state, order or worker."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(root: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called `names` under `root`.

    Example:
        >>> derive_seed(0, "mixture", 3) == derive_seed(0, "mixture", 3)
        True
        >>> derive_seed(0, "mixture", 3) == derive_seed(0, "mixture", "3")
        False
    """
    key = repr((int(root), *names)).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1


def generator(root: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator (PCG64, stable across NumPy versions for its bit stream) for the named stream."""
    return np.random.Generator(np.random.PCG64(derive_seed(root, *names)))


def torch_generator(root: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """Return a torch generator on `device` for the named stream."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(root, *names))
