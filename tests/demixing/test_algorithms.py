"""The algorithms on spectra: which source model, whose voice, which start, and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.config import parse_config
from sepvae.demixing.algorithms import Separated, Voices, order_by_voice, separate_spectra, source_model
from sepvae.demixing.config import NEURAL, DemixingConfig
from sepvae.demixing.contract import SourceVariances
from sepvae.demixing.descent import MvaeVariances
from sepvae.demixing.low_rank import LowRank
from sepvae.demixing.neural import FastMvae2Variances, FastMvaeVariances
from sepvae.demixing.spherical import Spherical
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae

KINDS: dict[str, type[SourceVariances]] = {
    "auxiva": Spherical,
    "ilrma": LowRank,
    "mvae": MvaeVariances,
    "gmvae": MvaeVariances,
    "fastmvae": FastMvaeVariances,
    "fastmvae2": MvaeVariances,
}
every_algorithm = pytest.mark.parametrize("algorithm", KINDS)


def config(algorithm: str, **settings: Any) -> DemixingConfig:
    small = {"algorithm": algorithm, "iterations": 4, "start_iterations": 6}
    return parse_config(DemixingConfig, {**small, **settings}, where="test")


def separate(
    spectrum: Tensor,
    settings: DemixingConfig,
    network: ConditionalVae,
    *,
    n_sources: int = 2,
    speakers: Tensor | None = None,
    **more: Any,
) -> Separated:
    known = Voices(network, speakers=speakers) if settings.algorithm in NEURAL else None
    return separate_spectra(spectrum, settings, n_sources=n_sources, sample_rate=16000, voices=known, **more)


def test_the_published_fastmvae2_makes_no_step(voices: Any) -> None:
    assert type(source_model(config("fastmvae2", steps=0), Voices(voices()), 1)) is FastMvae2Variances
    assert config("fastmvae2").steps == 3 < config("mvae").steps
    with pytest.raises(ConfigError, match="steps: mvae needs 1 or more; fastmvae2 does without"):
        config("mvae", steps=0)
    with pytest.raises(ConfigError, match="steps: auxiva makes none: leave it out, or choose mvae, fastmvae2, gmvae"):
        config("auxiva", steps=3)


@every_algorithm
def test_algorithms_differ_in_their_source_model(voices: Any, algorithm: str) -> None:
    network = Voices(voices()) if algorithm in NEURAL else None
    assert type(source_model(config(algorithm), network, 1)) is KINDS[algorithm]
    if algorithm in NEURAL:
        with pytest.raises(ConfigError, match=f"algorithm {algorithm}: needs a model of speech"):
            source_model(config(algorithm), None, 1)


@every_algorithm
def test_a_batch_of_two_is_two_singles(talkers: Any, voices: Any, algorithm: str) -> None:
    spectrum, network = talkers(n_batch=2).spectrum, voices()
    both = separate(spectrum, config(algorithm), network)
    assert both.images.shape == spectrum.shape
    assert both.objective.shape == (5, 2)
    assert (both.demixing is None) is (algorithm == "gmvae")
    assert (both.log_classes is None) is (algorithm not in NEURAL)
    for item in range(2):
        one = separate(spectrum[item : item + 1], config(algorithm), network)
        torch.testing.assert_close(one.images[0], both.images[item], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(one.objective[:, 0], both.objective[:, item], rtol=1e-4, atol=1e-4)


@every_algorithm
def test_images_add_up_to_the_reference_microphone(talkers: Any, voices: Any, algorithm: str) -> None:
    spectrum = talkers(n_sources=3).spectrum
    for reference in (0, 2):
        images = separate(spectrum, config(algorithm), voices(), n_sources=3, reference=reference).images
        # The Wiener filter of gmvae has a floor of noise, of which nobody is the source.
        torch.testing.assert_close(images.sum(2), spectrum[:, :, reference], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["auxiva", "ilrma", "mvae", "fastmvae2"])
def test_demixing_matrices_are_in_terms_of_the_microphones(talkers: Any, voices: Any, algorithm: str) -> None:
    """Each row takes one source out of all channels: what it gives is the image, up to a factor in each bin."""
    spectrum = talkers(n_channels=4).spectrum
    found = separate(spectrum, config(algorithm), voices())
    assert found.demixing is not None
    assert found.demixing.shape == (1, 5, 2, 4)
    ratio = (found.demixing @ spectrum) / found.images
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6, atol=1e-9)


@every_algorithm
def test_bins_that_are_silent_stay_so(talkers: Any, voices: Any, algorithm: str) -> None:
    spectrum = talkers().spectrum
    spectrum[:, 2] = 0
    found = separate(spectrum, config(algorithm), voices())
    assert torch.isfinite(torch.view_as_real(found.images)).all()
    assert not found.images[:, 2].abs().gt(1e-9).any()
    assert torch.isfinite(found.objective).all()


def told(*speakers: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([speakers]), 3).float()


class Listener:
    """A network that tells classes by the loudest of the first three bins."""

    def infer(self, power: Tensor) -> Any:
        class Found:
            loudness = power.mean(1)[:, :3] / power.mean((1, 2)).clamp_min(1e-20)[:, None]
            log_classes = torch.log_softmax(10 * loudness, dim=1)

        return Found


@pytest.mark.parametrize("speakers", [(0, 1), (1, 0), (2, 0), (1, 2)])
def test_sources_are_ordered_by_who_sounds_like_whom(speakers: tuple[int, int]) -> None:
    power = torch.rand(2, 2, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # In the first recording the speakers come in their order, in the second the other way round.
    for item, order in enumerate((speakers, speakers[::-1])):
        for source, speaker in enumerate(order):
            power[item, source, speaker] += 5
    network: Any = Listener()
    found = order_by_voice(power, network, told(*speakers).expand(2, 2, 3))
    assert found.tolist() == [[0, 1], [1, 0]]
    # Each speaker once, though both sound like the first.
    power[:, :, speakers[0]] += 20
    assert sorted(order_by_voice(power, network, told(*speakers).expand(2, 2, 3))[0].tolist()) == [0, 1]
    assert order_by_voice(torch.zeros_like(power), network, told(*speakers).expand(2, 2, 3)).shape == (2, 2)


@pytest.mark.parametrize("algorithm", NEURAL)
def test_known_speakers_are_what_the_model_decodes_with(talkers: Any, voices: Any, algorithm: str) -> None:
    spectrum, network = talkers().spectrum, voices()
    one, other = (
        separate(spectrum, config(algorithm), network, speakers=told(*who)).images for who in ((0, 1), (0, 2))
    )
    assert one.shape == other.shape == spectrum.shape
    assert not torch.allclose(one, other)


def test_more_sources_than_channels(talkers: Any, voices: Callable[..., ConditionalVae]) -> None:
    spectrum = talkers(n_sources=3, n_channels=2).spectrum
    found = separate(spectrum, config("gmvae"), voices(), n_sources=3)
    assert found.images.shape == (1, 5, 3, 60)
    assert found.demixing is None
    assert found.log_classes is not None
    assert found.log_classes.shape == (1, 3, 3)
    torch.testing.assert_close(found.images.sum(2), spectrum[:, :, 0], rtol=1e-4, atol=1e-4)
    # From the first fit of the voices on: the factorisation that it starts from has another objective.
    objective = found.objective[:, 0]
    assert len(objective) == found.n_iterations == 4
    assert (objective.diff() <= 1e-6 * (1 + objective[1:].abs())).all()
    known = separate(spectrum, config("gmvae"), voices(), n_sources=3, speakers=told(2, 0, 1))
    assert not torch.allclose(known.images, found.images)
    for algorithm in ("auxiva", "mvae"):
        with pytest.raises(ConfigError, match="2 channels cannot be demixed into 3 sources: choose gmvae"):
            separate(spectrum, config(algorithm), voices(), n_sources=3)


def test_the_objective_of_each_algorithm_falls(talkers: Any, voices: Any) -> None:
    for algorithm in ("auxiva", "ilrma", "mvae", "gmvae"):
        found = separate(talkers().spectrum, config(algorithm, iterations=8), voices()).objective[:, 0]
        assert (found.diff() <= 1e-6 * (1 + found[1:].abs())).all(), algorithm
        assert found[-1] < found[0] - 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "ica"}, "algorithm"),
        ({"algorithm": "gmvae", "wpe": {}}, "wpe: gmvae has no demixing matrices"),
        ({"algorithm": "gmvae", "postfilter": {}}, "postfilter: gmvae is a multichannel Wiener filter itself"),
        ({"wpe": {}, "update": "iss"}, "wpe: goes with update = ip"),
        ({"wpe": {"tabs": 3}}, "unknown key 'wpe.tabs'"),
        ({"iterations": 0}, "iterations = 0"),
        ({"postfilter": {"full_rank": 1.0}}, r"full_rank = 1\.0"),
        ({"directions": {"max_delay_ms": 0}}, "max_delay_ms = 0"),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(DemixingConfig, settings, where="test")
