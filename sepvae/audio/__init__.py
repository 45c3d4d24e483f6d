"""Reading, writing and resampling of audio files: the only place that touches soundfile and soxr.

Arrays are (channels, time) float32 in [-1, 1]; integer formats are divided by their full scale.
"""

from __future__ import annotations

from sepvae.audio.rates import resample, resample_file
from sepvae.audio.readers import Audio, AudioInfo, Wave, check_finite, inspect, read, read_blocks, read_mono
from sepvae.audio.space import check_space
from sepvae.audio.writers import Writer, check_format, encode, write, writing

__all__ = [
    "Audio",
    "AudioInfo",
    "Wave",
    "Writer",
    "check_finite",
    "check_format",
    "check_space",
    "encode",
    "inspect",
    "read",
    "read_blocks",
    "read_mono",
    "resample",
    "resample_file",
    "write",
    "writing",
]
