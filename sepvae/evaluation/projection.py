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
# Block transforms of this many points were measured fastest for 512 taps.
_SHORTEST_FFT = 4096


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
        smallest_pivot = factor.diagonal(dim1=-2, dim2=-1).square().amin(-1)
        self.singular = ~(smallest_pivot > n_rows * torch.finfo(factor.dtype).eps)
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
        """Return the solver for the first `n_sources` references alone, whose factor is a part of this one."""
        n_rows = n_sources * ((self._lags.shape[-1] + 1) // 2)
        # Contiguous, because the triangular solver would otherwise copy it at every call, and slowly.
        factor = self._factor[:, :n_rows, :n_rows].contiguous()
        return GramSolver(self._lags[:, :n_sources, :n_sources], factor)

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

    Signals are worked through in blocks (overlap-save): their short transforms stay in the cache, which makes them
    several times faster than one of the whole signal. Silent references (all zeros) drop out of every fit.
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

        n_sources, n_samples = references.shape[1:]
        self._n_taps = n_taps
        self._scale = scale
        whole = next_fast_len(n_samples + 2 * n_taps - 2, real=True)
        self._n_fft: int = min(whole, next_fast_len(max(_SHORTEST_FFT, 8 * n_taps), real=True))
        self._hop = self._n_fft - n_taps + 1
        self._n_blocks = -(-(n_samples + n_taps - 1) // self._hop)
        self._spectra: Tensor = torch.fft.rfft(self._windows(references))
        forward = self.correlate(references) * scale[:, :, None, None]
        backward = forward.transpose(1, 2).flip(-1)[..., :-1]
        lags = torch.cat([backward, forward], -1).transpose(1, 2)
        # An identity block keeps the system regular and gives a silent reference a filter of zeros.
        lags.diagonal(dim1=1, dim2=2)[:, n_taps - 1].add_(scale == 0)
        self._joint = GramSolver(lags)
        self._single = [self._joint.leading(1)]
        self._single += [GramSolver(lags[:, i : i + 1, i : i + 1]) for i in range(1, n_sources)]

    @property
    def singular(self) -> Tensor:
        """Items (batch,) whose references are linearly dependent to working precision."""
        return self._joint.singular

    def extend(self, signals: Tensor) -> Tensor:
        """Return signals (…, time) with zeros behind, of the length that `filter` returns."""
        import torch

        return torch.nn.functional.pad(signals, (0, self._n_blocks * self._hop - signals.shape[-1]))

    def _windows(self, signals: Tensor) -> Tensor:
        """Return blocks (…, n_blocks, n_fft) of signals (…, time), each after the n_taps - 1 samples before it."""
        import torch

        before = self._n_taps - 1
        padded = torch.nn.functional.pad(signals, (before, self._n_blocks * self._hop - signals.shape[-1]))
        return padded.unfold(-1, self._n_fft, self._hop)

    def correlate(self, signals: Tensor) -> Tensor:
        """Return correlations (batch, n_signals, n_sources, n_taps) of signals (batch, n_signals, time).

        Entry k is the sum of the signal times the unit-energy reference delayed by k samples.
        """
        import torch

        blocks = self.extend(signals).reshape(*signals.shape[:-1], self._n_blocks, self._hop)
        spectra = torch.fft.rfft(torch.nn.functional.pad(blocks, (self._n_taps - 1, 0)))
        products = [torch.linalg.vecdot(self._spectra, signal, dim=-2) for signal in spectra[:, :, None].unbind(1)]
        correlations: Tensor = torch.fft.irfft(torch.stack(products, 1), n=self._n_fft)[..., : self._n_taps]
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
        """Return the sum of the unit-energy references from the first on, each filtered, (batch, n_signals, time)."""
        import torch

        n_sources = filters.shape[2]
        scaled = filters * self._scale[:, None, first_source : first_source + n_sources, None]
        responses: Tensor = torch.fft.rfft(scaled, n=self._n_fft)
        total = responses[:, :, 0, None] * self._spectra[:, None, first_source]
        for position in range(1, n_sources):
            total += responses[:, :, position, None] * self._spectra[:, None, first_source + position]
        filtered: Tensor = torch.fft.irfft(total, n=self._n_fft)[..., self._n_taps - 1 :]
        return filtered.flatten(-2)
