"""Another system's estimates behind a band-pass filter: BPF alone (of the mixture), VAE + BPF, and any other.

Do, Tran & Chau 2020 put a Chebyshev band-pass behind their VAE.
"""

from __future__ import annotations

from pydantic import Field

from sepvae.config import Config
from sepvae.errors import ConfigError
from sepvae.mixing.mixture import Rendered
from sepvae.separation.band_pass import BandPassConfig, band_pass, design
from sepvae.systems.contract import Estimates, System


class FilteredConfig(Config):
    """The system of the recipe whose estimates are filtered, and the filter.

    `sources` are filtered, the others stay as they are; None filters all.
    """

    of: str = "mixture"
    filter: BandPassConfig = BandPassConfig()
    sources: tuple[str, ...] | None = Field(None, min_length=1)


class FilteredSystem(System[FilteredConfig]):
    """A filter behind another system; it learns nothing."""

    Config = FilteredConfig
    label, role, mixture_consistent = "BPF", "baseline", False
    draws = False

    def __init__(self, config: FilteredConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        # An edge that this rate cannot have is an error now, not after the training of the other system.
        design(config.filter, sample_rate=sample_rate)

    @classmethod
    def works_on(cls, config: FilteredConfig) -> str:
        """Return the system whose estimates are filtered."""
        return config.of

    def derive(self, estimates: Estimates) -> Estimates:
        """Return the other system's estimates (time,), filtered.

        Raises:
            ConfigError: a source to be filtered that is none of them.
        """
        config = self._config
        chosen = set(estimates if config.sources is None else config.sources)
        if unknown := chosen - set(estimates):
            raise ConfigError(
                f"sources: {min(unknown)!r} is no source of {config.of}: choose from {', '.join(estimates)}"
            )
        return {
            name: band_pass(wave, config.filter, sample_rate=self._sample_rate) if name in chosen else wave
            for name, wave in estimates.items()
        }

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the filtered mixture for each source: what it does behind a system that does nothing."""
        return self.derive(dict.fromkeys(mixture.sources, mixture.mixture))
