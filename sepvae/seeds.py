"""Random numbers by name: a stream depends on (seed, names) alone, never on global state, order or worker."""

from __future__ import annotations

import hashlib
import operator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(root: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called `names` under `root`.

    Raises:
        TypeError: a name is neither text nor an integer.

    Example:
        >>> derive_seed(0, "mixture", 3) == derive_seed(0, "mixture", 3)
        True
        >>> derive_seed(0, "mixture", 3) == derive_seed(0, "mixture", "3")
        False
    """
    # Integers of NumPy count as integers; ascii() and not repr(), which depends on the Unicode version of Python.
    parts = (str(name) if isinstance(name, str) else operator.index(name) for name in names)
    key = ascii((operator.index(root), *parts)).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "little") >> 1


def generator(root: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator (PCG64, stable across NumPy versions for its bit stream) for the named stream."""
    return np.random.Generator(np.random.PCG64(derive_seed(root, *names)))


def torch_generator(root: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """Return a torch generator on `device` for the named stream."""
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(root, *names))
