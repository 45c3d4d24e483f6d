"""Supervised NMF: atoms learnt per class from clean sources, activations fitted to the mixture, a mask of the parts.

The baseline of Subakan & Smaragdis 2018 and of the survey.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.estimator.masks import MaskKind, apply_masks, make_masks
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.limits import Steps
from sepvae.mixing.mixture import Rendered, render
from sepvae.models.dictionary import Divergence, fit_activations, learn_atoms
from sepvae.progress import progress
from sepvae.seeds import torch_generator
from sepvae.systems.contract import Estimates, System, SystemFacts, TrainingMixtures, trained
from sepvae.training.batches import source_names

_ATOMS = "atoms.safetensors"
_LABELS = {"kullback_leibler": "KL-NMF", "itakura_saito": "IS-NMF"}


class NmfConfig(Config):
    """Divergence, atoms per class, iterations of both fits, and the STFT.

    The Kullback–Leibler divergence is taken of magnitudes; the Itakura–Saito divergence of powers, whose shares are the
    Wiener filter, so that `mask` is of no concern to it.

    The STFT is NMF's own: its atoms need the frequency resolution of longer windows than a VAE does.
    """

    divergence: Divergence = "kullback_leibler"
    n_atoms: int = Field(10, ge=1, le=4096)
    train_iterations: Steps = 100
    fit_iterations: Steps = 150
    stft: StftConfig = StftConfig(window_ms=64, hop_ms=16)
    mask: MaskKind = "ratio"


class Nmf(System[NmfConfig]):
    """One dictionary per class, side by side; the activations say how much of each class is in a frame."""

    Config = NmfConfig
    role = "baseline"

    def __init__(self, config: NmfConfig, *, sample_rate: int) -> None:
        super().__init__(config, sample_rate=sample_rate)
        self._stft = Stft(config.stft, sample_rate=sample_rate)
        self._atoms: dict[str, Tensor] = {}

    @classmethod
    def describe(cls, config: NmfConfig) -> SystemFacts:
        """Name the divergence."""
        return super().describe(config)._replace(label=_LABELS.get(config.divergence, "NMF"))

    @classmethod
    def mask_stft(cls, config: NmfConfig) -> StftConfig:
        """Return the STFT of the atoms."""
        return config.stft

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Learn the atoms of each source from its clean part in the training mixtures."""
        names = source_names(mixtures.train)
        rendered = [render(mixture, mixtures.root) for mixture in mixtures.train]
        atoms = {}
        with progress("nmf", len(names), unit="classes") as bar:
            for name in names:
                waves = [torch.from_numpy(item.sources[name]) for item in rendered if name in item.sources]
                spectrum = torch.cat([self._normalised(wave)[1] for wave in waves])
                atoms[name] = learn_atoms(
                    spectrum,
                    n_atoms=self._config.n_atoms,
                    n_iterations=self._config.train_iterations,
                    generator=torch_generator(mixtures.seed, "nmf", name),
                    divergence=self._config.divergence,
                )
                bar.advance(1)
        write_tensors(folder / _ATOMS, atoms)

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002 (small products: no gain from a device)
        """Read the atoms."""
        self._atoms = read_tensors(trained(folder / _ATOMS))

    def _normalised(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Return the complex spectrum (frames, bins), and its magnitudes, or powers, at a root mean square of 1."""
        spectrum = self._stft.analyse(wave)
        magnitudes = spectrum.abs()
        level = magnitudes.square().mean().sqrt()
        normalised = magnitudes / level if level > 0 else magnitudes
        return spectrum, normalised.square() if self._config.divergence == "itakura_saito" else normalised

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the masked mixture for each source of the dictionary."""
        spectrum, observed = self._normalised(torch.from_numpy(mixture.mixture))
        names = list(self._atoms)
        atoms = torch.cat([self._atoms[name] for name in names])
        divergence, n_iterations = self._config.divergence, self._config.fit_iterations
        activations = fit_activations(observed, atoms, n_iterations=n_iterations, divergence=divergence)
        shares = torch.split(activations, self._config.n_atoms, dim=-1)
        parts = [share @ self._atoms[name] for name, share in zip(names, shares, strict=True)]
        masks = make_masks(torch.stack(parts), kind="ratio" if divergence == "itakura_saito" else self._config.mask)
        estimates = self._stft.synthesise(apply_masks(spectrum, masks), n_samples=len(mixture.mixture))
        return dict(zip(names, estimates.numpy(), strict=True))
