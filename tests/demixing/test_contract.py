"""One suite for every algorithm of the table: what it promises of spectra, whatever its source model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.demixing import ALGORITHMS
from sepvae.demixing.algorithm import AlgorithmChoice
from sepvae.demixing.contract import Separated
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae

# Of whatever has these settings: few iterations, and products that are not rounded.
SMALL = {"iterations": 4, "start_iterations": 6, "precision": "32-true"}
Mix = Callable[..., Any]


def choose(name: str, **settings: Any) -> AlgorithmChoice:
    """Return an algorithm with the small settings that it has, and others."""
    known = ALGORITHMS.resolve(name).Config.model_fields
    small = {key: value for key, value in SMALL.items() if key in known}
    return AlgorithmChoice.of(name, {**small, **settings})


def separate(choice: AlgorithmChoice, spectrum: Tensor, network: ConditionalVae, **how: Any) -> Separated:
    algorithm = choice.build(network if choice.entry.needs_model else None)
    return algorithm.separate(spectrum, **{"n_sources": 2, "sample_rate": 16000, **how})


def speakers(*places: int) -> Tensor:
    """Return the classes (1, sources, 3) of speakers who are known."""
    return torch.nn.functional.one_hot(torch.tensor([places]), 3).float()


def check_entry(name: str, mix: Mix, network: ConditionalVae) -> None:
    """It has a label, a line of help, and settings with usual values, with an STFT when it has no model's."""
    entry = ALGORITHMS.resolve(name)
    assert entry.label
    assert entry.__doc__.strip().splitlines()[0].endswith(".")
    config = entry.Config()
    assert entry.Config.model_validate_json(config.model_dump_json()) == config
    assert entry.Config.model_config["extra"] == "forbid"
    assert ("stft" in entry.Config.model_fields) is not entry.needs_model


def check_model(name: str, mix: Mix, network: ConditionalVae) -> None:
    """It asks for a model when it needs one, and then says who speaks."""
    choice, spectrum = choose(name), mix().spectrum
    found = separate(choice, spectrum, network)
    if not choice.entry.needs_model:
        assert found.log_classes is None
        return
    assert found.log_classes is not None
    assert found.log_classes.shape == (1, 2, 3)
    one, other = (separate(choice, spectrum, network, speakers=speakers(*who)).images for who in ((0, 1), (0, 2)))
    assert one.shape == other.shape == spectrum.shape
    assert not torch.allclose(one, other)
    with pytest.raises(ConfigError, match=f"algorithm {name}: needs a model of speech: give one with -m"):
        choice.build()


def check_batch(name: str, mix: Mix, network: ConditionalVae) -> None:
    """A batch of two is two singles."""
    choice, spectrum = choose(name), mix(n_batch=2).spectrum
    both = separate(choice, spectrum, network)
    assert both.images.shape == spectrum.shape
    assert both.objective.shape[1] == 2
    for item in range(2):
        one = separate(choice, spectrum[item : item + 1], network)
        torch.testing.assert_close(one.images[0], both.images[item], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(one.objective[:, 0], both.objective[:, item], rtol=1e-4, atol=1e-4)


def check_images(name: str, mix: Mix, network: ConditionalVae) -> None:
    """Images add up to the reference microphone."""
    choice, spectrum = choose(name), mix(n_sources=3).spectrum
    for reference in (0, 2):
        images = separate(choice, spectrum, network, n_sources=3, reference=reference).images
        # A Wiener filter has a floor of noise, of which nobody is the source.
        torch.testing.assert_close(images.sum(2), spectrum[:, :, reference], rtol=1e-5, atol=1e-5)


def check_demixing(name: str, mix: Mix, network: ConditionalVae) -> None:
    """Each row takes one source out of all channels: what it gives is the image, up to a factor in each bin."""
    spectrum = mix(n_channels=4).spectrum
    found = separate(choose(name), spectrum, network)
    assert found.images.shape == (1, 5, 2, 60)
    if found.demixing is not None:
        assert found.demixing.shape == (1, 5, 2, 4)
        ratio = (found.demixing @ spectrum) / found.images
        torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6, atol=1e-9)


def check_scale(name: str, mix: Mix, network: ConditionalVae) -> None:
    """What is louder comes out louder."""
    choice, spectrum = choose(name), mix().spectrum
    one, other = (separate(choice, gain * spectrum, network).images / gain for gain in (1.0, 100.0))
    assert (one - other).abs().square().sum() < 1e-4 * one.abs().square().sum()


def check_silence(name: str, mix: Mix, network: ConditionalVae) -> None:
    """A bin without sound stays without, and everything finite; so does silence."""
    choice, spectrum = choose(name), mix().spectrum
    spectrum[:, 2] = 0
    found = separate(choice, spectrum, network)
    assert torch.isfinite(torch.view_as_real(found.images)).all()
    assert not found.images[:, 2].abs().gt(1e-9).any()
    assert torch.isfinite(found.objective).all()
    images = separate(choice, 0 * spectrum, network).images
    assert not images.abs().gt(1e-9).any()


def check_objective(name: str, mix: Mix, network: ConditionalVae) -> None:
    """The objective of a monotone algorithm falls, of any other it is there at each iteration."""
    found = separate(choose(name, iterations=8), mix().spectrum, network)
    objective = found.objective[:, 0]
    assert len(objective) == found.n_iterations + 1 <= 9
    if ALGORITHMS.resolve(name).monotone:
        assert (objective.diff() <= 1e-6 * (1 + objective[1:].abs())).all()
        assert objective[-1] < objective[0] - 1e-3


def check_repeats(name: str, mix: Mix, network: ConditionalVae) -> None:
    """The same again is bit-equal, whatever the state of torch's generator, which is left alone."""
    choice, spectrum = choose(name), mix().spectrum
    with torch.random.fork_rng():
        found = []
        for seed in range(2):
            torch.manual_seed(seed)
            before = torch.random.get_rng_state()
            found.append(separate(choice, spectrum, network))
            assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(found[0].images, found[1].images)
    assert torch.equal(found[0].objective, found[1].objective)


def check_few_channels(name: str, mix: Mix, network: ConditionalVae) -> None:
    """Fewer channels than sources are refused, or separated when it says so."""
    choice, spectrum = choose(name), mix(n_sources=3, n_channels=2).spectrum
    if choice.entry.underdetermined:
        found = separate(choice, spectrum, network, n_sources=3)
        assert found.images.shape == (1, 5, 3, 60)
        assert found.demixing is None
        torch.testing.assert_close(found.images.sum(2), spectrum[:, :, 0], rtol=1e-4, atol=1e-4)
        return
    with pytest.raises(ConfigError, match="2 channels cannot be demixed into 3 sources: choose gmvae"):
        separate(choice, spectrum, network, n_sources=3)


CHECKS = [
    *(check_entry, check_model, check_batch, check_images, check_demixing, check_scale, check_silence),
    *(check_objective, check_repeats, check_few_channels),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_keeps_its_contract(
    check: Callable[[str, Mix, ConditionalVae], None], algorithm: str, talkers: Mix, voices: Any
) -> None:
    check(algorithm, talkers, voices())
