"""Full-rank spatial covariances and the multichannel Wiener filter: for more talkers than microphones, and for rooms.

The microphones hear x ~ N(0, Σⱼ vⱼ Rⱼ), where the Hermitian Rⱼ of a bin says how source j arrives there. Duong et al.
2010; with a conditional VAE as the model of vⱼ, GMVAE (Seki et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sepvae.demixing import hermitian
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.covariance import noise_floor
from sepvae.demixing.projection_back import mixing_matrices

_LEAST = 1e-30


@dataclass(frozen=True)
class SpatialFit:
    """What the multichannel Wiener filter made of a batch.

    `images` of the sources at one microphone (batch, bins, sources, frames); their spatial `covariances`
    (batch, bins, sources, channels, channels) and `variances` (batch, sources, bins, frames); `objective`
    (iterations + 1, batch), the negative log-likelihood per bin and frame up to constants.
    """

    images: Tensor
    covariances: Tensor
    variances: Tensor
    objective: Tensor


class _Posterior:
    """The mixture under the present spatial covariances and variances."""

    def __init__(self, spectrum: Tensor, covariances: Tensor, variances: Tensor, noise: Tensor) -> None:
        n_channels = spectrum.shape[2]
        # (batch, bins, sources, channels²), (batch, bins, frames, sources)
        self.vectors, self.shares = hermitian.to_vectors(covariances), variances.permute(0, 2, 3, 1)
        total = hermitian.to_matrices(self.shares @ self.vectors, n_channels)
        total.diagonal(dim1=3, dim2=4).add_(noise[:, :, None, None])
        self.inverse = hermitian.inverse(total)
        frames = spectrum.transpose(2, 3)
        # X⁻¹ x, (batch, bins, frames, channels)
        self.whitened = (self.inverse @ frames[..., None])[..., 0]
        fit = (frames.conj() * self.whitened).real.sum(-1)
        self.objective = (hermitian.log_determinant(total) + fit).mean((1, 2))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return X⁻¹ x xᴴ X⁻¹ and X⁻¹ as vectors (batch, bins, frames, channels²)."""
        whitened = hermitian.outer_products(self.whitened.transpose(2, 3)).transpose(2, 3)
        return whitened, hermitian.to_vectors(self.inverse)


def _expected_powers(posterior: _Posterior, n_channels: int) -> Tensor:
    """Return tr(Rⱼ⁻¹ E[cⱼ cⱼᴴ | x]) / channels, the power that explains what is heard of each source (Duong 2010)."""
    whitened, inverse = posterior.statistics()
    weighted = (posterior.vectors * hermitian.inner_weights(n_channels, whitened)).transpose(2, 3)
    gain = (whitened - inverse) @ weighted / n_channels
    powers = posterior.shares + posterior.shares.square() * gain
    return powers.permute(0, 3, 1, 2).clamp_min(_LEAST).contiguous()


def _update_covariances(posterior: _Posterior, covariances: Tensor) -> Tensor:
    """Return spatial covariances that solve R A R = B, the minimum of the majoriser (Sawada et al. 2013)."""
    n_channels = covariances.shape[-1]
    whitened, inverse = posterior.statistics()
    shares = posterior.shares.transpose(2, 3)
    found = hermitian.to_matrices(shares @ whitened, n_channels)
    expected = hermitian.to_matrices(shares @ inverse, n_channels)
    load = expected.diagonal(dim1=-2, dim2=-1).real.mean(-1) * 1e-9 + _LEAST
    expected.diagonal(dim1=-2, dim2=-1).add_(load[..., None])
    target = covariances @ found @ covariances
    updated = hermitian.geometric_mean(hermitian.inverse(expected), (target + target.mH) / 2)
    return (updated + updated.mH) / 2


def from_demixing(demixing: Tensor, *, full_rank: float) -> Tensor:
    """Return spatial covariances aⱼ aⱼᴴ of demixing matrices, with a share `full_rank` of the power from everywhere."""
    columns = mixing_matrices(demixing).transpose(2, 3)
    matrices = columns[..., :, None] * columns[..., None, :].conj()
    n_channels = matrices.shape[-1]
    power = matrices.diagonal(dim1=-2, dim2=-1).real.mean(-1)
    eye = torch.eye(n_channels, dtype=matrices.dtype, device=matrices.device)
    return (1 - full_rank) * matrices + full_rank * power[..., None, None] * eye


def fit_spatial(
    spectrum: Tensor,
    model: SourceVariances,
    *,
    covariances: Tensor,
    variances: Tensor,
    n_iterations: int,
    microphone: Tensor,
    fit_sources: bool = True,
) -> SpatialFit:
    """Fit spatial covariances and sources in turn, and filter the mixture.

    Args:
        spectrum: x, (batch, bins, channels, frames) complex; fewer channels than sources are allowed.
        model: what the sources are like.
        covariances: to start from (batch, bins, sources, channels, channels), positive definite.
        variances: to start from (batch, sources, bins, frames).
        n_iterations: of both updates.
        microphone: whose images are returned, as a row (batch, bins, channels) of the channels.
        fit_sources: fit the source model too, and not the spatial covariances alone.

    Source: Seki et al. 2019, with the update of the sources from Duong et al. 2010, which fits any model of
    sources as if it had heard them alone.
    """
    n_channels, noise = spectrum.shape[2], noise_floor(spectrum)
    trace = list[Tensor]()
    for _ in range(n_iterations):
        posterior = _Posterior(spectrum, covariances, variances, noise)
        trace.append(posterior.objective)
        covariances = _update_covariances(posterior, covariances)
        if fit_sources:
            posterior = _Posterior(spectrum, covariances, variances, noise)
            variances = model.fit(_expected_powers(posterior, n_channels)).variances.expand_as(variances)
    posterior = _Posterior(spectrum, covariances, variances, noise)
    trace.append(posterior.objective)
    # vⱼ Rⱼ X⁻¹ x at the microphone: (batch, bins, frames, sources)
    rows = (microphone[:, :, None, None] @ covariances)[:, :, :, 0]
    images = posterior.shares * (posterior.whitened @ rows.mT)
    return SpatialFit(images.transpose(2, 3), covariances, variances, torch.stack(trace))
