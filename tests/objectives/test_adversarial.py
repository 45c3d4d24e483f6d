"""Games of generator and critic: values by hand, and whose weights each term moves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.objectives.adversarial import Adversarial, AdversarialConfig, compress, energy_distance, gradient_penalty
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Loss
from sepvae.seeds import torch_generator

N_BINS = 4


def network(**settings: Any) -> Any:
    config = ModelChoice.of("generator", {"hidden": 5, "latent": 3, "critic": 6, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return config.build(n_inputs=N_BINS, n_outputs=N_BINS).double()


def target(*, seed: int = 1) -> Tensor:
    return torch.rand(7, 2, N_BINS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss_of(model: Any, *, step: int = 0, **settings: Any) -> Loss:
    batch = Batch(target(seed=2), {"a": target()}, step, torch_generator(0, "noise"))
    return Adversarial(AdversarialConfig(**settings))({"a": model}, batch)


def slopes(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient of every weight, zeros where a loss has none."""
    names, weights = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(weight) if slope is None else slope
        for name, weight, slope in zip(names, weights, found, strict=True)
    }


@pytest.mark.parametrize("game", ["gan", "wgan"])
@pytest.mark.parametrize("encoder", ["none", "dense"])
def test_one_backward_pass_moves_each_player_by_its_own_loss(game: str, encoder: str) -> None:
    model = network(encoder=encoder)
    loss = loss_of(model, game=game, penalty=3.0, reconstruction=float(encoder == "dense"))
    both = slopes(model, loss.total)
    # The same game as its papers play it: two losses, two backward passes, nothing detached by the objective.
    made = compress(model.decode(latents(model)).spectrum)
    real, critic, softplus = compress(target()), model.critic, nn.functional.softplus
    if game == "gan":
        ours, theirs = softplus(-critic(made)), softplus(-critic(real)) + softplus(critic(made))
        at = real
    else:
        ours, theirs = -critic(made), critic(made) - critic(real)
        at = between(model, real, made)
    judged = theirs.mean() + 3 * gradient_penalty(critic, at)
    of_generator = slopes(model, ours.mean() + loss.terms.get("a/reconstruction", 0.0))
    of_critic = slopes(model, judged)
    for name, slope_of_both in both.items():
        wanted = of_critic if name.startswith("critic") else of_generator
        torch.testing.assert_close(slope_of_both, wanted[name], msg=name)
        # The bias of a Wasserstein critic cancels between real and made; everything else must move.
        assert slope_of_both.any() or (game == "wgan" and name == "critic.2.bias"), name


def latents(model: Any) -> Tensor:
    """Return the latents that the objective draws first of the batch's stream."""
    posterior = model.encode(target(seed=2))
    if posterior.log_variance is None:
        return posterior.mean  # type: ignore[no-any-return]
    return torch.empty_like(posterior.mean).normal_(generator=torch_generator(0, "noise"))


def between(model: Any, real: Tensor, made: Tensor) -> Tensor:
    stream = torch_generator(0, "noise")
    if model.encode(real).log_variance is not None:
        torch.empty(7, 2, model.n_latent, dtype=torch.float64).normal_(generator=stream)
    share = torch.rand(7, 2, generator=stream)[..., None].double()
    return share * real + (1 - share) * made


@pytest.mark.parametrize("game", ["gan", "wgan"])
def test_values_of_a_critic_that_is_a_plane(game: str) -> None:
    model = network(latent=1)
    slope = torch.tensor([1.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    model.critic = nn.Linear(N_BINS, 1).double()
    with torch.no_grad():
        model.critic.weight.copy_(slope)
        model.critic.bias.fill_(0.5)
        model.decoder[0].weight.zero_()  # one spectrum, whatever the latent is
        terms = loss_of(model, game=game, penalty=10.0).terms
        made = float(compress(model.decode(torch.zeros(1, 1, 1).double()).spectrum)[0, 0] @ slope + 0.5)
    assert float(terms["a/penalty"].detach()) == pytest.approx(10 * 5)
    real = compress(target()) @ slope + 0.5
    if game == "wgan":
        assert float(terms["a/generator"]) == pytest.approx(-made)
        assert float(terms["a/critic"]) == pytest.approx(made - float(real.mean()))
    else:
        assert float(terms["a/generator"]) == pytest.approx(math.log1p(math.exp(-made)))
        judged = real.neg().exp().log1p().mean() + math.log1p(math.exp(made))
        assert float(terms["a/critic"]) == pytest.approx(float(judged))


def test_validation_measures_what_can_be_compared() -> None:
    with torch.no_grad():
        game = loss_of(network(), step=END_OF_SCHEDULE)
        rebuilt = loss_of(network(encoder="dense"), step=END_OF_SCHEDULE, reconstruction=1.0)
    assert set(game.terms) == {"a/energy_distance"}
    assert set(rebuilt.terms) == {"a/reconstruction"}


def test_the_energy_distance_of_points_on_a_line() -> None:
    one, two = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0]])
    # 2 · 1 − (0 + 2 + 2 + 0)/4 − 0
    assert float(energy_distance(one, two)) == pytest.approx(1.0)
    assert float(energy_distance(one, one)) == pytest.approx(0.0)


@pytest.mark.parametrize("game", ["gan", "wgan"])
def test_a_game_settles_where_the_data_are(game: str) -> None:
    model = network(latent=2, hidden=16)
    noise = torch.randn(64, 1, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = 0.5 + torch.arange(4) + 0.05 * noise
    adam = torch.optim.Adam(model.parameters(), lr=0.02, betas=(0.0, 0.999))
    objective = Adversarial(AdversarialConfig.model_validate({"game": game, "penalty": 5.0}))

    def distance() -> float:
        with torch.no_grad():
            batch = Batch(data, {"a": data}, END_OF_SCHEDULE, torch_generator(0, "valid"))
            return float(objective({"a": model}, batch).total)

    before = distance()
    for step in range(150):
        adam.zero_grad()
        objective({"a": model}, Batch(data, {"a": data}, step, torch_generator(0, step))).total.backward()  # type: ignore[no-untyped-call]
        adam.step()
    assert distance() < 0.05 * before


def test_a_network_without_a_critic_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs a network with a critic: model\.kind = generator"):
        loss_of(network(critic=0))
