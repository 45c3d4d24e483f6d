"""How the steps are put together: speech given the noise, noise given the speech."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sepvae.config import parse_config
from sepvae.enhancement.config import EnhancementConfig
from sepvae.enhancement.fit import fit_noisy
from sepvae.enhancement.speech_prior import SpeechPrior
from sepvae.estimator.checkpoint import Checkpoint


class Watched(SpeechPrior):
    """A prior that remembers for which gains it was asked, and as which density."""

    def energy(self, *args: Any, density: bool) -> Tensor:
        self.densities = {*getattr(self, "densities", ()), density}
        self.largest_gain = max(getattr(self, "largest_gain", 0.0), float(args[3].max()))
        return super().energy(*args, density=density)


def fit(model: Checkpoint, **settings: Any) -> tuple[Any, Watched]:
    config = parse_config(EnhancementConfig, {"n_components": 2, **settings}, where="test")
    prior = Watched(model.estimator.models["speech"], model.estimator.frontend, gain=config.gain)
    random = torch.Generator().manual_seed(0)
    spectrum = torch.randn((20, 65), generator=random, dtype=torch.complex64)
    spectrum = spectrum * torch.logspace(-1.5, 1.5, 20)[:, None]
    return fit_noisy(model.estimator.frontend.target(spectrum), prior, prior.start(spectrum), config), prior


@pytest.mark.parametrize("method", ["map", "langevin"])
def test_with_the_latents_held_no_iteration_makes_it_less_likely(model: Checkpoint, method: str) -> None:
    still = {"map": {"learning_rate": 1e-12}, "langevin": {"step_size": 1e-14}}
    inference = {"kind": method, "settings": still[method]}
    found, prior = fit(model, inference=inference, gain="mm", n_iterations=30)
    assert (np.diff(found.trace) <= 1e-6).all()
    assert found.trace[-1] < found.trace[0] - 0.1
    assert prior.largest_gain > 1.5, "the latents are found under the gains of the iteration before"


@pytest.mark.parametrize(("method", "density"), [("map", False), ("langevin", True), ("mcem", True)])
def test_samples_are_of_a_density_and_the_most_likely_state_is_not(
    model: Checkpoint, method: str, density: bool
) -> None:
    _, prior = fit(model, inference=method, n_iterations=2)
    assert prior.densities == {density}
