"""The network of FastMVAE2 as published: two decoders, of which separation hears that of the student."""

from __future__ import annotations

import torch

from sepvae.models.chimera import ChimeraAcvae
from sepvae.models.conditional import ConditionalVae, ConditionalVaeConfig

BINS = 6
CONFIG = ConditionalVaeConfig(classes=("ann", "bob"), hidden=8, latent=3)


def test_it_is_a_conditional_vae_and_a_decoder_that_separation_does_not_hear() -> None:
    torch.manual_seed(0)
    network, plain = (kind(CONFIG, n_inputs=BINS, n_outputs=BINS) for kind in (ChimeraAcvae, ConditionalVae))
    power = torch.randn(1, 7, BINS, generator=torch.Generator().manual_seed(0)).square()
    for decoder in (network, network.teacher_decoder):  # type: ignore[attr-defined]
        torch.nn.init.normal_(decoder.to_log_power.weight, std=0.1)
    own = {name for name, _ in network.named_parameters()} - {name for name, _ in plain.named_parameters()}
    assert own
    assert all(name.startswith("teacher_decoder.") for name in own)
    found = network.infer(power)
    before = network.decode(found.posterior.mean, found.log_classes.exp()).spectrum
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.startswith(("teacher_decoder", "encoder", "to_posterior")):
                weight.add_(1.0)
    after = network.infer(power)
    torch.testing.assert_close(network.decode(after.posterior.mean, after.log_classes.exp()).spectrum, before)


def test_both_decoders_start_from_the_mean_spectrum() -> None:
    network = ChimeraAcvae(CONFIG, n_inputs=BINS, n_outputs=BINS)
    values = torch.randn(50, BINS, generator=torch.Generator().manual_seed(0)).square()
    network.calibrate(values)
    latent, classes = torch.zeros(1, 4, 3), torch.tensor([[1.0, 0.0]])
    expected = values.mean(0).expand(1, 4, BINS)
    for found in (network.log_variances(latent, classes), network.teacher_log_variances(latent, classes)):
        torch.testing.assert_close(found.exp(), expected, rtol=1e-4, atol=1e-6)
