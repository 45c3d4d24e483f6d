"""What systems have learnt, beside the contract: on the mixtures, and with the settings, that they are checked with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sepvae.mixing.mixture import Rendered
from sepvae.testing.systems import corpus, ready, trained_anew

from .small import settings_of


def settings(name: str) -> dict[str, Any]:
    return settings_of("system", name)[0]


@pytest.mark.parametrize("name", ["demixing", "enhancement", "generative", "nmf", "source_models"])
def test_another_seed_learns_something_else(name: str) -> None:
    estimates = ready(name, settings(name)).separate(corpus()[1][0])
    assert not np.array_equal(trained_anew(name, settings(name), seed=1)["hum"], estimates["hum"])


def snr_db(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))


def improvement_db(name: str) -> float:
    """Return the mean gain in SNR over the mixture."""
    gains = []
    for item in corpus()[1]:
        for source, estimate in ready(name, settings(name)).separate(item).items():
            gains.append(snr_db(item.sources[source], estimate) - snr_db(item.sources[source], item.mixture))
    return float(np.mean(gains))


def test_systems_rank_as_they_must() -> None:
    gains = {name: improvement_db(name) for name in ("mixture", "nmf", "source_models", "ideal_mask")}
    assert gains["mixture"] == 0
    assert gains["ideal_mask"] > max(gains["nmf"], gains["source_models"])
    assert min(gains["nmf"], gains["source_models"]) > 5


def test_noise_keeps_its_share_of_an_ideal_mask() -> None:
    item = corpus()[1][0]
    noise = np.random.default_rng(0).normal(0, 0.1, len(item.mixture)).astype(np.float32)
    noisy = Rendered(item.mixture + noise, item.sources, noise)
    estimates = ready("ideal_mask", {"mask": "wiener"}).separate(noisy)
    assert set(estimates) == set(item.sources)
    assert snr_db(noise, noisy.mixture - sum(estimates.values())) > 3
