"""Segments cover an utterance, and fading them together is undone by nothing."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sepvae.augmentation.segments import cut_segments, fade_together, segment_starts


@given(length=st.integers(1, 30), more=st.integers(0, 90), hop=st.integers(1, 30))
def test_what_was_cut_fades_together_to_what_it_was(length: int, more: int, hop: int) -> None:
    hop, n_frames = min(hop, length), length + more
    frames = torch.randn(n_frames, 3, generator=torch.Generator().manual_seed(more), dtype=torch.float64)
    starts = segment_starts(n_frames, segment_frames=length, hop_frames=hop)
    assert int(starts[0]) == 0
    assert int(starts[-1]) == n_frames - length
    assert (starts.diff() <= hop).all()
    segments = cut_segments(frames, starts, segment_frames=length)
    assert segments.shape == (len(starts), length, 3)
    torch.testing.assert_close(fade_together(segments, starts, n_frames=n_frames), frames, atol=1e-12, rtol=1e-12)


def test_overlaps_are_smooth_means() -> None:
    """Between a segment of zeros and one of ones the frames rise without a step."""
    starts = segment_starts(30, segment_frames=20, hop_frames=10)
    faded = fade_together(torch.tensor([0.0, 1.0])[:, None, None].expand(2, 20, 1), starts, n_frames=30)[:, 0]
    assert (faded[:10] == 0).all()
    assert (faded[20:] == 1).all()
    steps = faded.diff()
    assert (steps >= 0).all()
    assert steps.max() < 0.2
    torch.testing.assert_close(faded + faded.flip(0), torch.ones(30))
