"""A voice of one's own: what it sounds like, measured from recordings of one person alone, in a small folder.

Nothing is trained. The folder holds 39 numbers: the mean of the short-time features by which `voice_order` tells
talkers apart. They say something of a person's voice, which is biometric data: the card in the folder says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae import audio
from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.files import atomic_folder, read_json, write_json, write_text
from sepvae.limits import SampleRate
from sepvae.separation.voice_order import STRETCH_S
from sepvae.separation.voices import DIMENSIONS, VoiceFeatures, frame_energy

VOICE, CARD = "voice.json", "README.md"
# Of less speech the mean says more of what was said than of who said it.
LEAST_S = 5.0
Floats = NDArray[np.float32]
# In spreads of a voice.
Feature = Annotated[float, Field(ge=-1e4, le=1e4)]


class VoiceConfig(Config):
    """What `voice.json` holds: the features of a voice at a rate, and their mean over so many seconds of speech."""

    schema_version: int = Field(1, ge=1, le=1)
    sample_rate: SampleRate
    seconds: float = Field(ge=0, le=1e7)
    features: tuple[Feature, ...] = Field(min_length=DIMENSIONS, max_length=DIMENSIONS)


@dataclass(frozen=True)
class Voice:
    """A voice that is known: its name, and its features (dimensions,) at a sample rate in Hz."""

    name: str
    sample_rate: int
    features: Floats
    seconds: float


def enrol(name: str, waves: Sequence[Floats], *, sample_rate: int) -> Voice:
    """Return what a voice sounds like.

    Args:
        name: what it is to be called.
        waves: recordings of one person alone, each (time,), in [-1, 1].
        sample_rate: of all of them, in Hz; that of the model that is to use the voice.

    Raises:
        InputError: there are less than `LEAST_S` seconds of speech.
    """
    measure = VoiceFeatures(sample_rate, stretch_s=STRETCH_S)
    total, frames = np.zeros(DIMENSIONS, np.float32), 0.0
    for wave in waves:
        if len(wave) < measure.stretch_samples:
            continue
        features, weights = measure(wave[None], loudest=frame_energy(wave, sample_rate))
        total = total + (weights[0, :, None] * features[0]).sum(0)
        frames += float(weights.sum())
    seconds = frames * measure.frame_s
    if seconds < LEAST_S:
        raise InputError(
            f"{name}: {seconds:.1f} s of speech in the recordings, at least {LEAST_S:g} s are needed: give more of them"
        )
    return Voice(name, sample_rate, total / frames, seconds)


def enrol_files(name: str, paths: Sequence[Path], *, sample_rate: int) -> Voice:
    """Return what the voice in some recordings sounds like; channels are averaged.

    Raises:
        InputError: a file that cannot be read, or too little speech.
    """
    waves = list[Floats]()
    for path in paths:
        wave, rate = audio.read(path)
        waves.append(audio.resample(wave.mean(0), from_rate=rate, to_rate=sample_rate))
    return enrol(name, waves, sample_rate=sample_rate)


def save_voice(folder: Path, voice: Voice) -> None:
    """Write the folder of a voice atomically; OutputError when it cannot be written."""
    config = VoiceConfig(
        sample_rate=voice.sample_rate, seconds=round(voice.seconds, 1), features=tuple(voice.features.tolist())
    )
    with atomic_folder(folder) as part:
        write_json(part / VOICE, config.model_dump(mode="json"))
        write_text(part / CARD, _card(voice))


def load_voice(folder: str | Path) -> Voice:
    """Load the folder of a voice; its name is that of the folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(folder) / VOICE
    if not path.is_file():
        raise InputError(f"{folder}: is no folder of a voice, which has {VOICE}: make one with 'sepvae enrol'")
    try:
        found = parse_config(VoiceConfig, read_json(path), where=VOICE)
    except (ConfigError, InputError) as error:
        raise InputError(f"{path}: damaged: {error}: enrol the voice again") from error
    return Voice(path.parent.absolute().name, found.sample_rate, np.array(found.features, np.float32), found.seconds)


def _card(voice: Voice) -> str:
    return (
        f"# The voice of {voice.name}\n\n"
        f"{len(voice.features)} numbers in `{VOICE}`: the mean spectrum of the voice, how much that moves, and its "
        f"pitch, of {voice.seconds:.0f} s of speech. No sound is here, and none can be made of it; whether another "
        "recording may be of the same person can be guessed from it.\n\n"
        "**It is biometric data of a person.** Keep it no longer than they agreed to. To delete it, delete this "
        "folder: nothing else holds anything of it.\n\n"
        f"```sh\nsepvae separate call.wav --keep {voice.name} -o out   # out/call/{voice.name}.wav, rest.wav\n```\n"
    )
