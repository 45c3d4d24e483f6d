"""Supervised NMF: atoms learnt per class from clean sources, activations fitted to the mixture, a mask of the parts.

The baseline of Subakan & Smaragdis 2018 and of the survey.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from sepvae.config import Config
from sepvae.errors import CheckpointError
from sepvae.estimator.masks import apply_masks, make_masks
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.frontend.stft import Stft, StftConfig
from sepvae.mixing.mixture import Rendered, render
from sepvae.models.dictionary import Divergence, fit_activations, learn_atoms
from sepvae.progress import progress
from sepvae.seeds import torch_generator
from sepvae.systems.contract import Material
from sepvae.training.batches import source_names

_ATOMS = "atoms.safetensors"


class NmfConfig(Config):
    """Divergence, atoms per class, iterations of both fits, and the STFT.

    The Kullback–Leibler divergence is taken of magnitudes; the Itakura–Saito divergence of powers, whose shares are the
    Wiener filter, so that `mask` is of no concern to it.

    The STFT is NMF's own: its atoms need the frequency resolution of longer windows than a VAE does.
    """

    divergence: Divergence = "kullback_leibler"
    n_atoms: int = Field(40, ge=1)
    train_iterations: int = Field(100, ge=1)
    fit_iterations: int = Field(150, ge=1)
    stft: StftConfig = StftConfig(window_ms=64, hop_ms=16)
    mask: Literal["ratio", "wiener"] = "ratio"


class Nmf:
    """One dictionary per class, side by side; the activations say how much of each class is in a frame."""

    Config: ClassVar[type[Config]] = NmfConfig
    uses_references: ClassVar[bool] = False
    trainable: ClassVar[bool] = True

    def __init__(self, config: NmfConfig, *, sample_rate: int) -> None:
        self._config, self._stft = config, Stft(config.stft, sample_rate=sample_rate)
        self._atoms: dict[str, Tensor] = {}

    def train(self, material: Material, folder: Path) -> None:
        """Learn the atoms of each source from its clean part in the training mixtures."""
        names = source_names(material.train)
        rendered = [render(mixture, material.root) for mixture in material.train]
        atoms = {}
        with progress("nmf", len(names), unit="classes") as bar:
            for name in names:
                waves = [torch.from_numpy(item.sources[name]) for item in rendered if name in item.sources]
                spectrum = torch.cat([self._normalised(wave)[1] for wave in waves])
                atoms[name] = learn_atoms(
                    spectrum,
                    n_atoms=self._config.n_atoms,
                    n_iterations=self._config.train_iterations,
                    generator=torch_generator(material.seed, "nmf", name),
                    divergence=self._config.divergence,
                )
                bar.advance(1)
        write_tensors(folder / _ATOMS, atoms)

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002 (small products: no gain from a device)
        """Read the atoms."""
        if not (folder / _ATOMS).is_file():
            raise CheckpointError(f"{folder}: holds no {_ATOMS}: train the system first")
        self._atoms = read_tensors(folder / _ATOMS)

    def _normalised(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Return the complex spectrum (frames, bins), and its magnitudes, or powers, at a root mean square of 1."""
        spectrum = self._stft.analyse(wave)
        magnitudes = spectrum.abs()
        level = magnitudes.square().mean().sqrt()
        normalised = magnitudes / level if level > 0 else magnitudes
        return spectrum, normalised.square() if self._config.divergence == "itakura_saito" else normalised

    def separate(self, mixture: Rendered) -> dict[str, NDArray[np.float32]]:
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
