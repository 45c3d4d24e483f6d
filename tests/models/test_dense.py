"""What is special to the survey's network: its sizes, its context, its limits."""

from __future__ import annotations

import pytest
import torch

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.models.dense import LOG_VARIANCE_LIMIT, DenseVae, DenseVaeConfig


def make(**settings: object) -> DenseVae:
    torch.manual_seed(0)
    network = ModelChoice.of("dense_vae", settings).build(n_inputs=5, n_outputs=7)
    assert isinstance(network, DenseVae)
    return network.double()


def test_default_layers_are_the_surveys() -> None:
    network = DenseVae(DenseVaeConfig(), n_inputs=129, n_outputs=129)
    shapes = [tuple(weight.shape) for name, weight in network.named_parameters() if name.endswith("weight")]
    # Encoder [M, 256, 256, 128] for mean and log-variance at once; decoder [256, 256, M].
    assert shapes == [(256, 129), (256, 256), (2 * 128, 256), (256, 128), (256, 256), (129, 256)]


def test_encoder_sees_exactly_its_context() -> None:
    network, context = make(hidden=[8], latent=3, context_frames=2), 2
    features = torch.randn(1, 9 + 2 * context, 5, dtype=torch.float64, requires_grad=True)
    for frame in (0, 4, 8):
        (gradient,) = torch.autograd.grad(network.encode(features).mean[0, frame].sum(), features)
        seen = gradient[0].abs().sum(-1).nonzero().flatten().tolist()
        assert seen == list(range(frame, frame + 2 * context + 1))


def test_context_keeps_the_order_of_the_frames() -> None:
    network = make(hidden=[8], latent=3, context_frames=1)
    features = torch.randn(1, 3, 5, dtype=torch.float64)
    by_hand = network.to_posterior(network.encoder(features[0].flatten()))
    torch.testing.assert_close(network.encode(features).mean[0, 0], by_hand[:3])


def test_frames_do_not_see_each_other_in_the_decoder() -> None:
    network = make(hidden=[8], latent=3)
    latent = torch.randn(1, 4, 3, dtype=torch.float64)
    spectrum = network.decode(latent).spectrum
    for frame in range(4):
        torch.testing.assert_close(network.decode(latent[:, frame : frame + 1]).spectrum[:, 0], spectrum[:, frame])


@pytest.mark.parametrize(
    ("output", "low", "high"), [("softplus", 0, torch.inf), ("sigmoid", 0, 1), ("exp", 8e-7, 1.3e6)]
)
def test_outputs_keep_their_range(output: str, low: float, high: float) -> None:
    spectrum = make(output=output).decode(1e3 * torch.randn(2, 50, 128, dtype=torch.float64)).spectrum
    assert (spectrum >= low).all()
    assert (spectrum <= high).all()


def test_log_variances_are_limited() -> None:
    network = make(hidden=[8], latent=3, learned_variance=True)
    posterior = network.encode(1e6 * torch.randn(2, 20, 5, dtype=torch.float64))
    decoded = network.decode(1e6 * torch.randn(2, 20, 3, dtype=torch.float64))
    for log_variance in (posterior.log_variance, decoded.log_variance):
        assert log_variance is not None
        assert float(log_variance.detach().abs().max()) == LOG_VARIANCE_LIMIT


def test_only_a_network_that_learns_a_variance_gives_one() -> None:
    assert make().decode(torch.zeros(1, 1, 128, dtype=torch.float64)).log_variance is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": []}, "hidden = .*: give at least 1"),
        ({"hidden": [0]}, r"hidden.0 = 0: give 1 or more"),
        ({"hidden": [16, -5]}, r"hidden.1 = -5: give 1 or more"),
        ({"hidden": [10**12]}, r"hidden.0 = 1000000000000: give 65536 or less"),
        ({"latent": 0}, "latent = 0"),
        ({"latents": 3}, "unknown key 'latents': did you mean 'latent'?"),
        ({"activation": "os.system"}, "activation: unknown activation 'os.system': choose one of relu, tanh, silu"),
        ({"context_frames": True, "hidden": "x"}, "hidden = 'x'"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=f"model dense_vae: {words}".replace("?", r"\?")):
        ModelChoice.of("dense_vae", settings).config()


def test_unknown_models_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown model 'dense_vea': did you mean 'dense_vae'"):
        ModelChoice.of("dense_vea", {}).config()
