"""Least squares onto delayed references: the projections behind BSSEval (Vincent, Gribonval and Févotte 2006, III.B).

The delayed copies of all references are the columns of a matrix that is never built: its Gram matrix is block Toeplitz
and follows from cross-correlations, the projected signals are products of spectra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Rows per step of the blocked Cholesky: measured best of 64 … 256 for 512 to 2048 rows on one core.
_BLOCK_ROWS = 96


def _cholesky_in_place(matrix: Tensor) -> None:
    """Replace the lower triangle of each matrix (batch, n, n) by its Cholesky factor, or by NaN where it has none.

    Left-looking in blocks, so that the work is in matrix products: at 1024 rows on one core this takes well under
    half the time of the LAPACK routine torch calls.
    """
    import torch

    failures = matrix.new_zeros(len(matrix), dtype=torch.int32)
    for start in range(0, matrix.shape[-1], _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, matrix.shape[-1])
        panel = matrix[:, start:, start:stop]
        if start:
            panel.baddbmm_(matrix[:, start:, :start], matrix[:, start:stop, :start].mT, alpha=-1)
        factor, failure = torch.linalg.cholesky_ex(matrix[:, start:stop, start:stop])
        failures += failure.abs()
        matrix[:, start:stop, start:stop] = factor
        if stop < matrix.shape[-1]:
            below = matrix[:, stop:, start:stop]
            below.copy_(torch.linalg.solve_triangular(factor, below.mT, upper=False).mT)
    if failures.any():
        matrix[failures > 0] = torch.nan


class GramSolver:
    """Solves the normal equations of one group of references, all right-hand sides with one Cholesky factor.

    Where the Gram matrix is singular to working precision (two equal references, pure tones), the solution is the
    shortest one of least squares, by eigenvectors; `singular` says for which items.
    """

    def __init__(self, lags: Tensor, factor: Tensor | None = None) -> None:
        """Factorise.

        Args:
            lags: correlations (batch, n_sources, n_sources, 2 · n_taps - 1) of references scaled to unit energy;
                entry (i, j, n_taps - 1 + l) is the sum over t of x_i(t) x_j(t + l).
            factor: the factor, where a larger system has it already.
        """
        import torch

        self._lags = lags
        if factor is None:
            factor = self._gram(lags)
            _cholesky_in_place(factor)
        self._factor = factor
        n_rows = factor.shape[-1]
        # The diagonal of the Gram matrix is 1, so a squared pivot below this is rounding.
        self.smallest_pivot = factor.diagonal(dim1=-2, dim2=-1).square().amin(-1)
        self.singular = ~(self.smallest_pivot > n_rows * torch.finfo(factor.dtype).eps)
        self._roots = {int(item): self._inverse_root(int(item)) for item in self.singular.nonzero()}

    @staticmethod
    def _gram(lags: Tensor) -> Tensor:
        """Return the Gram matrices (batch, rows, rows) with the blocks on and below the diagonal filled."""
        batch, n_sources, _, n_lags = lags.shape
        n_taps = (n_lags + 1) // 2
        gram = lags.new_empty(batch, n_sources, n_taps, n_sources, n_taps)
        for i in range(n_sources):
            for j in range(i + 1):
                # Entry (a, b) of a block is the correlation at lag a - b.
                gram[:, i, :, j] = lags[:, i, j].unfold(-1, n_taps, 1).flip(-1)
        return gram.reshape(batch, n_sources * n_taps, n_sources * n_taps)

    def _inverse_root(self, item: int) -> Tensor:
        """Return A (rows, rank) such that A Aᵀ is the pseudo-inverse of one item's Gram matrix."""
        import torch

        values, vectors = torch.linalg.eigh(self._gram(self._lags[item : item + 1])[0])
        kept = values > values[-1] * values.shape[0] * torch.finfo(values.dtype).eps
        root: Tensor = vectors[:, kept] / values[kept].sqrt()
        return root

    def leading(self, n_sources: int) -> GramSolver:
        """Return the solver for the first `n_sources` references alone; the factor is shared."""
        n_rows = n_sources * ((self._lags.shape[-1] + 1) // 2)
        return GramSolver(self._lags[:, :n_sources, :n_sources], self._factor[:, :n_rows, :n_rows])

    def solve(self, right: Tensor) -> Tensor:
        """Return filters (batch, n_signals, n_sources, n_taps) for correlations of the same shape."""
        import torch

        columns = right.flatten(-2).mT
        half = torch.linalg.solve_triangular(self._factor, columns, upper=False)
        solution: Tensor = torch.linalg.solve_triangular(self._factor.mT, half, upper=True)
        for item, root in self._roots.items():
            solution[item] = root @ (root.mT @ columns[item])
        return solution.mT.reshape(right.shape)


class ReferenceSpan:
    """Least squares onto references and their copies delayed by up to n_taps - 1 samples.

    Signals are spectra of n_fft ≥ time + n_taps - 1 points, in which filtering is exact and energies are sums.
    Silent references (all zeros) span nothing: they drop out of every fit.
    """

    def __init__(self, references: Tensor, scale: Tensor, n_taps: int) -> None:
        """Correlate and factorise.

        Args:
            references: (batch, n_sources, time) float64.
            scale: what brings each reference to unit energy, 0 for a silent one; (batch, n_sources).
            n_taps: how many copies of each reference, delayed by 0, 1, … samples.
        """
        import torch
        from scipy.fft import next_fast_len

        self._n_taps = n_taps
        self._scale = scale
        self._n_fft = next_fast_len(references.shape[-1] + n_taps - 1, real=True)
        self._spectra = self.transform(references)
        n_sources = references.shape[1]
        lags = references.new_zeros(*references.shape[:2], n_sources, 2 * n_taps - 1)
        for i in range(n_sources):
            products = self._spectra[:, i, None].conj() * self._spectra[:, : i + 1]
            correlation = torch.fft.irfft(products, n=self._n_fft)
            lags[:, i, : i + 1, : n_taps - 1] = correlation[..., self._n_fft - n_taps + 1 :]
            lags[:, i, : i + 1, n_taps - 1 :] = correlation[..., :n_taps]
        lags *= (scale[:, :, None] * scale[:, None])[..., None]
        # An identity block keeps the system regular and gives a silent reference a filter of zeros.
        lags.diagonal(dim1=1, dim2=2)[:, n_taps - 1].add_(scale == 0)
        self._joint = GramSolver(lags)
        self._single = [self._joint.leading(1)]
        self._single += [GramSolver(lags[:, i : i + 1, i : i + 1]) for i in range(1, n_sources)]

    @property
    def smallest_pivot(self) -> Tensor:
        """Smallest squared pivot (batch,) of the joint system, 1 for orthogonal references and NaN for singular."""
        return self._joint.smallest_pivot

    @property
    def singular(self) -> Tensor:
        """Items (batch,) whose references are linearly dependent to working precision."""
        return self._joint.singular

    def transform(self, signals: Tensor) -> Tensor:
        """Return the spectra (…, bins) of signals (…, time)."""
        import torch

        spectra: Tensor = torch.fft.rfft(signals, n=self._n_fft)
        return spectra

    def energy(self, spectra: Tensor) -> Tensor:
        """Return the energies (…) of signals given by spectra (…, bins)."""
        import torch

        total: Tensor = 2 * torch.linalg.vecdot(spectra, spectra).real
        total -= spectra[..., 0].real.square()
        if self._n_fft % 2 == 0:
            total -= spectra[..., -1].real.square()
        return total.div_(self._n_fft)

    def correlate(self, spectra: Tensor) -> Tensor:
        """Return correlations (batch, n_signals, n_sources, n_taps) of spectra (batch, n_signals, bins)."""
        import torch

        products = self._spectra[:, None].conj() * spectra[:, :, None]
        correlations: Tensor = torch.fft.irfft(products, n=self._n_fft)[..., : self._n_taps]
        return correlations * self._scale[:, None, :, None]

    def fit_first(self, n_sources: int, correlations: Tensor) -> Tensor:
        """Return filters (batch, n_signals, n_sources, n_taps) of the first references that fit together."""
        joint = self._joint
        solver = joint if n_sources == self._spectra.shape[1] else joint.leading(n_sources)
        return solver.solve(correlations[:, :, :n_sources])

    def fit_one(self, source: int, correlations: Tensor) -> Tensor:
        """Return filters (batch, n_signals, 1, n_taps) of one reference that fit alone."""
        return self._single[source].solve(correlations[:, :, source, None])

    def filter(self, filters: Tensor, first_source: int = 0) -> Tensor:
        """Return spectra (batch, n_signals, bins): the sum of the references from the first on, each filtered."""
        import torch

        scaled = filters * self._scale[:, None, first_source : first_source + filters.shape[2], None]
        total: Tensor = torch.fft.rfft(scaled[:, :, 0], n=self._n_fft) * self._spectra[:, first_source, None]
        for position in range(1, filters.shape[2]):
            response = torch.fft.rfft(scaled[:, :, position], n=self._n_fft)
            total += response * self._spectra[:, first_source + position, None]
        return total
