"""What may come in: as many good channels as there are talkers, and no more than are needed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sepvae.demixing.contract import algorithms
from sepvae.errors import InputError

# Two channels that differ by less than this share of their power are one recording twice, rounding aside.
_SAME = 1e-7
# A channel whose samples differ by less than this share of their power holds one value, and no sound.
_CONSTANT = 1e-20
# Of a second: a demixing matrix for each bin has to be learnt from the frames there are.
_FEWEST_FRAMES = 8


def check_channels(wave: Tensor, *, n_sources: int, underdetermined: bool, numbers: Sequence[int] = ()) -> None:
    """Refuse what cannot be demixed.

    Args:
        wave: (channels, time).
        n_sources: talkers in it.
        underdetermined: fewer channels than talkers are allowed, down to two.
        numbers: of the channels where they come from; counted from 0 when empty.

    Raises:
        InputError: too few channels, or channels that are silent or identical; the message names them.
    """
    n_channels = len(wave)
    if n_channels < 2:
        raise InputError(
            "the recording has one channel, and demixing needs several microphones: use 'sepvae separate' with a model "
            "of the speakers, or name the files of all microphones and --microphones"
        )
    if n_channels < n_sources and not underdetermined:
        raise InputError(
            f"the recording has {n_channels} channels and {n_sources} talkers, a demixing matrix needs a channel for "
            f"each: use the algorithm {algorithms(underdetermined=True)}, which allows fewer, or name fewer talkers"
        )
    numbers = numbers or range(n_channels)
    powers = wave.double().square().mean(1)
    changes = (wave.double() - wave.double().mean(1, keepdim=True)).square().mean(1)
    if dead := [numbers[place] for place in range(n_channels) if changes[place] <= _CONSTANT * powers[place]]:
        raise InputError(
            f"channel {', '.join(map(str, dead))} of the recording is silent or constant: a dead microphone? Leave it "
            "out with --channels"
        )
    for one in range(n_channels):
        for other in range(one + 1, n_channels):
            difference = (wave[one].double() - wave[other].double()).square().mean()
            if difference < _SAME * powers[one]:
                raise InputError(
                    f"channels {numbers[one]} and {numbers[other]} of the recording are identical: nothing tells where "
                    "a sound comes from: give the channels of different microphones"
                )


def check_frames(spectrum: Tensor) -> None:
    """Refuse a recording (…, channels, frames) of too few frames to learn a demixing matrix from."""
    if spectrum.shape[-1] < _FEWEST_FRAMES * spectrum.shape[-2]:
        raise InputError(
            f"the recording has {spectrum.shape[-1]} frames, too few to tell {spectrum.shape[-2]} channels apart: give "
            "a longer one, or a shorter hop_ms"
        )


def reduce_channels(spectrum: Tensor, n_channels: int) -> tuple[Tensor, Tensor]:
    """Return the principal components of each bin, as many as there are talkers, and the basis they are in.

    Args:
        spectrum: (batch, bins, channels, frames).
        n_channels: to keep; with all of them nothing is changed.

    Returns:
        Spectrum (batch, bins, n_channels, frames), and basis U (batch, bins, channels, n_channels): x ≈ U · components.
    """
    n_batch, n_bins, n_all, _ = spectrum.shape
    if n_channels >= n_all:
        eye = torch.eye(n_all, dtype=spectrum.dtype, device=spectrum.device)
        return spectrum, eye.expand(n_batch, n_bins, n_all, n_all)
    # Eigenvalues rise: the last are the strongest.
    basis = torch.linalg.eigh(spectrum @ spectrum.mH).eigenvectors[..., -n_channels:]
    return basis.mH @ spectrum, basis
