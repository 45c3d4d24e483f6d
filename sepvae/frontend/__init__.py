"""From waves to spectra and features and back; all spectra are (…, frames, bins)."""

from sepvae.frontend.features import FeatureConfig, Features
from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.frontend.stft import Stft, StftConfig

__all__ = ["FeatureConfig", "Features", "Frontend", "FrontendConfig", "Stft", "StftConfig"]
