"""Independent component analysis (scikit-learn's FastICA) of a two-channel recording of the same scene.

Do, Tran & Chau 2020 compare with it (Table 2 of the survey). Hyvärinen & Oja 2000.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sepvae.config import Config
from sepvae.errors import ConfigError, MissingExtra
from sepvae.limits import Gain, Seed, Steps
from sepvae.mixing.mixture import Rendered
from sepvae.seeds import derive_seed
from sepvae.systems.contract import Estimates, System, TrainingMixtures
from sepvae.systems.filter_bank import design_bank, filter_bands
from sepvae.systems.profiles import Bands, learn_profiles, read_profiles, write_profiles

_PROFILES = "profiles.json"
_BANDS, _TAPS = 24, 513


class IcaConfig(Config):
    """The gain of each source in the second channel, and FastICA's contrast and iterations.

    The first channel is the mixture; the second the sum of its sources with the gains `second`, without delay.
    """

    second: tuple[Gain, Gain] = (1.0, -0.5)
    contrast: Literal["logcosh", "exp", "cube"] = "logcosh"
    iterations: Steps = 500
    seed: Seed = 0


class Ica(System[IcaConfig]):
    """Unmixes two channels, and names the components after the long-term spectra of the training sources.

    One channel cannot be unmixed: so this system, and no other, is given a second one, made from the true sources with
    known gains. That is all it uses them for, and it is no bound; but it knows more than the others.
    """

    Config = IcaConfig
    label, role, needs = "ICA (2 channels)", "informed", ("references",)
    mixture_consistent = False

    def __init__(self, config: IcaConfig, *, sample_rate: int) -> None:
        if config.second[0] == config.second[1]:
            raise ConfigError(f"second = {config.second}: equal gains make both channels alike: give different ones")
        super().__init__(config, sample_rate=sample_rate)
        self._profiles: dict[str, Bands] = {}
        self._filters = design_bank(_BANDS, _TAPS, sample_rate=sample_rate)

    def _shape(self, wave: NDArray[np.float32]) -> Bands:
        """Return the powers (bands,) of a wave."""
        return np.asarray(np.square(filter_bands(wave, self._filters)).mean(1), np.float64)

    def train(self, mixtures: TrainingMixtures, folder: Path) -> None:
        """Measure the long-term spectrum of each source in the training mixtures."""
        profiles = learn_profiles(mixtures, self._shape)
        if len(profiles) != 2:
            raise ConfigError(f"ica is set up for 2 sources, the mixtures have {len(profiles)}")
        write_profiles(folder / _PROFILES, profiles)

    def load(self, folder: Path, *, device: str) -> None:  # noqa: ARG002
        """Read the long-term spectra."""
        self._profiles = read_profiles(folder / _PROFILES)

    def separate(self, mixture: Rendered) -> Estimates:
        """Return the components as they are in the mixture, named by their spectra."""
        try:
            from sklearn.decomposition import FastICA
            from sklearn.exceptions import ConvergenceWarning
        except ImportError as error:
            raise MissingExtra("independent component analysis", "classical", error) from error
        names, gains = list(self._profiles), self._config.second
        if not mixture.mixture.any():
            return {name: np.zeros_like(mixture.mixture) for name in names}
        noise = 0.0 if mixture.noise is None else mixture.noise
        second = sum((g * mixture.sources[n] for g, n in zip(gains, names, strict=True)), np.float32(0)) + noise
        channels = np.stack([mixture.mixture, second]).astype(np.float64)
        model = FastICA(
            2,
            fun=self._config.contrast,
            max_iter=self._config.iterations,
            whiten="unit-variance",
            random_state=derive_seed(self._config.seed, "ica") % 2**32,
        )
        with warnings.catch_warnings():
            # The directions it has reached are what there is; how good they are the scores say.
            warnings.simplefilter("ignore", ConvergenceWarning)
            components = model.fit_transform(channels.T).T
        # Projection back to the first channel: the components as they are in the mixture.
        images = (model.mixing_[0][:, None] * components).astype(np.float32)
        return dict(zip(names, images[self._order(images, names)], strict=True))

    def _order(self, images: NDArray[np.float32], names: list[str]) -> list[int]:
        """Return which component is which source: the order whose log spectra are closest to those learnt."""
        found = [np.log(self._shape(image) + 1e-12) for image in images]
        known = [np.log(self._profiles[name] + 1e-12) for name in names]

        def distance(order: tuple[int, ...]) -> float:
            # Levels aside: a component's spectrum may be loud or soft.
            gaps = [found[index] - spectrum for index, spectrum in zip(order, known, strict=True)]
            return float(sum(np.var(gap) for gap in gaps))

        orders = list(itertools.permutations(range(len(names))))
        return list(orders[int(np.argmin([distance(order) for order in orders]))])
