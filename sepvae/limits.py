"""The largest numbers that settings and files may ask for, each with its reason, and the types that carry them.

A number that a person hands us decides how much is allocated, or how long is computed, and a slip of the finger must
not fill the memory of a machine. So every number of every `Config` has both bounds, where it is declared: a test looks.
What follows from several numbers together is bounded by `check_size`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sepvae.errors import ConfigError
from sepvae.formats import MAX_RATE_HZ, MIN_RATE_HZ

# Of the generators of NumPy and torch.
MAX_SEED = 2**63 - 1
# The position of a sample in a recording: two years at 16 kHz.
MAX_POSITION = 1 << 40
# Above a million times another term of a sum in single precision, the other is rounded away.
MAX_WEIGHT = 1e6
# A week of steps of 0.6 s.
MAX_STEPS = 1_000_000
# Single precision spans 150 dB; what is said to be louder is a slip.
MAX_DB = 200.0
# Recordings that are mixed, and rooms: ten minutes, and a hangar.
MAX_SECONDS, MAX_METRES = 600.0, 1000.0
# Sources of one mixture or model: more are heard nowhere.
MAX_SOURCES = 100
# Samples of all sources of a mixture at all microphones together: 256 MB in single precision.
MAX_MIXTURE_SAMPLES = 1 << 26
# Samples of a source at all microphones of a room: it is convolved in double precision, in the frequency domain.
MAX_ROOM_SAMPLES = 1 << 23
# Weights of a model: ten times as many as the largest that comes with sepvae, and 200 MB.
MAX_WEIGHTS = 50_000_000
# Frames of a batch, and samples of a batch of waves: some hundred megabytes of features and of what networks keep.
MAX_BATCH_FRAMES, MAX_BATCH_SAMPLES = 1 << 18, 1 << 26

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION)]
SampleRate = Annotated[int, Field(ge=MIN_RATE_HZ, le=MAX_RATE_HZ)]
# The weight of a term of a sum, and a standard deviation or a scale, which divides.
Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT)]
Scale = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]
# A step along gradients; above 10 nothing that is known converges.
LearningRate = Annotated[float, Field(gt=0, le=10)]
# A relative change that is small enough to stop.
Tolerance = Annotated[float, Field(ge=0, le=MAX_WEIGHT)]
Decibels = Annotated[float, Field(ge=-MAX_DB, le=MAX_DB)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Metres = Annotated[float, Field(gt=0, le=MAX_METRES)]
Hertz = Annotated[float, Field(gt=0, le=MAX_RATE_HZ / 2)]
Share = Annotated[float, Field(ge=0, le=1)]
# What multiplies samples; either polarity.
Gain = Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT)]


def check_size(what: str, size: float, most: float, advice: str) -> None:
    """Raise ConfigError, with advice, when several settings together ask for more than is allowed.

    Example:
        >>> check_size("frames of a batch", 3000, 2000, "lower batch_size")
        Traceback (most recent call last):
        sepvae.errors.ConfigError: frames of a batch = 3000: at most 2000 are computed at once: lower batch_size
    """
    if size > most:
        raise ConfigError(f"{what} = {size:.4g}: at most {most:.4g} are computed at once: {advice}")
