"""Hermitian matrices as vectors, against NumPy and SciPy one matrix at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sepvae.demixing import hermitian

Gaussian = Callable[..., Tensor]
sizes = pytest.mark.parametrize("size", [1, 2, 3, 5])


def positive(gaussian: Gaussian, size: int, seed: int = 0) -> Tensor:
    """Return positive definite matrices (2, 3, size, size)."""
    roots = gaussian(2, 3, size, size + 2, seed=seed)
    return roots @ roots.mH


def each(matrices: Tensor) -> list[Any]:
    return list(matrices.flatten(0, 1).numpy())


@given(n_channels=st.integers(1, 6), seed=st.integers(0, 99))
def test_outer_products_are_those_of_einsum(gaussian: Gaussian, n_channels: int, seed: int) -> None:
    spectrum = gaussian(2, 3, n_channels, 4, seed=seed)
    vectors = hermitian.outer_products(spectrum)
    assert vectors.shape == (2, 3, n_channels**2, 4)
    assert not vectors.is_complex()
    found = hermitian.to_matrices(vectors.transpose(2, 3), n_channels)
    expected = np.einsum("bfcn,bfdn->bfncd", spectrum.numpy(), spectrum.numpy().conj())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-14)


@sizes
def test_vectors_and_matrices_are_one_another(gaussian: Gaussian, size: int) -> None:
    matrices = positive(gaussian, size)
    vectors = hermitian.to_vectors(matrices)
    assert vectors.shape == (2, 3, size**2)
    torch.testing.assert_close(hermitian.to_matrices(vectors, size), matrices, atol=1e-14, rtol=0)
    assert torch.equal(hermitian.to_vectors(hermitian.to_matrices(vectors, size)), vectors)


@sizes
def test_inner_products_of_vectors_are_traces(gaussian: Gaussian, size: int) -> None:
    one, other = positive(gaussian, size), positive(gaussian, size, seed=1)
    vectors = hermitian.to_vectors(one), hermitian.to_vectors(other)
    found = (vectors[0] * vectors[1] * hermitian.inner_weights(size, vectors[0])).sum(-1)
    expected = [np.trace(a @ b).real for a, b in zip(each(one), each(other), strict=True)]
    np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-12)


@sizes
def test_inverse_and_determinant_are_those_of_numpy(gaussian: Gaussian, size: int) -> None:
    matrices = positive(gaussian, size)
    np.testing.assert_allclose(hermitian.inverse(matrices).numpy(), np.linalg.inv(matrices.numpy()), rtol=1e-9)
    expected = np.linalg.slogdet(matrices.numpy())[1]
    np.testing.assert_allclose(hermitian.log_determinant(matrices).numpy(), expected, atol=1e-12)


@sizes
def test_geometric_mean_is_that_of_matrix_roots(gaussian: Gaussian, size: int) -> None:
    one, other = positive(gaussian, size), positive(gaussian, size, seed=1)
    found = hermitian.geometric_mean(one, other)
    for mean, a, b in zip(each(found), each(one), each(other), strict=True):
        root = scipy.linalg.sqrtm(a)
        inverse_root = np.linalg.inv(root)
        np.testing.assert_allclose(
            mean, root @ scipy.linalg.sqrtm(inverse_root @ b @ inverse_root) @ root, rtol=1e-8, atol=1e-10
        )


@given(size=st.integers(1, 5), seed=st.integers(0, 99))
def test_geometric_mean_solves_riccati_and_has_no_order(gaussian: Gaussian, size: int, seed: int) -> None:
    one, other = positive(gaussian, size, seed), positive(gaussian, size, seed + 100)
    mean = hermitian.geometric_mean(one, other)
    torch.testing.assert_close(mean @ torch.linalg.inv(one) @ mean, other, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(mean, hermitian.geometric_mean(other, one), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(mean, mean.mH, rtol=1e-8, atol=1e-8)
    assert (torch.linalg.eigvalsh((mean + mean.mH) / 2) > 0).all()


def test_geometric_mean_of_a_matrix_with_itself_and_with_its_inverse(gaussian: Gaussian) -> None:
    matrices = positive(gaussian, 3)
    torch.testing.assert_close(hermitian.geometric_mean(matrices, matrices), matrices, rtol=1e-9, atol=1e-10)
    eye = torch.eye(3, dtype=matrices.dtype).expand_as(matrices)
    torch.testing.assert_close(
        hermitian.geometric_mean(matrices, torch.linalg.inv(matrices)), eye, rtol=1e-9, atol=1e-9
    )
