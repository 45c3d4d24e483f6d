"""What a model that takes its level from everything in a recording says of one in which that is not the speech's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.frontend.levels import LevelMeter, Normalisation, make_meter
from sepvae.frontend.rumble import rumble

# The mean of everything lies this far from the level of the speech in a clean recording with pauses, in dB.
_ORDINARY_DB = (-3.0, 5.0)
# Rumble of more than this share of the rest is seen by a model that hears it: an offset of 0.02 costs 1 dB.
_RUMBLE = 0.05


class LevelDoubt:
    """The level of the speech in each channel of a recording, beside the level that its model goes by."""

    def __init__(self, config: FrontendConfig) -> None:
        self._normalisation: Normalisation = config.normalisation
        self._hop_ms = config.stft.hop_ms
        self._speech: list[LevelMeter] = []
        self._rumble = self._rest = 0.0

    @staticmethod
    def is_needed(config: FrontendConfig) -> bool:
        """Return whether models with this front-end go by everything in a recording."""
        return config.levels == "whole" and config.normalisation != "none"

    def add(self, spectra: Tensor, *, rumble: float, rest: float) -> None:
        """Take in the next spectra (channels, frames, bins) of what lies above the rumble, and the energies of both."""
        self._rumble, self._rest = self._rumble + rumble, self._rest + rest
        self._speech = self._speech or [make_meter("gated", self._normalisation, hop_ms=self._hop_ms) for _ in spectra]
        for meter, channel in zip(self._speech, spectra, strict=True):
            meter.add(channel)

    def told(self, meters: Sequence[LevelMeter]) -> str | None:
        """Return what is to be said when the level of a channel, as it was used, is not that of its speech."""
        levels = zip(meters, self._speech, strict=True)
        apart = max((20 * math.log10(used.level / speech.level) for used, speech in levels), key=abs, default=0.0)
        if self._rumble > _RUMBLE * self._rest:
            return (
                "an offset or hum in it is heard by its model, which is of an older kind, and the estimates are worse "
                "for it: train the model anew, which then hears nothing below 65 Hz"
            )
        if _ORDINARY_DB[0] <= apart <= _ORDINARY_DB[1]:
            return None
        return (
            f"its level as its model takes it, from everything in it, lies {abs(apart):.0f} dB "
            f"{'above' if apart > 0 else 'below'} that of its speech (an offset, hum, a beep or long silence?), and "
            "the estimates are worse for it: train the model anew, which then goes by the speech alone"
        )


def doubts(wave: Tensor, frontend: Frontend) -> str | None:
    """Return what is to be said of a whole recording (channels, time) and a model with this front-end."""
    if not LevelDoubt.is_needed(frontend.config):
        return None
    low, doubt = rumble(wave, sample_rate=frontend.config.sample_rate), LevelDoubt(frontend.config)
    above = wave - low
    doubt.add(frontend.stft.analyse(above), rumble=float(low.square().sum()), rest=float(above.square().sum()))
    return doubt.told([frontend.meter().add(spectrum) for spectrum in frontend.stft.analyse(wave)])
