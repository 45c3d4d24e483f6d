"""The noise of mixtures that are made anew at every step: several recordings at once, played faster, and babble.

There are few recordings of noise and many minutes of speech: what multiplies them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import Share

Waves = NDArray[np.float32]
# Gives a part (segment,) of a mixture, by its number, from a place in it and so much faster, at a level of about 1.
Part = Callable[[int, float, float], Waves]
# The second noise is at most so much louder or softer than the first.
_LAYER_DB = 10.0
Talkers = Annotated[int, Field(ge=1, le=20)]


class NoiseRemixConfig(Config):
    """How noise is made of the noise of the training mixtures; shares are of mixtures.

    It is that of a drawn mixture, changed in rate by up to the share `speed`. In `second` of the mixtures that of
    another joins it, up to 10 dB louder or softer, and in `babble` as many people as `talkers` says, who are none of
    those to be heard. Its level over the sources stays that of the mixture it is drawn from.
    """

    second: Share = 0.0
    speed: float = Field(0.0, ge=0, le=0.5)
    babble: Share = 0.0
    talkers: tuple[Talkers, Talkers] = (3, 8)

    @property
    def changes(self) -> bool:
        """Whether it is anything but that of a mixture as it is."""
        return bool(self.second or self.speed or self.babble)

    @model_validator(mode="after")
    def _several_talk(self) -> NoiseRemixConfig:
        if self.talkers[0] > self.talkers[1]:
            raise ConfigError(f"talkers = {self.talkers}: give from how many to how many")
        return self


class NoiseRemix:
    """Makes the noise of one mixture.

    Args:
        config: how.
        noisy: numbers of the mixtures that have noise.
        noise: gives the noise of one of them.
        speech: gives what somebody says in a mixture.
    """

    def __init__(self, config: NoiseRemixConfig, noisy: Sequence[int], *, noise: Part, speech: Part) -> None:
        self._config, self._noisy, self._noise, self._speech = config, noisy, noise, speech

    def make(self, others: Sequence[int], stream: np.random.Generator) -> Waves:
        """Return noise (segment,) at a level of about 1; a pause of a recording stays one.

        Args:
            others: numbers of the mixtures in which people speak who are not to be heard.
            stream: what it is drawn from.
        """
        config = self._config
        layers, gains = [self._drawn(self._noise, self._noisy, stream)], [1.0]
        if stream.random() < config.second:
            layers.append(self._drawn(self._noise, self._noisy, stream))
            gains.append(_gain(stream))
        if stream.random() < config.babble and others:
            n_talkers = int(stream.integers(config.talkers[0], config.talkers[1] + 1))
            gain = _gain(stream)
            layers += [self._drawn(self._speech, others, stream) for _ in range(n_talkers)]
            gains += [gain / n_talkers**0.5] * n_talkers
        together = np.tensordot(np.asarray(gains), np.stack(layers), axes=1)
        return np.asarray(together / np.linalg.norm(gains), np.float32)

    def _drawn(self, part: Part, numbers: Sequence[int], stream: np.random.Generator) -> Waves:
        number, place = numbers[int(stream.integers(len(numbers)))], float(stream.random())
        return part(number, place, self._config.speed * float(stream.uniform(-1, 1)))


def _gain(stream: np.random.Generator) -> float:
    return float(10 ** (stream.uniform(-_LAYER_DB, _LAYER_DB) / 20))
