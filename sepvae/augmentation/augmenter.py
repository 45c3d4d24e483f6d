"""Augmenter: a model of segments and its nuisance basis, on waves held in memory; the public face of the room."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sepvae.audio import Wave
from sepvae.augmentation import SYNTHESES
from sepvae.augmentation.basis import NuisanceBasis
from sepvae.augmentation.coder import Code, SegmentCoder
from sepvae.augmentation.latents import Array, replacement
from sepvae.augmentation.synthesis import decoded_features
from sepvae.errors import CheckpointError, InputError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint
from sepvae.processes import one_thread
from sepvae.seeds import generator

# The shift of the latents (nuisance,) of a channel, given its own vector.
Shift = Callable[[Array], Array]


class Augmenter:
    """Moves the voice, channel and noise of speech, and leaves its words.

    Each channel is coded by itself; a perturbation moves all channels alike. Each channel keeps its level, but one that
    would leave [-1, 1] and did not before is made quieter by itself. The result does not depend on the number of
    threads, for it works on one: run several processes for several cores.

    Args:
        checkpoint: model of segments.
        basis: of the same model; needed by perturbations, and to name targets.
        device: where the network runs, as `sepvae.devices.resolve_device` takes it.

    Raises:
        CheckpointError: no model of segments, or a basis of another one.
        ConfigError: a device this machine does not have.
    """

    def __init__(self, checkpoint: Checkpoint, basis: NuisanceBasis | None = None, *, device: str = "cpu") -> None:
        self.coder, self._basis = SegmentCoder(checkpoint, device=device), basis
        self._last: tuple[Wave, int, list[Code]] | None = None
        if basis is not None and basis.vectors.shape[1] != self.coder.n_nuisance:
            raise CheckpointError(
                f"the nuisance basis has {basis.vectors.shape[1]} latents, the model {self.coder.n_nuisance}: fit it "
                "to this model"
            )

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> Augmenter:
        """Load a model folder with its nuisance basis.

        Raises:
            CheckpointError: one of them is missing, damaged or does not fit the other.
            ConfigError: as the constructor.
        """
        return cls(load_checkpoint(path), NuisanceBasis.load(path), device=device)

    @property
    def basis(self) -> NuisanceBasis:
        """The nuisance basis; CheckpointError when there is none."""
        if self._basis is None:
            raise CheckpointError("this Augmenter was made without a nuisance basis: fit one with 'sepvae augment fit'")
        return self._basis

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the model works at."""
        return self.coder.sample_rate

    def vector(self, wave: Wave, sample_rate: int) -> Array:
        """Return the nuisance vector (nuisance,) of speech (time,) or (channels, time), the mean over its channels."""
        vectors = [code.vector for code in self._codes(wave, sample_rate)]
        return vectors[0] if len(vectors) == 1 else np.mean(vectors, axis=0)

    def move(self, wave: Wave, sample_rate: int, shift: Shift, *, synthesis: str = "filter") -> Wave:
        """Return the speech with its latents moved, of the shape of `wave`.

        Args:
            wave: (time,) or (channels, time) float32.
            sample_rate: Hz; must be the model's.
            shift: returns what is added to the latents (nuisance,) of a channel, given its nuisance vector.
            synthesis: `filter` multiplies the spectrum of the utterance, `griffin_lim` makes a new wave.

        Raises:
            ConfigError: there is no such synthesis.
            InputError: another rate, shorter than a segment, or silent.
        """
        synthesise, codes = SYNTHESES.resolve(synthesis), self._codes(wave, sample_rate)
        with one_thread():
            made = [synthesise(self.coder, code, shift(code.vector)) for code in codes]
        return np.stack(made).reshape(np.shape(wave))

    def features(self, wave: Wave, sample_rate: int, shift: Shift, *, keep_level: bool = False) -> Wave:
        """Return decoded features of one-channel speech with its latents moved, (frames, features) float32.

        They are those of the model's target, of a spectrum at a level of 1, or with `keep_level` at that of the wave;
        other arguments and errors as of `move`.
        """
        codes = self._codes(wave, sample_rate)
        if len(codes) != 1:
            raise InputError(f"features are of one channel, received {len(codes)}: mix them down first")
        with one_thread():
            features = decoded_features(self.coder, codes[0], shift(codes[0].vector))
        # Features are logarithms of powers.
        return features + np.float32(2 * math.log(codes[0].level)) if keep_level else features

    def _codes(self, wave: Wave, sample_rate: int) -> list[Code]:
        if np.ndim(wave) not in (1, 2):
            raise InputError(f"received samples of shape {np.shape(wave)}, expected (time,) or (channels, time)")
        # The copies of an utterance follow each other: they have its codes in common.
        last = self._last
        if (
            last is not None
            and last[1] == sample_rate
            and last[0].dtype == wave.dtype
            and np.array_equal(last[0], wave)
        ):
            return last[2]
        self._last = last = None
        with one_thread():
            codes = [self.coder.encode(channel, sample_rate) for channel in np.atleast_2d(wave)]
        self._last = (np.array(wave), sample_rate, codes)
        return codes

    def replace(
        self,
        wave: Wave,
        sample_rate: int,
        target: str | Array,
        *,
        share: float = 1.0,
        synthesis: str = "filter",
    ) -> Wave:
        """Return the speech with the nuisance of another utterance, or a share of the way there.

        Args:
            wave: (time,) or (channels, time) float32.
            sample_rate: Hz; must be the model's.
            target: id of an utterance of the basis, or a vector (nuisance,) from `vector`.
            share: 1 for replacement, between 0 and 1 for interpolation.
            synthesis: as of `move`.

        Raises:
            InputError: as `move`, or an unknown target.
        """
        vector = self.basis.vector_of(target) if isinstance(target, str) else target
        return self.move(wave, sample_rate, lambda own: replacement(own, vector, share=share), synthesis=synthesis)

    def perturb(
        self,
        wave: Wave,
        sample_rate: int,
        *,
        kind: str = "soft",
        gamma: float = 1.0,
        n_directions: int = 8,
        seed: int = 0,
        synthesis: str = "filter",
    ) -> Wave:
        """Return the speech with its nuisance moved by one random shift.

        Args:
            wave: (time,) or (channels, time) float32.
            sample_rate: Hz; must be the model's.
            kind: `soft` along all directions of the basis, `hard` along the first `n_directions`; `uniform` and
                `reversed` are controls for experiments.
            gamma: strength; at 1 as far as another utterance, at 0 nowhere.
            n_directions: for `hard`.
            seed: of the shift.
            synthesis: as of `move`.
        """
        stream = generator(seed, "perturbation")
        p = self.basis.perturbation(kind, stream, gamma=gamma, n_directions=n_directions)
        return self.move(wave, sample_rate, lambda _: p, synthesis=synthesis)
