"""What an ONNX file of ours says of itself, beside its graph."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.limits import MAX_SOURCES, SampleRate, Scale
from sepvae.portable.spectra import Stft

# The key of the metadata that holds these facts.
KEY = "sepvae"
# The file of a model folder that has the graph; its weights are those of the folder.
NETWORK = "network.onnx"

# What a sample may depend on, before and behind it.
_MOST_CONTEXT_S = 60

Name = Annotated[str, Field(pattern=r"^[\w-]{1,100}$")]


class PortableFacts(Config):
    """How a graph is used.

    The graph of `spectra` maps the normalised spectrum (channels, frames, bins, 2), real beside imaginary parts, to the
    magnitudes of the sources (sources, channels, frames, bins), by which `mask` shares the mixture out; that of `waves`
    maps normalised waves (channels, time) to those of the sources (sources, channels, time). The STFT, the level, what
    is `heard` and the `context_samples` beside a sample are as `Frontend` and `Separator` have them. The outputs in
    `alike` are talkers in any order.
    """

    schema_version: int = Field(1, ge=1, le=1)
    domain: Literal["spectra", "waves"]
    sources: tuple[Name, ...] = Field(min_length=1, max_length=MAX_SOURCES)
    alike: tuple[Name, ...] = Field((), max_length=MAX_SOURCES)
    sample_rate: SampleRate
    window: Literal["hann", "hamming", "sine"]
    window_samples: int = Field(ge=2, le=1 << 20)
    hop_samples: int = Field(ge=1, le=1 << 20)
    hop_ms: Scale
    normalisation: Literal["none", "rms", "peak"]
    mask: Literal["ratio", "wiener"] = "ratio"
    context_samples: int = Field(ge=0, le=1 << 24)
    name: str | None = Field(None, max_length=100)
    version: int | None = Field(None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _fits_together(self) -> PortableFacts:
        if len(set(self.sources)) < len(self.sources) or not set(self.alike) <= set(self.sources):
            raise ConfigError("sources: one is there twice, or alike names one that is none: export the model again")
        if self.domain == "spectra" and len(self.sources) < 2:
            raise ConfigError(f"sources: {self.sources[0]} is alone, and shares the mixture with nobody")
        if not self.hop_samples <= self.window_samples <= min(256 * self.hop_samples, self.sample_rate):
            raise ConfigError("window_samples: is no 1 to 256 hops, or longer than a second: export the model again")
        Stft(self.window, window_samples=self.window_samples, hop_samples=self.hop_samples)
        if self.context_samples > _MOST_CONTEXT_S * self.sample_rate:
            raise ConfigError(f"context_samples: are more than {_MOST_CONTEXT_S} s: export the model again")
        if self.context_samples % self.hop_samples:
            raise ConfigError("context_samples: is no number of hops: export the model again")
        return self

    @property
    def n_bins(self) -> int:
        """Number of frequency bins."""
        return self.window_samples // 2 + 1
