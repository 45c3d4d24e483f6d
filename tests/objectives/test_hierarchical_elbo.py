"""The objective of the FHVAE, term by term against torch.distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from sepvae.errors import ConfigError
from sepvae.models.contract import ModelChoice
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Sequences
from sepvae.objectives.hierarchical_elbo import HierarchicalElbo, HierarchicalElboConfig
from sepvae.seeds import torch_generator

N_FRAMES, N_BINS = 3, 4


def make(sequences: int = 4) -> Any:
    settings = {
        "segment_frames": N_FRAMES,
        "hidden": 5,
        "latent": 2,
        "sequence_latent": 2,
        "sequences": sequences,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = ModelChoice.of("fhvae", settings).build(n_inputs=N_BINS, n_outputs=N_BINS)
        if sequences:
            torch.nn.init.normal_(model.table)
    return model.double()


def batch(numbers: list[int], *, step: int = 0) -> Batch:
    values = torch.randn(len(numbers), N_FRAMES, N_BINS, generator=torch_generator(3), dtype=torch.float64)
    sequences = Sequences(torch.tensor(numbers), torch.tensor([7 + number for number in numbers]))
    return Batch(values, {"a": values}, step, torch_generator(0, "noise"), sequences=sequences)


def terms(model: Any, given: Batch, **settings: Any) -> dict[str, Tensor]:
    return HierarchicalElbo(HierarchicalElboConfig(epsilon_std=0.0, **settings))({"a": model}, given).terms


def test_the_bound_is_by_hand() -> None:
    model, numbers = make(), [2, 0, 2]
    given = batch(numbers)
    posterior = model.encode(given.input)
    q1, q2 = (
        Normal(posterior.mean[:, 0, part], (0.5 * posterior.log_variance[:, 0, part]).exp())
        for part in (slice(0, 2), slice(2, 4))
    )
    vectors = model.sequence_vectors[numbers]
    decoded = model.decode(posterior.mean)
    likelihood = Normal(decoded.spectrum, (0.5 * decoded.log_variance).exp())
    found = terms(model, given, discrimination=3.0)
    expected = {
        "reconstruction": -likelihood.log_prob(given.input).sum((1, 2)).mean(),
        "kl_segment": kl_divergence(q1, Normal(0.0, 1.0)).sum(-1).mean(),
        "kl_sequence": kl_divergence(q2, Normal(vectors, 0.5)).sum(-1).mean(),
        "vector": -(Normal(0.0, 1.0).log_prob(vectors).sum(-1) / torch.tensor([9, 7, 9])).mean(),
    }
    scores = torch.stack([Normal(vector, 0.5).log_prob(q2.mean).sum(-1) for vector in model.sequence_vectors], dim=1)
    expected["discrimination"] = -3 * scores.log_softmax(1)[range(3), numbers].mean()
    assert {name.partition("/")[2] for name in found} == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[f"a/{name}"], value / N_FRAMES, msg=name)


def test_unknown_sequences_have_their_most_likely_vector() -> None:
    """In validation: Σ z2 / (n + 0.25) over the segments at hand, and the stored vectors play no part."""
    model, numbers = make(), [50, 60, 50]
    given = batch(numbers, step=END_OF_SCHEDULE)
    found = terms(model, given)
    means = model.encode(given.input).mean[:, 0, 2:]
    first, second = (means[0] + means[2]) / 2.25, means[1] / 1.25
    prior = torch.stack([first, second, first])
    posterior = model.encode(given.input)
    q2 = Normal(means, (0.5 * posterior.log_variance[:, 0, 2:]).exp())
    expected = kl_divergence(q2, Normal(prior, 0.5)).sum(-1).mean() / N_FRAMES
    torch.testing.assert_close(found["a/kl_sequence"], expected)
    with torch.no_grad():
        model.table.mul_(5)
    torch.testing.assert_close(terms(model, given), found)


def test_vectors_learn_where_their_segments_are() -> None:
    model = make()
    with torch.no_grad():
        model.table.zero_()
    given = batch([1, 1, 3])
    sum(terms(model, given).values()).backward()  # type: ignore[union-attr]
    means = model.encode(given.input).mean[:, 0, 2:].detach()
    gradient = model.table.grad[:, 0]
    # Down the gradient is towards the segments of the sequence.
    assert -gradient[1] @ (means[0] + means[1]) > 0
    assert -gradient[3] @ means[2] > 0


def test_what_it_cannot_work_with_is_said() -> None:
    given = batch([0])
    with pytest.raises(ConfigError, match=r"has no vectors to learn: give model.settings.sequences"):
        terms(make(0), given)
    bare = Batch(given.input, given.targets, 0, given.generator)
    with pytest.raises(ConfigError, match="does not say which sequence its segments are of"):
        terms(make(), bare)
