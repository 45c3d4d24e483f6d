"""Segments of an utterance's frames, and back: overlapping ones fade into each other."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_starts(n_frames: int, *, segment_frames: int, hop_frames: int) -> Tensor:
    """Return the first frames (segments,) of segments that cover all frames, the last one flush with the end.

    Args:
        n_frames: of the utterance, at least `segment_frames`.
        segment_frames: of a segment.
        hop_frames: from one segment to the next.

    Example:
        >>> segment_starts(47, segment_frames=20, hop_frames=10)
        tensor([ 0, 10, 20, 27])
    """
    last = n_frames - segment_frames
    return torch.tensor(sorted({*range(0, last + 1, hop_frames), last}))


def cut_segments(frames: Tensor, starts: Tensor, *, segment_frames: int) -> Tensor:
    """Return segments (segments, segment_frames, features) of frames (frames, features)."""
    index = starts[:, None] + torch.arange(segment_frames)
    return frames.index_select(0, index.flatten().to(frames.device)).view(len(starts), segment_frames, -1)


def fade_together(segments: Tensor, starts: Tensor, *, n_frames: int) -> Tensor:
    """Return frames (frames, features): where segments overlap, their mean weighted by a Hann window over each.

    Args:
        segments: (segments, segment_frames, features).
        starts: of the segments, from `segment_starts`.
        n_frames: of the utterance.
    """
    segment_frames = segments.shape[1]
    # Half a step off its zeros, so that frames of one segment alone have a weight.
    window = torch.hann_window(2 * segment_frames, dtype=segments.dtype, device=segments.device)[1::2]
    index = (starts[:, None] + torch.arange(segment_frames)).flatten().to(segments.device)
    total = segments.new_zeros((n_frames, segments.shape[2]))
    total.index_add_(0, index, (segments * window[:, None]).flatten(0, 1))
    weight = segments.new_zeros(n_frames).index_add_(0, index, window.repeat(len(segments)))
    return total / weight[:, None]
