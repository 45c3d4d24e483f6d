"""KL-NMF: the divergence never rises, fits are as good as scikit-learn's, and known mixtures are taken apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import NMF

from sepvae.models import dictionary
from sepvae.models.dictionary import Divergence, fit_activations, learn_atoms
from sepvae.seeds import torch_generator


def positive(*shape: int, seed: int = 0) -> torch.Tensor:
    """Magnitudes with sparse peaks, float32."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.gamma(0.5, size=shape).astype(np.float32))


def kl_divergence(spectrum: torch.Tensor, activations: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """Return the generalised KL divergence Σ v log(v / v̂) − v + v̂ of a spectrum (frames, bins) from its model."""
    model = activations @ atoms + dictionary._FLOOR
    spectrum = spectrum + dictionary._FLOOR
    return (spectrum * (spectrum / model).log() - spectrum + model).sum()


def is_divergence(spectrum: torch.Tensor, activations: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """Return the Itakura–Saito divergence Σ v / v̂ − log(v / v̂) − 1 of powers (frames, bins) from their model."""
    ratio = (spectrum + dictionary._FLOOR) / (activations @ atoms + dictionary._FLOOR)
    return (ratio - ratio.log() - 1).sum()


def learn(
    spectrum: torch.Tensor, n_atoms: int, n_iterations: int, divergence: Divergence = "kullback_leibler"
) -> torch.Tensor:
    stream = torch_generator(0, "test")
    return learn_atoms(spectrum, n_atoms=n_atoms, n_iterations=n_iterations, generator=stream, divergence=divergence)


def test_divergence_is_zero_only_at_equality() -> None:
    activations, atoms = positive(6, 3).double(), positive(3, 8, seed=1).double()
    product = activations @ atoms
    assert float(kl_divergence(product, activations, atoms)) == pytest.approx(0, abs=1e-9)
    for factor in (0.9, 1.1):
        assert float(kl_divergence(product, factor * activations, atoms)) > 1e-3


def test_divergence_is_scipys() -> None:
    from scipy.special import kl_div

    spectrum, activations, atoms = (
        positive(6, 8).double(),
        positive(6, 3, seed=1).double(),
        positive(3, 8, seed=2).double(),
    )
    expected = kl_div(spectrum.numpy(), (activations @ atoms).numpy()).sum()
    assert float(kl_divergence(spectrum, activations, atoms)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("divergence", ["kullback_leibler", "itakura_saito"])
def test_divergence_never_rises_while_atoms_are_learnt(divergence: Divergence, monkeypatch: pytest.MonkeyPatch) -> None:
    values = []
    update, measure = dictionary._update_left, {"kullback_leibler": kl_divergence, "itakura_saito": is_divergence}

    def recorded(spectrum: torch.Tensor, left: torch.Tensor, right: torch.Tensor, name: Divergence) -> torch.Tensor:
        values.append(float(measure[name](spectrum, left, right)))
        changed = update(spectrum, left, right, name)
        values.append(float(measure[name](spectrum, changed, right)))
        return changed

    monkeypatch.setattr(dictionary, "_update_left", recorded)
    learn(positive(80, 33).double(), 6, 100, divergence)
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    assert values[-1] < 0.6 * values[0]


def test_divergence_never_rises_while_activations_are_fitted() -> None:
    spectrum, atoms = positive(80, 33).double(), positive(6, 33, seed=1).double()
    values = [
        float(kl_divergence(spectrum, fit_activations(spectrum, atoms, n_iterations=n), atoms)) for n in range(60)
    ]
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    assert values[-1] < 0.9 * values[0]


def test_fit_is_as_good_as_scikit_learns() -> None:
    spectrum = positive(120, 65)
    atoms = learn(spectrum, 8, 300)
    ours = float(kl_divergence(spectrum, fit_activations(spectrum, atoms, n_iterations=300), atoms))
    reference = NMF(8, init="random", solver="mu", beta_loss="kullback-leibler", max_iter=300, tol=0, random_state=0)
    activations = reference.fit_transform(spectrum.numpy().astype(np.float64))
    theirs = float(
        kl_divergence(spectrum.double(), torch.from_numpy(activations), torch.from_numpy(reference.components_))
    )
    assert ours < 1.02 * theirs


def test_activations_of_fixed_atoms_are_scikit_learns() -> None:
    spectrum, atoms = positive(20, 33).double(), positive(5, 33, seed=1).double()
    ours = fit_activations(spectrum, atoms, n_iterations=3000)
    reference = NMF(5, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=3000, tol=0)
    reference.components_, reference.n_components_ = atoms.numpy(), 5
    theirs = torch.from_numpy(reference.transform(spectrum.numpy()))
    best, other = (float(kl_divergence(spectrum, found, atoms)) for found in (ours, theirs))
    assert best == pytest.approx(other, rel=1e-4)


def test_exact_mixtures_are_taken_apart() -> None:
    atoms = positive(4, 33).double()
    truth = positive(30, 4, seed=1).double() + 0.1
    found = fit_activations(truth @ atoms, atoms, n_iterations=5000)
    torch.testing.assert_close(found, truth, rtol=1e-2, atol=1e-2)
    assert float(kl_divergence(truth @ atoms, found, atoms)) < 1e-4


def test_known_parts_are_recovered_from_their_mixture() -> None:
    one, two = torch.zeros(2, 3, 40, dtype=torch.float64)
    for index in range(3):
        one[index, index * 6 : index * 6 + 6] = torch.arange(1.0, 7.0, dtype=torch.float64)
        two[index, 20 + index * 6 : 26 + index * 6] = 1.0
    gains = positive(2, 50, 3, seed=3).double() + 0.05
    first, second = gains[0] @ one, gains[1] @ two
    atoms = [learn(part, 3, 300) for part in (first, second)]
    activations = fit_activations(first + second, torch.cat(atoms), n_iterations=300)
    estimate = activations[:, :3] @ atoms[0]
    assert float((estimate - first).norm() / first.norm()) < 0.02


def test_atoms_add_up_to_one_and_follow_from_the_stream() -> None:
    spectrum = positive(50, 20)
    atoms = learn(spectrum, 5, 30)
    torch.testing.assert_close(atoms.sum(1), torch.ones(5))
    assert torch.equal(atoms, learn(spectrum, 5, 30))
    other = learn_atoms(spectrum, n_atoms=5, n_iterations=30, generator=torch_generator(1, "test"))
    assert not torch.equal(atoms, other)


def test_learning_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    learn(positive(10, 8), 2, 3)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e3])
def test_silence_and_extreme_levels_stay_finite(scale: float) -> None:
    spectrum = scale * positive(20, 16)
    atoms = learn(spectrum, 4, 50)
    activations = fit_activations(spectrum, atoms, n_iterations=50)
    assert torch.isfinite(atoms).all()
    assert torch.isfinite(activations).all()
    if scale == 0:
        assert float((activations @ atoms).max()) < 1e-6


def test_batches_are_their_items() -> None:
    spectrum, atoms = positive(3, 10, 16), positive(4, 16, seed=1)
    together = fit_activations(spectrum, atoms, n_iterations=20)
    for index in range(3):
        torch.testing.assert_close(together[index], fit_activations(spectrum[index], atoms, n_iterations=20))


def test_the_is_divergence_ignores_the_scale() -> None:
    spectrum, activations, atoms = (0.1 + positive(*shape).double() for shape in ((6, 8), (6, 3), (3, 8)))
    values = [float(is_divergence(gain * spectrum, gain * activations, atoms)) for gain in (1, 100)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    ratio = (spectrum / (activations @ atoms)).numpy()
    assert values[0] == pytest.approx(float((ratio - np.log(ratio) - 1).sum()), rel=1e-5)


def test_is_activations_of_known_atoms_are_found() -> None:
    atoms, activations = 0.05 + positive(3, 40, seed=1).double(), 0.1 + positive(30, 3).double()
    found = fit_activations(activations @ atoms, atoms, n_iterations=3000, divergence="itakura_saito")
    torch.testing.assert_close(found, activations, rtol=0.02, atol=0.01)
