"""Frames in which nobody speaks, pauses and tones: an algorithm learns nothing about the talkers from them.

Each frame is divided by the variances of its sources, so that a pause counts as much as speech, however quiet it is:
twenty seconds of digital silence, or of noise 60 dB below, behind four seconds of talk cost AuxIVA six decibels.
"""

from __future__ import annotations

from torch import Tensor

from sepvae.frontend.levels import batch_levels, power_of, speech_powers

# The power of a frame of a pause lies this far (30 dB) below that of the speech. Of 20 dB, there is too little left to
# learn from; of 40 dB, noise 40 dB below costs as much as any.
_NOBODY = 1e-3


def speaking(spectrum: Tensor, *, hop_ms: float, past: int = 0) -> Tensor:
    """Return in which frames of a recording somebody may speak, (frames,) bool.

    Who is far below the others, but at a microphone of their own, is heard there: each channel has its own level.

    Args:
        spectrum: (bins, channels, frames) complex.
        hop_ms: from frame to frame.
        past: frames before such a frame that belong to it.
    """
    power = power_of(spectrum).permute(1, 2, 0)
    level = batch_levels(power, "gated", "rms", hop_ms=hop_ms)[..., 0]
    heard = (speech_powers(power) > _NOBODY * level.square()).any(0)
    reach = heard.clone()
    for n in range(1, min(past, len(heard) - 1) + 1):
        reach[:-n] |= heard[n:]
    return reach
