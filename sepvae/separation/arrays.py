"""Separation of arrays in memory, by anything that separates a signal block by block."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from sepvae.audio import Wave
from sepvae.errors import InputError

# Returns samples [start, stop) of every channel, (channels, stop - start) float32.
Reader = Callable[[int, int], Wave]

if TYPE_CHECKING:
    from torch import Tensor

# What a warning calls a mixture that is no file.
THE_MIXTURE = "the mixture"

# No recording has more channels; arrays the wrong way round do.
_MOST_CHANNELS = 256


def _is_tensor(samples: Any) -> TypeGuard[Tensor]:
    """Say whether samples are a tensor, which nobody has who has not imported torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(samples, torch.Tensor)


def _flat(samples: Any) -> Wave:
    """Return the samples of a NumPy array or tensor as (channels, time) float32; InputError when they are none."""
    shape, dtype = tuple(samples.shape), samples.dtype
    if len(shape) not in (1, 2, 3):
        raise InputError(f"a mixture of shape {shape}: give (time,), (channels, time) or (batch, channels, time)")
    floating = dtype.is_floating_point if _is_tensor(samples) else dtype.kind == "f"
    if not floating:
        raise InputError(f"a mixture of {dtype} samples: give floats in [-1, 1] (divide 16-bit integers by 32768)")
    if len(shape) > 1 and shape[-2] > max(shape[-1], _MOST_CHANNELS):
        raise InputError(
            f"a mixture of shape {shape} has {shape[-2]} channels of {shape[-1]} samples: give (channels, time), is it "
            "transposed? soundfile reads (time, channels)"
        )
    flat = samples.reshape(math.prod(shape[:-1]), shape[-1])
    if _is_tensor(flat):
        # In torch, whose bfloat16 NumPy has not.
        flat = flat.detach().float().cpu().numpy()
    # A copy in any case: torch takes no read-only, reversed or byte-swapped arrays.
    with np.errstate(over="ignore"):
        wave = flat.astype(np.float32)
    if not np.isfinite(wave).all():
        raise InputError("the mixture holds NaN or infinite samples: repair it first")
    return np.ascontiguousarray(wave)


class BlockSeparator(Protocol):
    """What separates signals of any length at one rate: into which sources, and block by block."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        ...

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        ...

    def stream(self, read: Reader, *, n_samples: int, name: str = THE_MIXTURE) -> Iterator[dict[str, Wave]]:
        """Yield the estimates (channels, block) of a signal of `n_samples`, called `name` in warnings, by blocks."""
        ...


def separate_array(separator: BlockSeparator, wave: Any, sample_rate: int) -> dict[str, Any]:
    """Separate a mixture held in memory.

    Args:
        separator: what separates it.
        wave: (time,), (channels, time) or (batch, channels, time), floating point in [-1, 1]; NumPy or torch.
        sample_rate: Hz; must be the separator's.

    Returns:
        An estimate of the shape and type of `wave` for each source.

    Raises:
        InputError: another rate, more than three axes, integer samples, NaN or infinity.
    """
    if sample_rate != separator.sample_rate:
        raise InputError(
            f"the mixture is sampled at {sample_rate} Hz, the model at {separator.sample_rate} Hz: resample it first "
            "with sepvae.audio.resample, or use the command 'sepvae separate' or 'sepvae enhance', which do"
        )
    samples = wave if _is_tensor(wave) else np.asarray(wave)
    flat = _flat(samples)
    n_samples = flat.shape[-1]
    estimates = {name: np.empty_like(flat) for name in separator.sources}
    position = 0
    # Without channels there is nothing to read, whatever the length.
    for block in separator.stream(lambda start, stop: flat[:, start:stop], n_samples=n_samples if len(flat) else 0):
        stop = position + next(iter(block.values())).shape[-1]
        for name, part in block.items():
            estimates[name][:, position:stop] = part
        position = stop
    found = {name: part.reshape(samples.shape) for name, part in estimates.items()}
    if _is_tensor(samples):
        import torch

        return {name: torch.from_numpy(part).to(samples.device, samples.dtype) for name, part in found.items()}
    dtype = np.asarray(samples).dtype
    return {name: part.astype(dtype, copy=False) for name, part in found.items()}
