"""The objective of the conditional VAE: its terms by plain formulas, what disturbs the powers, and who teaches whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig
from sepvae.objectives import conditional_elbo
from sepvae.objectives.conditional_elbo import ConditionalElbo, ConditionalElboConfig
from sepvae.objectives.contract import Batch, Loss
from sepvae.seeds import torch_generator

BINS, FRAMES = 40, 25
CLASSES = ("ann", "bob", "cat")
# Powers as they are, so that terms can be computed by hand.
PLAIN: dict[str, Any] = {"disturbed": 0.0, "reverberant": 0.0, "colour_db": 0.0, "warp": 0.0}


def make(*, n_bins: int = BINS) -> ConditionalVae:
    config = ConditionalVaeConfig(
        classes=CLASSES, hidden=8, latent=3, encoder_blocks=1, decoder_blocks=1, inference_blocks=1
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ConditionalVae(config, n_inputs=n_bins, n_outputs=n_bins)
        for weight in (network.to_log_power.weight, network.class_log_power.weight):
            torch.nn.init.normal_(weight, std=0.1)
    return network.double().eval()


def powers(batch: int = 3, *, seed: int = 0) -> Tensor:
    shape = (batch, FRAMES, BINS)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).square() + 0.01


def evaluate(
    network: ConditionalVae, target: Tensor, speakers: Sequence[str] = CLASSES, *, stream: int = 0, **settings: Any
) -> Loss:
    batch = Batch(target, {"speech": target}, 0, torch_generator(0, "noise", stream), speakers)
    return ConditionalElbo(ConditionalElboConfig(**settings))({"speech": network}, batch)


def itakura_saito(target: Tensor, decoded: Tensor) -> Tensor:
    ratio = target / decoded
    return (ratio - ratio.log() - 1).sum(-1).mean()


def test_reconstruction_and_kl_are_the_lower_bound() -> None:
    """Kameoka et al. 2019: with a posterior of no spread, a plain Itakura–Saito divergence and KL."""
    network, target = make(), powers()
    with torch.no_grad():
        network.to_posterior.bias[3:] = -100  # log-variances at their limit of −10
    loss = evaluate(network, target, beta=0.5, **PLAIN)
    classes = torch.eye(3, dtype=torch.float64)
    posterior = network.encode(target, classes)
    decoded = network.decode(posterior.mean, classes).spectrum
    expected = itakura_saito(target, decoded)
    torch.testing.assert_close(loss.terms["speech/reconstruction"], expected, rtol=1e-2, atol=0)
    variance = np.exp(-10)
    kl = 0.5 * (posterior.mean.square() + variance + 10 - 1).sum(-1).mean()
    torch.testing.assert_close(loss.terms["speech/kl"], 0.5 * kl, rtol=1e-9, atol=0)


def test_labels_are_those_of_the_speakers_of_each_item() -> None:
    network, target = make(), powers(4)
    loss = evaluate(network, target, ("cat", "ann", "cat", "bob"), classification=2.0, **PLAIN)
    log_classes = network.infer(target).log_classes
    expected = -2 * log_classes[torch.arange(4), [2, 0, 2, 1]].mean()
    torch.testing.assert_close(loss.terms["speech/classification"], expected)


def test_speakers_that_the_model_has_no_class_for_are_named() -> None:
    with pytest.raises(ConfigError, match=r"the model has no class for eve \(it has ann, bob, cat\): name all"):
        evaluate(make(), powers(2), ("ann", "eve"))


def test_inference_is_taught_by_the_posterior_that_knows_the_class() -> None:
    network, target = make(), powers()
    loss = evaluate(network, target, inference=3.0, **PLAIN)
    teacher, student = network.encode(target, torch.eye(3).double()), network.infer(target).posterior
    assert student.log_variance is not None
    assert teacher.log_variance is not None
    q, p = (
        torch.distributions.Normal(student.mean, (0.5 * student.log_variance).exp()),
        torch.distributions.Normal(teacher.mean, (0.5 * teacher.log_variance).exp()),
    )
    expected = 3 * torch.distributions.kl_divergence(q, p).sum(-1).mean()
    torch.testing.assert_close(loss.terms["speech/inferred_kl"], expected)


def test_the_teacher_does_not_learn_from_the_student() -> None:
    network = make()
    terms = evaluate(network, powers(), **PLAIN).terms
    encoder = [*network.encoder.parameters(), *network.encoder_in.parameters(), *network.to_posterior.parameters()]
    for name in ("inferred_kl", "inferred_reconstruction", "classification"):
        grads = torch.autograd.grad(terms[f"speech/{name}"], encoder, retain_graph=True, allow_unused=True)
        assert all(grad is None or not grad.any() for grad in grads), name
    grads = torch.autograd.grad(terms["speech/reconstruction"], encoder)
    assert all(grad.any() for grad in grads)


def test_class_information_teaches_the_decoder() -> None:
    """ACVAE: the class must be heard in what is decoded."""
    network = make()
    term = evaluate(network, powers(), **PLAIN).terms["speech/information"]
    assert torch.autograd.grad(term, network.class_log_power.weight)[0].any()


@pytest.mark.parametrize("absent", ["classification", "information", "inference"])
def test_a_weight_of_zero_leaves_its_terms_out(absent: str) -> None:
    settings: dict[str, Any] = {absent: 0.0}
    terms = evaluate(make(), powers(), **settings).terms
    with_all = evaluate(make(), powers()).terms
    gone = {name.removeprefix("speech/") for name in set(with_all) - set(terms)}
    assert gone == ({"inferred_reconstruction", "inferred_kl"} if absent == "inference" else {absent})


@pytest.mark.parametrize("changed", ["disturbed", "reverberant", "colour_db", "warp"])
def test_what_is_changed_keeps_its_level(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """The front-end has divided each file by the level of its speech, and a segment keeps its own beside that."""
    network, seen = make(), list[Tensor]()
    target = powers() * torch.tensor([1e-2, 1.0, 10.0], dtype=torch.float64)[:, None, None]
    for name in ("encode", "infer"):
        way = getattr(network, name)
        monkeypatch.setattr(network, name, lambda power, *told, way=way: (seen.append(power), way(power, *told))[1])
    evaluate(network, target, **{**PLAIN, changed: 0.08 if changed == "warp" else 1.0})
    # The encoder, the inference of what is decoded, and that of what is disturbed.
    assert len(seen) == 3
    for power in seen:
        torch.testing.assert_close(power.mean((1, 2)), target.mean((1, 2)))


def test_silence_stays_silence() -> None:
    assert torch.isfinite(evaluate(make(), torch.zeros(3, FRAMES, BINS, dtype=torch.float64)).total)


def test_the_loss_is_a_mean_over_items() -> None:
    """With latents that the decoder does not hear, nothing random is left."""
    network, target = make(), powers(1)
    torch.nn.init.zeros_(network.decoder_in.weight)
    one = evaluate(network, target, ("bob",), **PLAIN)
    many = evaluate(network, target.repeat(4, 1, 1), ("bob",) * 4, stream=1, **PLAIN)
    for name, term in one.terms.items():
        torch.testing.assert_close(term, many.terms[name])


def config(**settings: Any) -> ConditionalElboConfig:
    return ConditionalElboConfig(**settings)


def test_reverberation_is_an_exponential_decay_of_its_time() -> None:
    """An impulse in one frame: a direct sound of 1, then 60 dB less after the reverberation time drawn."""
    impulse = torch.zeros(50, 30, 2, dtype=torch.float64)
    impulse[:, 5] = 1
    settings = config(reverberant=1.0, reverberation_s=0.5, hop_s=0.032)
    found = conditional_elbo._reverberate(impulse, settings, torch_generator(0, "test"))
    assert not found[:, :5].any()
    torch.testing.assert_close(found[:, 5], torch.ones_like(found[:, 5]))
    torch.testing.assert_close(found[..., 0], found[..., 1])
    tail = found[:, 6:15, 0]
    assert ((tail > 0) & (tail <= 1)).all()
    slopes = tail.log().diff(dim=1)
    torch.testing.assert_close(slopes, slopes[:, :1].expand_as(slopes), rtol=1e-6, atol=1e-6)
    times = -0.032 * np.log(1e6) / slopes[:, 0]
    assert times.min() >= 0.0199
    assert 0.4 < times.max() < 0.51


def test_without_reverberation_colour_or_warp_powers_stay() -> None:
    power, generator = powers(), torch_generator(0, "test")
    torch.testing.assert_close(conditional_elbo._reverberate(power, config(reverberant=0.0), generator), power)
    torch.testing.assert_close(conditional_elbo._colour(power, config(colour_db=0.0), generator), power)
    torch.testing.assert_close(conditional_elbo._warp(power, config(warp=0.0), generator), power)
    torch.testing.assert_close(conditional_elbo._disturb(power, config(disturbed=0.0), generator), power)


def test_colour_is_smooth_the_same_in_all_frames_and_within_its_range() -> None:
    power = powers(20)
    ratio = 10 * torch.log10(conditional_elbo._colour(power, config(colour_db=3.0), torch_generator(0, "test")) / power)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-6, atol=1e-6)
    assert 2.5 < ratio.abs().max() <= 3.0001
    assert ratio.diff(dim=2).abs().max() <= 6 * 8 / (BINS - 1) + 1e-6
    assert (ratio[0] != ratio[1]).any()


def test_warp_moves_frequencies_and_frames_by_its_share() -> None:
    """A ramp along frequency (or time) stays one, with a slope that differs by no more than the share."""
    bins = torch.arange(BINS, dtype=torch.float64).expand(30, FRAMES, BINS)
    found = conditional_elbo._warp(bins, config(warp=0.1), torch_generator(0, "test"))
    slopes = found[:, 0, 1:31].diff(dim=1)
    torch.testing.assert_close(slopes, slopes[:, :1].expand_as(slopes))
    assert ((slopes[:, 0] - 1).abs() <= 0.1).all()
    assert (slopes[:, 0] - 1).abs().max() > 0.05
    torch.testing.assert_close(found, found[:, :1].expand_as(found))
    frames = torch.arange(FRAMES, dtype=torch.float64)[:, None].expand(30, FRAMES, BINS)
    moved = conditional_elbo._warp(frames, config(warp=0.1), torch_generator(0, "test"))
    assert ((moved[:, 10] / 10 - 1).abs() <= 0.1 + 1e-9).all()
    assert torch.isfinite(conditional_elbo._warp(powers()[:, :1], config(warp=0.5), torch_generator(0, "test"))).all()


def test_what_leaks_into_a_segment_is_at_a_level_over_its_own_speech() -> None:
    """A pause of one item is not drowned by the speech of another."""
    levels = torch.tensor([1e-4, 1.0], dtype=torch.float64)
    power = torch.ones(2, FRAMES, BINS, dtype=torch.float64) * levels[:, None, None]
    for stream in range(20):
        leaked = conditional_elbo._disturb(power, ConditionalElboConfig(disturbed=1.0), torch_generator(stream)) - power
        level_db = 10 * torch.log10(leaked.mean((1, 2)) / levels)
        # A response of up to 10 dB on both sides of it.
        assert (level_db > -35).all() and (level_db < 10).all()


def test_what_leaks_is_another_item_of_the_batch_at_a_level_within_bounds() -> None:
    power, half = torch.zeros(40, FRAMES, BINS, dtype=torch.float64), BINS // 2
    # Neighbours speak in other bins, at a mean of 1.
    power[::2, :, :half] = power[1::2, :, half:] = 2
    settings = config(disturbed=1.0, leak_db=(-20.0, -10.0))
    leaked = conditional_elbo._disturb(power, settings, torch_generator(0, "test"))[1::2, :, :half] / 2
    # Within its level, and a response of up to 10 dB on both sides of it.
    level_db = 10 * torch.log10(leaked)
    assert level_db.min() >= -30.0001
    assert level_db.max() <= 0.0001
    assert (level_db.max() - level_db.min()) > 10
    often = conditional_elbo._disturb(power, config(disturbed=0.3), torch_generator(1, "test"))[1::2, :, :half]
    assert 0 < (often.sum((1, 2)) > 0).double().mean() < 0.7
