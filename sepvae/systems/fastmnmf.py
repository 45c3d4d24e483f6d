"""FastMNMF2 of pyroomacoustics: blind, with jointly diagonalisable spatial covariances (Sekiguchi et al. 2020)."""

from __future__ import annotations

import warnings

import numpy as np
from pydantic import Field

from sepvae.config import Config
from sepvae.errors import InputError, MissingExtra
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.limits import Seed
from sepvae.mixing.mixture import Rendered
from sepvae.seeds import derive_seed, generator
from sepvae.systems.contract import Estimates, System

# -120 dB of the recording.
_FLOOR = 1e-6


class FastMnmfConfig(Config):
    """Spectra of each source, iterations, the STFT, and the seed of where it starts."""

    n_bases: int = Field(8, ge=1, le=1000)
    iterations: int = Field(100, ge=1, le=10_000)
    stft: StftConfig = StftConfig(window_ms=128, hop_ms=32)
    seed: Seed = 0


class FastMnmf(System[FastMnmfConfig]):
    """A baseline for any number of talkers and microphones; its estimates are in any order."""

    Config = FastMnmfConfig
    label, role, needs, blind = "FastMNMF2", "baseline", ("channels",), True

    def __init__(self, config: FastMnmfConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._stft = Stft(config.stft, sample_rate=sample_rate)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the images of the sources at the reference microphone."""
        try:
            from pyroomacoustics.bss import fastmnmf2
        except ImportError as error:
            raise MissingExtra("FastMNMF2", "rooms", error) from error
        import torch

        if mixture.channels is None:
            raise InputError("the mixture has one channel, and FastMNMF2 needs several: set mixing.room")
        names, channels = list(mixture.sources), torch.from_numpy(mixture.channels.astype(np.float64))
        # (frames, bins, channels)
        spectrum = self._stft.analyse(channels).permute(1, 2, 0).numpy()
        if not (level := float(np.sqrt(np.mean(np.square(np.abs(spectrum)))))):
            return {name: np.zeros(channels.shape[1], np.float32) for name in names}
        # In a bin of digital silence its matrices are singular.
        noise = generator(self._config.seed, "fastmnmf2", "floor").standard_normal((2, *spectrum.shape))
        spectrum = spectrum + _FLOOR * level * (noise[0] + 1j * noise[1])
        # It starts from NumPy's global generator.
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(derive_seed(self._config.seed, "fastmnmf2") % 2**32)  # noqa: NPY002
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                images = fastmnmf2(
                    spectrum,
                    n_src=len(names),
                    n_iter=self._config.iterations,
                    n_components=self._config.n_bases,
                    mic_index=0,
                )
        finally:
            np.random.set_state(state)  # noqa: NPY002
        # (sources, frames, bins)
        spectra = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 0)))
        waves = self._stft.synthesise(spectra, n_samples=channels.shape[1]).numpy().astype(np.float32)
        return dict(zip(names, waves, strict=True))
