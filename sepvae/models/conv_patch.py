"""`conv_patch`: convolutions over patches of frames and bins, as denoising autoencoders of spectra use them.

Grais & Plumbley 2017: fully convolutional, one network per source. Strides along frequency stand for their pooling.
"""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from sepvae.models.contract import Decoded, ModelConfig, Posterior
from sepvae.models.network import SourceNetwork

_LOG_VARIANCE_LIMIT = 10.0
_BINS_PER_STEP = 2
# Added before the root, whose slope at 0 is infinite.
_FLOOR = 1e-5


class ConvPatchConfig(ModelConfig):
    """Filters of each layer and their size; every layer halves the number of bins.

    `deterministic` makes it the denoising autoencoder; otherwise the last maps are mean and log-variance of a VAE.
    """

    filters: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field((12, 20, 30), min_length=1, max_length=6)
    kernel_frames: int = Field(3, ge=1, le=15)
    kernel_bins: int = Field(5, ge=3, le=31)
    deterministic: bool = True


class ConvPatch(SourceNetwork):
    """A stack of convolutions down to few bins, and transposed convolutions back; frames are neither lost nor merged.

    Args:
        config: sizes.
        n_inputs: bins of the mixture's magnitudes, non-negative.
        n_outputs: bins of the source's; the same number.
    """

    Config: ClassVar[type[ModelConfig]] = ConvPatchConfig
    takes_roots: ClassVar[bool] = True

    def __init__(self, config: ConvPatchConfig, *, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.config = config
        self._half_kernel = config.kernel_frames // 2
        size = (2 * self._half_kernel + 1, config.kernel_bins | 1)
        side, half = size[1] // 2, len(config.filters)
        channels = [1, *config.filters]
        self._bins = [n_inputs]
        for _ in config.filters:
            self._bins.append((self._bins[-1] - 1) // _BINS_PER_STEP + 1)
        outputs = [*config.filters[:-1], config.filters[-1] * (1 if config.deterministic else 2)]
        self.down = nn.ModuleList(
            nn.Conv2d(n_in, n_out, size, stride=(1, _BINS_PER_STEP), padding=(0, side))
            for n_in, n_out in zip(channels[:-1], outputs, strict=True)
        )
        sizes_back = list(reversed(self._bins))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                n_in,
                n_out,
                (1, size[1]),
                stride=(1, _BINS_PER_STEP),
                padding=(0, side),
                output_padding=(0, wide - ((narrow - 1) * _BINS_PER_STEP + 1)),
            )
            for (n_in, n_out), (narrow, wide) in zip(
                itertools.pairwise([*reversed(config.filters), config.filters[0]]),
                itertools.pairwise(sizes_back),
                strict=True,
            )
        )
        self.to_spectrum = nn.Conv2d(config.filters[0], 1, (1, size[1]), padding=(0, side))
        self.fit_bins = nn.Identity() if n_inputs == n_outputs else nn.Linear(n_inputs, n_outputs)
        self.context_frames = half * self._half_kernel

    def encode(self, features: Tensor) -> Posterior:
        """Map features (batch, frames + 2 · context_frames, n_inputs) to q(z|x), (batch, frames, maps · few bins)."""
        maps = (features + _FLOOR).sqrt()[:, None]
        for number, layer in enumerate(self.down, start=1):
            maps = layer(maps)
            if number < len(self.down):
                maps = nn.functional.silu(maps)
        # (batch, maps, frames, bins) -> (batch, frames, maps · bins)
        flat = maps.transpose(1, 2)
        if self.config.deterministic:
            return Posterior(flat.flatten(2), None)
        mean, log_variance = flat.chunk(2, dim=2)
        limited = log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)
        return Posterior(mean.flatten(2), limited.flatten(2))

    def decode(self, latent: Tensor) -> Decoded:
        """Map latents (batch, frames, maps · few bins) to magnitudes (batch, frames, n_outputs)."""
        maps = latent.reshape(*latent.shape[:2], self.config.filters[-1], self._bins[-1]).transpose(1, 2)
        for layer in self.up:
            maps = layer(nn.functional.silu(maps))
        spectrum = self.to_spectrum(nn.functional.silu(maps))[:, 0]
        return Decoded(nn.functional.softplus(self.fit_bins(spectrum)), None)
