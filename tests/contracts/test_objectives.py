"""One suite for every objective of the closed table, on tiny networks whose gradients can be checked by differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sepvae.models.contract import ModelChoice
from sepvae.objectives import OBJECTIVES
from sepvae.objectives.contract import Batch, Loss, ObjectiveChoice, Sequences
from sepvae.seeds import torch_generator

N_BINS = 4
# Settings to try for each objective, and the settings of the network it is tried on.
TRIALS: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "elbo": [
        ({}, {}),
        ({"beta": 0.0, "epsilon_std": 0.01}, {}),
        ({"beta": 4.0, "annealing": "linear"}, {"context_frames": 1}),
        ({"likelihood": "gaussian_learned"}, {"learned_variance": True}),
        ({"likelihood": "bernoulli", "annealing": "cyclic"}, {"output": "sigmoid"}),
        ({"likelihood": "itakura_saito"}, {}),
        ({"likelihood": "poisson", "epsilon_std": 0.0}, {}),
    ],
    # A fixed kernel: no gradient flows through the median distance, which differences would see.
    "itl": [
        ({"kernel_variance": 2.0}, {"deterministic": True}),
        ({"kernel_variance": 1.0, "divergence": "euclidean", "prior": "laplace"}, {"deterministic": True}),
        ({"kernel_variance": 1.0, "weight": 0.1, "prior": "swiss_roll"}, {"deterministic": True, "context_frames": 1}),
    ],
    "weak_class": [({}, {}), ({"beta": 0.5, "single_class_weight": 2.0}, {"context_frames": 1})],
    "adversarial": [
        ({"game": "wgan"}, {"kind": "generator", "hidden": 5, "latent": 3, "critic": 4}),
        ({"game": "gan", "reconstruction": 2.0}, {"kind": "generator", "hidden": 5, "critic": 4, "encoder": "dense"}),
    ],
    "conditional_elbo": [
        ({}, {"kind": "conditional_vae"}),
        ({"inference": 0.0, "information": 0.0, "reverberant": 1.0}, {"kind": "conditional_vae"}),
        ({"inference": 0.0, "classification": 0.0, "disturbed": 0.0, "warp": 0.0}, {"kind": "conditional_vae"}),
    ],
    "hierarchical_elbo": [
        ({}, {"kind": "fhvae"}),
        ({"discrimination": 0.0, "likelihood": "gaussian", "epsilon_std": 0.1}, {"kind": "fhvae"}),
    ],
}
# Games have several losses in one, each for the weights of one player: `test_adversarial.py` takes their gradients.
GAMES = {"adversarial"}
# One model is told who speaks in each item.
TOLD = {"conditional_elbo"}
SPEAKERS = ("ann", "bob", "cat")
CASES = [
    pytest.param(kind, *trial, id=f"{kind}-{i}")
    for kind in OBJECTIVES
    # Those on waves are given an estimator, and have test files of their own.
    if OBJECTIVES.resolve(kind).domain == "features"
    for i, trial in enumerate(TRIALS.get(kind, [({}, {})]))
]
every_objective = pytest.mark.parametrize(("kind", "config", "network"), CASES)


def make_networks(settings: dict[str, Any]) -> nn.ModuleDict:
    kind = settings.get("kind", "dense_vae")
    sizes: dict[str, dict[str, Any]] = {
        "dense_vae": {"hidden": [5], "latent": 3, "activation": "tanh"},
        "fhvae": {"segment_frames": 2, "hidden": 3, "latent": 2, "sequence_latent": 2, "sequences": 4},
        "conditional_vae": {
            "classes": SPEAKERS,
            "hidden": 2,
            "latent": 1,
            "encoder_blocks": 1,
            "decoder_blocks": 1,
            "inference_blocks": 1,
        },
    }
    small, names = sizes.get(kind, {}), ("a",) if kind == "conditional_vae" else ("a", "b")
    config = ModelChoice.of(kind, small | {key: value for key, value in settings.items() if key != "kind"})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = {name: config.build(n_inputs=N_BINS, n_outputs=N_BINS) for name in names}
    return nn.ModuleDict(networks).double()


def uniform(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_batch(networks: nn.ModuleDict, *, step: int = 300, stream: int = 0, batch: int = 3) -> Batch:
    context = int(next(iter(networks.values())).context_frames)  # type: ignore[arg-type]
    features = uniform(batch, 2 + 2 * context, N_BINS, seed=1)
    targets = {name: uniform(batch, 2, N_BINS, seed=2 + i) for i, name in enumerate(networks)}
    sequences = Sequences(torch.arange(batch), torch.full((batch,), 5))
    return Batch(features, targets, step, torch_generator(0, "noise", stream), SPEAKERS[:batch], sequences)


def evaluate(kind: str, config: dict[str, Any], networks: nn.ModuleDict, batch: Batch) -> Loss:
    objective = ObjectiveChoice.of(kind, config).build()
    return objective(dict(networks.items()), batch)  # type: ignore[arg-type]


@every_objective
def test_terms_add_up_to_the_total(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    networks = make_networks(network)
    loss = evaluate(kind, config, networks, make_batch(networks))
    assert loss.total.shape == ()
    assert torch.isfinite(loss.total)
    torch.testing.assert_close(torch.stack(list(loss.terms.values())).sum(), loss.total)
    for name in networks:
        assert any(term.startswith(f"{name}/") for term in loss.terms)


@every_objective
def test_gradient_is_that_of_finite_differences(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    if kind in GAMES:
        pytest.skip("the gradient of a game is not that of its total")
    if config.get("inference", 1) and kind in TOLD:
        pytest.skip("who teaches does not learn from it: the gradient is not that of the total")
    networks = make_networks(network)
    weights = tuple(networks.parameters())
    assert torch.autograd.gradcheck(lambda *_: evaluate(kind, config, networks, make_batch(networks)).total, weights)


@every_objective
def test_loss_follows_from_the_batch_alone(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    networks = make_networks(network)
    before = torch.random.get_rng_state()
    first = evaluate(kind, config, networks, make_batch(networks))
    second = evaluate(kind, config, networks, make_batch(networks))
    assert torch.equal(first.total, second.total)
    assert torch.equal(before, torch.random.get_rng_state())


@every_objective
def test_silence_gives_a_finite_loss_and_gradient(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    networks = make_networks(network).float()
    batch = make_batch(networks)
    batch.input = torch.zeros_like(batch.input, dtype=torch.float32)
    batch.targets = {name: torch.zeros_like(target, dtype=torch.float32) for name, target in batch.targets.items()}
    loss = evaluate(kind, config, networks, batch)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss.total)
    assert all(w.grad is None or torch.isfinite(w.grad).all() for w in networks.parameters())


@every_objective
def test_a_source_does_not_see_the_other(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    if kind in TOLD:
        pytest.skip("it has one model")
    networks = make_networks(network)
    batch = make_batch(networks)
    one = evaluate(kind, config, networks, batch).terms
    other_batch = make_batch(networks)
    other_batch.targets = {**batch.targets, "b": 3 * batch.targets["b"]}
    other = evaluate(kind, config, networks, other_batch).terms
    assert all(torch.equal(one[term], other[term]) for term in one if term.startswith("a/"))
    assert any(not torch.equal(one[term], other[term]) for term in one if term.startswith("b/"))


@every_objective
def test_config_survives_json_and_lists_its_defaults(
    kind: str, config: dict[str, Any], network: dict[str, Any]
) -> None:
    parsed = ObjectiveChoice.of(kind, config).config()
    assert type(parsed).model_validate_json(parsed.model_dump_json()) == parsed
    choice = ObjectiveChoice(kind=kind, settings=config)
    assert ObjectiveChoice.model_validate_json(choice.model_dump_json()) == choice
    assert choice.config() == parsed
    assert choice.settings == parsed.model_dump(mode="json")


@every_objective
def test_the_loss_is_the_mean_over_the_batch(kind: str, config: dict[str, Any], network: dict[str, Any]) -> None:
    if kind in TOLD:
        pytest.skip("it disturbs each item in its own way: see test_conditional_elbo")
    networks = make_networks(network)
    # A batch of the same item over and over has the loss of the item, noise aside.
    noiseless: dict[str, dict[str, Any]] = {
        "elbo": {"epsilon_std": 0.0},
        "itl": {"weight": 0.0},
        "adversarial": {"game": "gan", "epsilon_std": 0.0},
        "weak_class": {"epsilon_std": 0.0},
        "hierarchical_elbo": {"epsilon_std": 0.0},
    }
    settings = {**config, **noiseless.get(kind, {})}
    one = make_batch(networks, batch=1)
    inputs, targets = one.input.repeat(5, 1, 1), {n: t.repeat(5, 1, 1) for n, t in one.targets.items()}
    sequences = Sequences(torch.zeros(5, dtype=torch.long), torch.full((5,), 5))
    many = Batch(inputs, targets, 300, one.generator, sequences=sequences)
    torch.testing.assert_close(
        evaluate(kind, settings, networks, one).total, evaluate(kind, settings, networks, many).total
    )
