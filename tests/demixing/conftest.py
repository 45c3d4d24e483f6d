"""Random spectra, mixtures whose sources are known, and tiny conditional VAEs, untrained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from sepvae.models.conditional import ConditionalVae
from sepvae.testing.algorithms import Bins, draw_gaussian, make_voices, mix_talkers


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., Tensor]:
    return draw_gaussian


@pytest.fixture(scope="session")
def talkers() -> Callable[..., Bins]:
    return mix_talkers


@pytest.fixture(scope="session")
def voices() -> Callable[..., ConditionalVae]:
    return make_voices
