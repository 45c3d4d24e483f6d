"""Takes voices that are known out of a recording, by a model of talkers in any order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from sepvae.audio import Wave
from sepvae.errors import ConfigError, InputError
from sepvae.separation.arrays import THE_MIXTURE, BlockSeparator, Reader
from sepvae.separation.enrolment import Voice

# All that is heard beside the voices that are kept.
REST = "rest"
# What names a file on any system.
_NAME = re.compile(r"[\w-]+")


class TalkerSeparator(BlockSeparator, Protocol):
    """A separator some of whose outputs, `alike`, may be any talker."""

    @property
    def alike(self) -> tuple[str, ...]:
        """The sources whose names mean nothing."""
        ...

    def know(self, voices: Mapping[str, Wave]) -> None:
        """Give outputs of `alike` the voices, features as `VoiceFeatures` has them, of those whom they are to be of."""
        ...


class KeptVoices:
    """A separator into the voices that are known, by their names, and `rest`: together they are the recording.

    Args:
        separator: of a model of talkers in any order.
        voices: those to keep.

    Raises:
        ConfigError: the model knows its talkers by name, or has fewer outputs than there are voices.
        InputError: a voice of another rate, or two of one name.
    """

    def __init__(self, separator: TalkerSeparator, voices: Sequence[Voice]) -> None:
        names = [voice.name.casefold() for voice in voices] + [REST]
        if not separator.alike:
            raise ConfigError(
                f"--keep: the model knows its talkers by name ({', '.join(separator.sources)}): take one of talkers in "
                "any order, such as any-talkers"
            )
        if len(voices) > len(separator.alike):
            raise ConfigError(
                f"--keep: {len(voices)} voices, and the model takes {len(separator.alike)} talkers apart: give fewer"
            )
        for voice in voices:
            if not _NAME.fullmatch(voice.name) or names.count(voice.name.casefold()) > 1:
                raise InputError(f"{voice.name}: cannot be a voice beside others: give its folder another name")
            if voice.sample_rate != separator.sample_rate:
                raise InputError(
                    f"{voice.name}: was enrolled at {voice.sample_rate} Hz, the model works at {separator.sample_rate} "
                    "Hz: enrol it again for this model (-m)"
                )
        self._separator, self._outputs = (
            separator,
            dict(zip([voice.name for voice in voices], separator.alike, strict=False)),
        )
        separator.know({output: voice.features for voice, output in zip(voices, separator.alike, strict=False)})
        self.sample_rate = separator.sample_rate
        self.sources = (*self._outputs, REST)

    def stream(self, read: Reader, *, n_samples: int, name: str = THE_MIXTURE) -> Iterator[dict[str, Wave]]:
        """Yield the voices (channels, block), and what is left by them."""
        kept = {*self._outputs.values()}
        for block in self._separator.stream(read, n_samples=n_samples, name=name):
            found = {voice: block[output] for voice, output in self._outputs.items()}
            others = [wave for output, wave in block.items() if output not in kept]
            first = next(iter(block.values()))
            yield {**found, REST: np.stack(others).sum(0) if others else np.zeros_like(first)}
