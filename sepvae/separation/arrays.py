"""Separation of arrays in memory, by anything that separates a signal block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sepvae.errors import InputError

# Returns samples [start, stop) of every channel, (channels, stop - start) float32.
Reader = Callable[[int, int], Tensor]

# What a warning calls a mixture that is no file.
THE_MIXTURE = "the mixture"

# No recording has more channels; arrays the wrong way round do.
_MOST_CHANNELS = 256


def _flat(samples: Any) -> Tensor:
    """Return the samples of a NumPy array or tensor as (channels, time) float32; InputError when they are none."""
    shape, dtype = tuple(samples.shape), samples.dtype
    if len(shape) not in (1, 2, 3):
        raise InputError(f"a mixture of shape {shape}: give (time,), (channels, time) or (batch, channels, time)")
    floating = dtype.is_floating_point if isinstance(samples, Tensor) else dtype.kind == "f"
    if not floating:
        raise InputError(f"a mixture of {dtype} samples: give floats in [-1, 1] (divide 16-bit integers by 32768)")
    if len(shape) > 1 and shape[-2] > max(shape[-1], _MOST_CHANNELS):
        raise InputError(
            f"a mixture of shape {shape} has {shape[-2]} channels of {shape[-1]} samples: give (channels, time), is it "
            "transposed? soundfile reads (time, channels)"
        )
    flat = samples.reshape(math.prod(shape[:-1]), shape[-1])
    if not isinstance(flat, Tensor):
        # A copy in any case: torch takes no read-only, reversed or byte-swapped arrays.
        with np.errstate(over="ignore"):
            flat = torch.from_numpy(flat.astype(np.float32))
    flat = flat.detach().to(torch.float32)
    if not torch.isfinite(flat).all():
        raise InputError("the mixture holds NaN or infinite samples: repair it first")
    return flat


class BlockSeparator(Protocol):
    """What separates signals of any length at one rate: into which sources, on which device, and block by block."""

    device: torch.device

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, in order."""
        ...

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        ...

    def stream(self, read: Reader, *, n_samples: int, name: str = THE_MIXTURE) -> Iterator[dict[str, Tensor]]:
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
    samples = wave if isinstance(wave, Tensor) else np.asarray(wave)
    flat = _flat(samples).to(separator.device)
    n_samples = flat.shape[-1]
    estimates = {name: torch.empty_like(flat) for name in separator.sources}
    position = 0
    # Without channels there is nothing to read, whatever the length.
    for block in separator.stream(lambda start, stop: flat[:, start:stop], n_samples=n_samples if len(flat) else 0):
        stop = position + next(iter(block.values())).shape[-1]
        for name, part in block.items():
            estimates[name][:, position:stop] = part
        position = stop
    if isinstance(samples, Tensor):
        return {name: part.to(samples.device, samples.dtype).reshape(samples.shape) for name, part in estimates.items()}
    arrays = {name: part.cpu().numpy().reshape(samples.shape) for name, part in estimates.items()}
    return {name: array.astype(samples.dtype, copy=False) for name, array in arrays.items()}
