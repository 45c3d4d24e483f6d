"""Labels that follow a change of duration."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from sepvae.augmented.records import scale_labels
from sepvae.corpora.records import open_corpus


def test_scaled_labels_stay_inside_and_in_order(corpus: Path) -> None:
    utterance = next(iter(open_corpus(corpus).utterances()))
    for scale in (0.3, 0.9, 1.0, 1.7):
        n_samples = round(utterance.n_samples * scale)
        labels = scale_labels(utterance.phones, scale, n_samples)
        assert all(0 <= label.start < label.stop <= n_samples for label in labels)
        assert all(one.stop == two.start for one, two in pairwise(labels))
    assert scale_labels(utterance.phones, 1.0, utterance.n_samples) == utterance.phones
