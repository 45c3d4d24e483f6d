"""The published objective of FastMVAE2: its terms by plain formulas, the direction of each divergence, who teaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.models.chimera import ChimeraAcvae
from sepvae.models.conditional import ConditionalVaeConfig
from sepvae.models.contract import Posterior
from sepvae.objectives.chimera_acvae import ChimeraAcvae as Published
from sepvae.objectives.chimera_acvae import ChimeraAcvaeConfig, soft_labels
from sepvae.objectives.contract import Batch, Loss
from sepvae.seeds import torch_generator
from sepvae.settings import preset
from sepvae.training.config import TrainingConfig

BINS, FRAMES, LATENT = 6, 9, 2
CLASSES = ("ann", "bob", "cat")
# Weights of the teacher by their names.
TEACHER = ("encoder", "to_posterior", "teacher_decoder")


def make(*, hidden: int = 5) -> ChimeraAcvae:
    blocks = dict.fromkeys(("encoder_blocks", "decoder_blocks", "inference_blocks"), 1)
    config = ConditionalVaeConfig(classes=CLASSES, hidden=hidden, latent=LATENT, **blocks)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ChimeraAcvae(config, n_inputs=BINS, n_outputs=BINS)
        for decoder in (network, network.teacher_decoder):
            for weight in (decoder.to_log_power.weight, decoder.class_log_power.weight):
                torch.nn.init.normal_(weight, std=0.1)
    return network.double().eval()


def powers(batch: int = 3, *, seed: int = 0) -> Tensor:
    shape = (batch, FRAMES, BINS)
    power = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).square() + 0.01
    return power / power.mean((1, 2), keepdim=True)


def evaluate(network: ChimeraAcvae, target: Tensor, speakers: Sequence[str] = CLASSES, **settings: Any) -> Loss:
    batch = Batch(target, {"speech": target}, 0, torch_generator(0, "noise"), speakers)
    return Published(ChimeraAcvaeConfig(**settings))({"speech": network}, batch)


def term(loss: Loss, name: str) -> Tensor:
    return loss.terms[f"speech/{name}"]


def without_spread(network: ChimeraAcvae) -> ChimeraAcvae:
    """Let latents be drawn within e⁻⁵ of their means, so that nothing drawn is in the terms."""
    with torch.no_grad():
        for layer in (network.to_posterior, network.inferred_posterior):
            layer.weight[LATENT:] = 0
            layer.bias[LATENT:] = -10
    return network


def itakura_saito(target: Tensor, decoded: Tensor) -> Tensor:
    ratio = target / decoded
    return (ratio - ratio.log() - 1).mean()


def normal(posterior: Posterior) -> Normal:
    assert posterior.log_variance is not None
    return Normal(posterior.mean, (0.5 * posterior.log_variance).exp())


def test_the_students_posterior_learns_by_the_divergence_of_the_teachers_from_it() -> None:
    """KL(teacher ‖ student), ten times its mean over latents; not the other way around, as in `conditional_elbo`."""
    network, target = make(), powers()
    teacher, student = network.encode(target, torch.eye(3).double()), network.infer(target).posterior
    found = term(evaluate(network, target), "distilled_kl")
    torch.testing.assert_close(found, 10 * kl_divergence(normal(teacher), normal(student)).mean())
    assert not torch.isclose(found, 10 * kl_divergence(normal(student), normal(teacher)).mean())


def test_of_two_gaussians_the_wider_student_is_cheaper_than_the_wider_teacher() -> None:
    """By hand: N(0, 1) teaches N(0, 4), ln 2 + 1/8 − 1/2; N(0, 4) teaches N(0, 1), −ln 2 + 4/2 − 1/2."""
    network = make()
    for wide, narrow, expected in (
        (network.inferred_posterior, network.to_posterior, np.log(2) + 1 / 8 - 1 / 2),
        (network.to_posterior, network.inferred_posterior, -np.log(2) + 4 / 2 - 1 / 2),
    ):
        with torch.no_grad():
            for layer, variance in ((wide, 4.0), (narrow, 1.0)):
                layer.weight.zero_()
                layer.bias[:LATENT] = 0
                layer.bias[LATENT:] = np.log(variance)
        assert term(evaluate(network, powers(), distillation=1.0), "distilled_kl").item() == pytest.approx(expected)


def test_the_students_spectra_learn_by_the_divergence_of_the_teachers_from_them() -> None:
    """Itakura–Saito of the teacher's variances, of its posterior's mean, from the student's: KL(teacher ‖ student)."""
    network, target = without_spread(make()), powers()
    classes = torch.eye(3, dtype=torch.float64)
    teacher = network.teacher_log_variances(network.encode(target, classes).mean, classes).exp()
    student = network.decode(network.infer(target).posterior.mean, classes).spectrum
    found = term(evaluate(network, target), "distilled_spectrum")
    torch.testing.assert_close(found, itakura_saito(teacher, student), rtol=1e-2, atol=1e-4)
    assert not torch.isclose(found, itakura_saito(student, teacher), rtol=5e-2)


def test_terms_of_student_and_teacher_by_plain_formulas() -> None:
    network, target = without_spread(make()), powers(4)
    labels = [2, 0, 2, 1]
    classes = torch.eye(3, dtype=torch.float64)[labels]
    loss = evaluate(network, target, [CLASSES[label] for label in labels])
    inferred, told = network.infer(target), network.encode(target, classes)
    decoded = network.decode(inferred.posterior.mean, classes).spectrum
    expected = {
        "reconstruction": itakura_saito(target, decoded),
        "classification": -inferred.log_classes[torch.arange(4), labels].mean(),
        "information": -network.infer(decoded).log_classes[torch.arange(4), labels].mean(),
        "teacher_reconstruction": itakura_saito(target, network.teacher_log_variances(told.mean, classes).exp()),
    }
    for name, value in expected.items():
        torch.testing.assert_close(term(loss, name), value, rtol=2e-2, atol=1e-3, msg=name)
    for name, posterior in (("kl", inferred.posterior), ("teacher_kl", told)):
        # Of all latents of a frame, over its bins.
        kl = kl_divergence(normal(posterior), Normal(0.0, 1.0)).sum(-1).mean() / BINS
        torch.testing.assert_close(term(loss, name), kl, msg=name)
    others = ("kl", "teacher_kl", "distilled_kl", "distilled_spectrum")
    soft = ("soft_reconstruction", "soft_information", "soft_distilled_spectrum")
    assert set(loss.terms) == {f"speech/{name}" for name in (*expected, *others, *soft)}


def test_soft_labels_by_hand() -> None:
    """softmax((ln p − ln(−ln u)) / τ), whose largest is drawn as often as its class is likely (Gumbel-max)."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    exponential = torch.empty(1, 3, dtype=torch.float64).exponential_(generator=torch_generator(0, "labels"))
    drawn = soft_labels(probabilities.log(), temperature=0.5, generator=torch_generator(0, "labels"))
    weights = (probabilities / exponential) ** (1 / 0.5)
    torch.testing.assert_close(drawn, weights / weights.sum())
    many = soft_labels(probabilities.log().expand(40_000, 3), temperature=1.0, generator=torch_generator(1, "labels"))
    torch.testing.assert_close(many.sum(1), torch.ones(40_000).double())
    shares = torch.bincount(many.argmax(1), minlength=3) / len(many)
    torch.testing.assert_close(shares.double(), probabilities[0], atol=0.01, rtol=0)
    # Softer than single classes, and the more so the warmer.
    sharp, warm = (
        soft_labels(probabilities.log().expand(500, 3), temperature=t, generator=torch_generator(2, "labels"))
        for t in (0.01, 100.0)
    )
    assert (sharp.max(1).values > 0.999).double().mean() > 0.95
    assert (warm.max(1).values < 0.4).all()


def test_soft_labels_are_what_the_soft_terms_are_told() -> None:
    """With a student who is sure of the label, both decodings are one."""
    network, target = without_spread(make()), powers(2)
    with torch.no_grad():
        network.inferred_class.weight.zero_()
        network.inferred_class.bias.copy_(torch.tensor([0.0, 100.0, 0.0]))
    loss = evaluate(network, target, ("bob", "bob"))
    for name in ("reconstruction", "information", "distilled_spectrum"):
        torch.testing.assert_close(term(loss, f"soft_{name}"), term(loss, name))
    other = evaluate(network, target, ("ann", "ann"))
    assert not torch.isclose(term(other, "soft_reconstruction"), term(other, "reconstruction"))


def test_a_student_who_is_not_sure_has_a_label_drawn() -> None:
    """Near a temperature of 0 the label is one of the classes, and not all of them in part."""
    network, target = without_spread(make()), powers(1)
    with torch.no_grad():
        network.inferred_class.weight.zero_()
        network.inferred_class.bias.zero_()
        network.class_log_power.weight.mul_(5)
    found = term(evaluate(network, target, ("bob",), temperature=1e-3), "soft_reconstruction")
    latent = network.infer(target).posterior.mean
    told = [*torch.eye(3, dtype=torch.float64), torch.full((3,), 1 / 3, dtype=torch.float64)]
    *single, shared = (itakura_saito(target, network.decode(latent, one[None]).spectrum) for one in told)
    assert any(torch.isclose(found, one, rtol=1e-2) for one in single)
    assert not torch.isclose(found, shared, rtol=3e-2)


def learnt_by(network: ChimeraAcvae, value: Tensor) -> set[str]:
    """Return the names of the weights that learn from a term."""
    names, weights = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    return {name for name, grad in zip(names, found, strict=True) if grad is not None and grad.any()}


def test_the_teacher_learns_from_its_own_bound_alone() -> None:
    network = make()
    terms = evaluate(network, powers()).terms
    for name, value in terms.items():
        learnt = learnt_by(network, value)
        own = {weight for weight in learnt if weight.startswith(TEACHER)}
        assert own == (learnt if "teacher" in name else set()), name
        assert learnt, name
    teacher = {name for name, _ in network.named_parameters() if name.startswith(TEACHER)}
    assert learnt_by(network, terms["speech/teacher_reconstruction"]) == teacher


@pytest.mark.parametrize("part", ["teacher", "student"])
def test_gradients_are_those_of_finite_differences(part: str) -> None:
    """Of the total by the student's weights, to whom the teacher is fixed; of the teacher's terms by its own."""
    network, target = make(hidden=2), powers()
    of_teacher = part == "teacher"
    weights = [weight for name, weight in network.named_parameters() if name.startswith(TEACHER) is of_teacher]

    def value(*_: Tensor) -> Tensor:
        loss = evaluate(network, target)
        return term(loss, "teacher_reconstruction") + term(loss, "teacher_kl") if of_teacher else loss.total

    torch.autograd.gradcheck(value, tuple(weights), fast_mode=True)
    if of_teacher:
        taught = torch.autograd.grad(evaluate(network, target).total, weights)
        for one, other in zip(taught, torch.autograd.grad(value(), weights), strict=True):
            torch.testing.assert_close(one, other)


def test_speakers_that_the_model_has_no_class_for_are_named() -> None:
    with pytest.raises(ConfigError, match=r"objective chimera_acvae: the model has no class for eve \(it has ann"):
        evaluate(make(), powers(2), ("ann", "eve"))


@pytest.mark.parametrize(("model", "objective"), [("conditional_vae", "chimera_acvae"), ("chimera_acvae", "elbo")])
def test_a_network_without_a_teacher_and_an_objective_that_teaches_none_are_refused(model: str, objective: str) -> None:
    data = {**preset("chimera_acvae"), "model": {"kind": model}, "objective": {"kind": objective}}
    with pytest.raises(ConfigError, match=f"objective {objective} does not train model {model}"):
        parse_config(TrainingConfig, data, where="test")


def test_the_preset_is_that_of_conditional_vae_but_for_what_was_published() -> None:
    published, ours = preset("chimera_acvae"), preset("conditional_vae")
    assert {key for key in ours if published[key] != ours[key]} == {"model", "objective"}
