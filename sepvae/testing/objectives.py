"""What every objective keeps, on tiny networks of two sources.

`model` among the settings is the network that it is tried on, a choice as in a training; a small `dense_vae` where none
is given.
"""

from __future__ import annotations

import unittest
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sepvae.estimator.checkpoint import CheckpointConfig
from sepvae.estimator.config import EstimatorConfig
from sepvae.models.contract import ModelChoice
from sepvae.models.network import ConditionalNetwork
from sepvae.objectives.contract import Batch, Loss, Objective, ObjectiveChoice, Sequences
from sepvae.seeds import torch_generator
from sepvae.testing.contract import Settings, check_settings, expect

N_BINS = 4
# Who speaks in the items of a batch, for networks that are told.
SPEAKERS = ("ann", "bob", "cat")
# What a setting is called that says how much noise is drawn, and its value for none.
NOISE = "epsilon_std"
_MODEL = {"kind": "dense_vae", "settings": {"hidden": [5], "latent": 3, "activation": "tanh"}}
_FRONTEND = {"sample_rate": 1000, "stft": {"window_ms": 8, "hop_ms": 4}}
_STEP = 300
# Of more weights gradients are checked along random directions, not one by one.
_SMALL = 250


class Trial(NamedTuple):
    """An objective, and the models of the sources that it is tried on: networks, or an estimator of waves."""

    objective: Objective
    models: nn.ModuleDict | nn.Module
    sources: tuple[str, ...]

    def loss(self, batch: Batch) -> Loss:
        """Return the loss on a batch."""
        models: Any = dict(self.models.items()) if isinstance(self.models, nn.ModuleDict) else self.models
        return self.objective(models, batch)


def own(settings: Settings) -> dict[str, Any]:
    """Return the settings of the objective itself."""
    return {key: value for key, value in settings.items() if key != "model"}


def trial(name: str, settings: Settings, dtype: torch.dtype = torch.float64) -> Trial:
    """Return an objective and models with random weights."""
    objective, choice = ObjectiveChoice.of(name, own(settings)).build(), settings.get("model", _MODEL)
    model = ModelChoice.model_validate(choice)
    torch.manual_seed(0)
    if objective.domain == "waves":
        config = EstimatorConfig.model_validate({"model": choice, "frontend": _FRONTEND})
        return Trial(objective, CheckpointConfig(sources=("a", "b"), estimator=config).build().to(dtype), ("a", "b"))
    sources = ("a",) if issubclass(model.entry, ConditionalNetwork) else ("a", "b")
    networks = {one: model.build(n_inputs=N_BINS, n_outputs=N_BINS) for one in sources}
    return Trial(objective, nn.ModuleDict(networks).to(dtype), sources)


def uniform(*shape: int, seed: int) -> Tensor:
    """Return numbers from 0 to 1 in double precision."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_batch(tried: Trial, *, n_items: int = 3, stream: int = 0) -> Batch:
    """Return a batch of what the objective takes, with a stream of noise by its number."""
    sequences = Sequences(torch.arange(n_items), torch.full((n_items,), 5))
    if isinstance(tried.models, nn.ModuleDict):
        context = int(max(getattr(network, "context_frames", 0) for network in tried.models.values()))
        mixture = uniform(n_items, 2 + 2 * context, N_BINS, seed=1)
        targets = {name: uniform(n_items, 2, N_BINS, seed=2 + place) for place, name in enumerate(tried.sources)}
    else:
        targets = {name: uniform(n_items, 24, seed=2 + place) - 0.5 for place, name in enumerate(tried.sources)}
        mixture = torch.stack(list(targets.values())).sum(0)
    return Batch(mixture, targets, _STEP, torch_generator(0, "noise", stream), SPEAKERS[:n_items], sequences)


def check_terms_add_up_to_the_total(name: str, settings: Settings) -> None:
    """The total is a finite scalar, the sum of its terms, and each source has a term of its own: `source/term`."""
    tried = trial(name, settings)
    loss = tried.loss(make_batch(tried))
    expect(loss.total.shape == () and bool(torch.isfinite(loss.total)), f"the total is {loss.total}")
    torch.testing.assert_close(torch.stack(list(loss.terms.values())).sum(), loss.total)
    for source in tried.sources:
        expect(any(term.startswith(f"{source}/") for term in loss.terms), f"no term of {source}: {list(loss.terms)}")


def check_the_gradient_is_that_of_the_total(name: str, settings: Settings) -> None:
    """Gradients by all weights are those of finite differences; not where the objective `stops_gradients`."""
    tried = trial(name, settings)
    if tried.objective.stops_gradients:
        raise unittest.SkipTest("not all weights learn from all terms: the gradient is not that of the total")
    weights = tuple(tried.models.parameters())
    small = sum(weight.numel() for weight in weights) <= _SMALL
    torch.autograd.gradcheck(lambda *_: tried.loss(make_batch(tried)).total, weights, fast_mode=not small)


def check_the_loss_follows_from_the_batch_alone(name: str, settings: Settings) -> None:
    """The same batch has the same loss to the bit, whose noise comes from the batch's own generator."""
    tried = trial(name, settings)
    before = torch.random.get_rng_state()
    first, second = (tried.loss(make_batch(tried)).total for _ in range(2))
    expect(torch.equal(first, second), f"first {first}, then {second}")
    expect(torch.equal(before, torch.random.get_rng_state()), "it draws from torch's global generator")


def check_silence_gives_a_finite_loss_and_gradient(name: str, settings: Settings) -> None:
    """Silence in input and targets gives a finite loss and gradient in single precision."""
    tried = trial(name, settings, torch.float32)
    batch = make_batch(tried)
    batch.input = torch.zeros_like(batch.input, dtype=torch.float32)
    batch.targets = {key: torch.zeros_like(target, dtype=torch.float32) for key, target in batch.targets.items()}
    loss = tried.loss(batch)
    loss.total.backward()  # type: ignore[no-untyped-call]
    expect(bool(torch.isfinite(loss.total)), f"the loss is {loss.total}")
    bad = [
        key
        for key, weight in tried.models.named_parameters()
        if weight.grad is not None and not torch.isfinite(weight.grad).all()
    ]
    expect(bad == [], f"gradients are not finite: {', '.join(bad)}")


def check_a_source_does_not_see_the_other(name: str, settings: Settings) -> None:
    """Another target of one source changes its own terms, and none of the other source; from labels it changes none."""
    tried = trial(name, settings)
    if len(tried.sources) < 2:
        raise unittest.SkipTest("has one model of all speech")
    first, other = make_batch(tried), make_batch(tried)
    other.targets = {**other.targets, "b": 3 * other.targets["b"]}
    if tried.objective.from_labels:
        # It may not even ask for one.
        first.targets = {}
        torch.testing.assert_close(tried.loss(first).total, tried.loss(other).total, rtol=0, atol=0)
        return
    one, two = tried.loss(first).terms, tried.loss(other).terms
    changed = [term for term in one if not torch.equal(one[term], two[term])]
    mine = bool(changed) and all(term.startswith("b/") for term in changed)
    expect(mine, f"another target of b changes {', '.join(changed) or 'nothing'}")


def check_the_loss_is_the_mean_over_the_batch(name: str, settings: Settings) -> None:
    """A batch of the same item over and over has the loss of the item; tried where no noise is drawn."""
    noisy = NOISE in ObjectiveChoice.of(name, own(settings)).entry.Config.model_fields
    tried = trial(name, {**settings, **({NOISE: 0.0} if noisy else {})})
    one, other = make_batch(tried, n_items=1), make_batch(tried, n_items=1, stream=1)
    total = tried.loss(one).total
    if not torch.equal(total, tried.loss(other).total):
        raise unittest.SkipTest("it draws noise under these settings")
    copies = (5, *[1] * (one.input.ndim - 1))
    many = Batch(
        one.input.repeat(copies),
        {key: target.repeat(copies) for key, target in one.targets.items()},
        _STEP,
        one.generator,
        one.speakers * 5,
        Sequences(torch.zeros(5, dtype=torch.long), torch.full((5,), 5)),
    )
    torch.testing.assert_close(tried.loss(many).total, total)


def check_settings_are_strict_and_kept(name: str, settings: Settings) -> None:
    """Settings survive JSON, defaults are filled in, and a key that is not known is named."""
    check_settings(ObjectiveChoice, name, own(settings))
