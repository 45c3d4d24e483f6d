"""What may come in: as many good channels as there are talkers, and no more than are needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sepvae.demixing.contract import algorithms
from sepvae.demixing.same_channel import Stretches, same_but_for, step_of
from sepvae.errors import InputError

# A channel so far below the loudest (−40 dB) that has nothing in common with it hears the noise of its own input.
_FAR_BELOW, _NOTHING_IN_COMMON = 1e-4, 0.1
# Two channels that are one recording are no less alike in their loudest stretch, rounded to few values too.
_ALIKE = 0.9
# A talker so far below the recording (−60 dB) is none.
_SILENT = 1e-6
# A channel whose samples differ by less than this share of their power holds one value, and no sound.
_CONSTANT = 1e-20
# Of a second: a demixing matrix for each bin has to be learnt from the frames there are.
_FEWEST_FRAMES = 8


def check_channels(
    wave: Tensor, *, sample_rate: int, n_sources: int, underdetermined: bool, numbers: Sequence[int] = ()
) -> None:
    """Refuse what cannot be demixed.

    Args:
        wave: (channels, time).
        sample_rate: Hz.
        n_sources: talkers in it.
        underdetermined: fewer channels than talkers are allowed, down to two.
        numbers: of the channels where they come from; counted from 0 when empty.

    Raises:
        InputError: too few channels, or channels that are silent, not connected, or one recording twice (at another
            gain, polarity, offset or delay); the message names them.
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
    centred = wave.double() - wave.double().mean(1, keepdim=True)
    powers, changes = wave.double().square().mean(1), centred.square().mean(1)
    if dead := [numbers[place] for place in range(n_channels) if changes[place] <= _CONSTANT * powers[place]]:
        raise InputError(
            f"channel {', '.join(map(str, dead))} of the recording is silent or constant: a dead microphone? Leave it "
            "out with --channels"
        )
    loudest, step, stretches = int(changes.argmax()), step_of(wave), Stretches(centred)
    for one in range(n_channels):
        for other in range(one + 1, n_channels):
            correlation, delay = stretches.alike(one, other)
            # The whole recording is compared where the stretch may be the same.
            if correlation < _ALIKE:
                continue
            if told := same_but_for(centred[one], centred[other], delay=delay, step=step):
                raise InputError(
                    f"channels {numbers[one]} and {numbers[other]} of the recording are {told}: nothing tells "
                    "where a sound comes from: give the channels of different microphones"
                )
    _check_voices(stretches, loudest, sample_rate=sample_rate, numbers=numbers)


def check_plugged_in(wave: Tensor, *, sample_rate: int, numbers: Sequence[int] = ()) -> None:
    """Refuse channels (channels, time) of which one hears nobody; arguments and errors as of `check_channels`."""
    centred = wave.double() - wave.double().mean(1, keepdim=True)
    loudest = int(centred.square().mean(1).argmax())
    _check_voices(Stretches(centred), loudest, sample_rate=sample_rate, numbers=numbers or range(len(wave)))


def _check_voices(stretches: Stretches, loudest: int, *, sample_rate: int, numbers: Sequence[int]) -> None:
    """Refuse a channel far below the loudest that has nothing in common with any."""
    # An input without a microphone may hear the mains.
    voices, n_channels = stretches.voice_powers(loudest, sample_rate=sample_rate), len(numbers)
    for one in range(n_channels):
        if voices[one] < _FAR_BELOW * voices[loudest] and not _hears_the_same(stretches, n_channels, one):
            raise InputError(
                f"channel {numbers[one]} of the recording lies "
                f"{10 * math.log10(voices[loudest] / voices[one]):.0f} dB below channel {numbers[loudest]} and has "
                "nothing in common with any: a microphone that is not plugged in? Leave it out with --channels"
            )


def _hears_the_same(stretches: Stretches, n_channels: int, one: int) -> bool:
    """Return whether a channel of several has something in common with another."""
    others = (other for other in range(n_channels) if other != one)
    return any(stretches.alike(other, one)[0] >= _NOTHING_IN_COMMON for other in others)


def check_found(waves: Mapping[str, Tensor], wave: Tensor) -> None:
    """Refuse a separation in which a talker is silent.

    Args:
        waves: of the talkers by name, each (time,).
        wave: the recording (channels, time).

    Raises:
        InputError: a talker lies 60 dB below the recording; the message names them.
    """
    least = _SILENT * float(wave.double().square().mean())
    if silent := [name for name, found in waves.items() if float(found.double().square().mean()) <= least]:
        raise InputError(
            f"{', '.join(silent)} would be silent: fewer talk in the recording, or its channels do not tell more "
            f"apart: say how many talk with --talkers (from Python: n_sources=), fewer than {len(waves)}"
        )


def check_frames(n_frames: int, n_channels: int, *, n_pauses: int = 0) -> None:
    """Refuse a recording of too few frames, without its pauses, to learn a demixing matrix from.

    Raises:
        InputError: of these; the message says how many pauses there are.
    """
    if n_frames < _FEWEST_FRAMES * n_channels:
        pauses = f" beside {n_pauses} of pauses or tones, in which nobody speaks" if n_pauses else ""
        raise InputError(
            f"the recording has {n_frames} frames{pauses}, too few to tell {n_channels} channels apart: give one with "
            "more speech, or a shorter hop_ms"
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
