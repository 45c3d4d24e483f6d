"""The conditional VAE: what latents, class and variances depend on, and levels that no weight can pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig

BINS, CLASSES = 6, ("ann", "bob", "cat")


def make(**settings: Any) -> ConditionalVae:
    small = {"hidden": 8, "latent": 3, "encoder_blocks": 2, "decoder_blocks": 2, "inference_blocks": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ConditionalVaeConfig.model_validate({"classes": CLASSES, **small, **settings})
        network = ConditionalVae(config, n_inputs=BINS, n_outputs=BINS)
        for weight in (network.to_log_power.weight, network.class_log_power.weight):
            torch.nn.init.normal_(weight, std=0.1)
    return network.double().eval()


def power(n_frames: int = 20, batch: int = 2, *, seed: int = 1) -> Tensor:
    shape = (batch, n_frames, BINS)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).square()


def told(*places: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64)[list(places)]


def test_shapes_are_those_of_the_contract() -> None:
    network = make()
    posterior = network.encode(power(), told(0, 1))
    decoded, inferred = network.decode(posterior.mean, told(0, 1)), network.infer(power())
    assert posterior.log_variance is not None
    assert posterior.mean.shape == posterior.log_variance.shape == inferred.posterior.mean.shape == (2, 20, 3)
    assert decoded.spectrum.shape == (2, 20, BINS)
    assert (decoded.spectrum > 0).all()
    assert network.n_classes == 3
    torch.testing.assert_close(inferred.log_classes.exp().sum(1), torch.ones(2).double())


def test_class_and_latents_both_matter_to_what_is_decoded() -> None:
    network, values = make(), power()
    latent = network.encode(values, told(0, 1)).mean
    assert not torch.allclose(latent, network.encode(values, told(2, 2)).mean)
    one = network.decode(latent, told(0, 1)).spectrum
    assert not torch.allclose(one[0], network.decode(latent, told(2, 1)).spectrum[0])
    assert torch.equal(one[1], network.decode(latent, told(2, 1)).spectrum[1])
    assert not torch.allclose(one, network.decode(latent + 0.1, told(0, 1)).spectrum)


def test_a_speaker_has_a_mean_spectrum_that_differences_of_class_shift() -> None:
    """With latents that say nothing, variances of two classes differ by the same factors in all frames."""
    network = make()
    torch.nn.init.zeros_(network.decoder_class.weight)
    latent = network.encode(power(batch=1), told(0)).mean
    ratio = network.decode(latent, told(1)).spectrum / network.decode(latent, told(0)).spectrum
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    weights = network.class_log_power.weight
    torch.testing.assert_close(ratio[0, 0].log(), 4 * (weights[:, 1] - weights[:, 0]))


def test_a_fresh_network_starts_from_the_mean_spectrum_whoever_speaks() -> None:
    config = ConditionalVaeConfig(classes=CLASSES, hidden=8, latent=3)
    network, values = ConditionalVae(config, n_inputs=BINS, n_outputs=BINS).double(), power(n_frames=50)
    network.calibrate(values)
    latent = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = values.mean((0, 1)).expand(3, 4, BINS)
    torch.testing.assert_close(network.decode(latent, told(0, 1, 2)).spectrum, expected, rtol=1e-6, atol=1e-7)


def test_a_frame_depends_on_its_context_and_no_further() -> None:
    """Dilations 1 and 2 of the encoder; the class is that of the whole sentence."""
    network, values = make(), power(n_frames=40, batch=1)
    changed = values.clone()
    changed[:, 20] *= 2
    one, other = (network.encode(x, told(0)).mean for x in (values, changed))
    reached = (one != other).any(-1)[0].nonzero().flatten()
    assert torch.equal(reached, torch.arange(17, 24))
    first, second = (network.infer(x) for x in (values, changed))
    reached = (first.posterior.mean != second.posterior.mean).any(-1)[0].nonzero().flatten()
    assert torch.equal(reached, torch.arange(19, 22))
    assert not torch.equal(first.log_classes, second.log_classes)


def test_the_class_is_a_mean_over_time_and_not_a_sum() -> None:
    """Four times as long, and as sure of itself as before: nothing is multiplied over frames."""
    network, values = make(), power(n_frames=1)
    once, often = network.infer(values), network.infer(values.repeat(1, 200, 1))
    assert (often.log_classes.exp().max() < 0.999).all()
    assert (once.log_classes - often.log_classes).abs().max() < 1


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e30])
def test_levels_are_limited(level: float) -> None:
    network = make().float()
    values = torch.full((1, 5, BINS), level)
    posterior = network.encode(values, told(0).float())
    variances = network.decode(1e6 * posterior.mean, told(0).float()).spectrum
    assert torch.isfinite(variances).all()
    assert torch.isfinite(1 / variances).all()
    # 120 dB on both sides of a mean of 1.
    assert (variances.log().abs() <= 28.001).all()
    assert posterior.log_variance is not None
    assert (posterior.log_variance.abs() <= 10).all()
    assert torch.isfinite(network.infer(values).log_classes).all()


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_what_it_gives_has_its_precision(precision: torch.dtype) -> None:
    network, values = make().to(precision), power().to(precision)
    posterior = network.encode(values, told(0, 1).to(precision))
    assert posterior.mean.dtype == precision
    assert network.decode(posterior.mean, told(0, 1).to(precision)).spectrum.dtype == precision
    assert network.infer(values).log_classes.dtype == precision


def test_products_in_half_precision_give_whole_variances() -> None:
    network, values, classes = make().float(), power().float(), told(0, 1).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = network.infer(values)
        variances = network.decode(found.posterior.mean, classes).spectrum
    assert found.log_classes.dtype == found.posterior.mean.dtype == variances.dtype == torch.float32
    whole = network.decode(network.infer(values).posterior.mean, classes).spectrum
    assert (variances / whole).log().abs().max() < 0.5


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="latent"):
        parse_config(ConditionalVaeConfig, {"latent": 0}, where="test")
    with pytest.raises(ConfigError, match="latnt"):
        parse_config(ConditionalVaeConfig, {"latnt": 3}, where="test")
