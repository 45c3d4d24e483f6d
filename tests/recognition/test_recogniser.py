"""The recogniser: what it learns, what its seed decides, and what augmented versions change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sepvae.recognition.phones import NO_PHONE, PHONES, Stretch
from sepvae.recognition.recogniser import Recogniser, RecogniserConfig, crop, right, train_recogniser
from sepvae.recognition.speech import LabelledSpeech

N_MELS, LENGTH = 8, 5
SMALL = RecogniserConfig(channels=16, steps=120, batch_size=8, crop_frames=20, dropout=0.1)


def utterance(seed: int, n_phones: int = 12, offset: float = 0.0) -> LabelledSpeech:
    """Return phones that are told by which of four bands is loud, in noise."""
    rng = np.random.default_rng(seed)
    phones = rng.integers(0, 4, n_phones)
    labels = np.repeat(phones, LENGTH)
    features = rng.standard_normal((len(labels), N_MELS)).astype(np.float32) + offset
    features[np.arange(len(labels)), labels] += 4
    found = tuple(Stretch(LENGTH * i, LENGTH * (i + 1), int(phone)) for i, phone in enumerate(phones))
    return LabelledSpeech(
        torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)), found
    )


TRAIN = [utterance(seed) for seed in range(6)]


def weights(network: Recogniser) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_it_learns_phones_and_tells_them_in_new_utterances() -> None:
    network = train_recogniser(TRAIN, [], SMALL, seed=0)
    phones, frames = np.mean([right(network, utterance(seed)) for seed in range(20, 25)], axis=0)
    assert phones > 0.9
    assert phones >= frames > 0.7


def test_the_seed_decides_everything_and_the_global_generator_nothing() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = weights(train_recogniser(TRAIN, [], SMALL, seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(one, weights(train_recogniser(TRAIN, [], SMALL, seed=3)))
    assert not torch.equal(one, weights(train_recogniser(TRAIN, [], SMALL, seed=4)))


def test_versions_that_are_the_originals_change_nothing_at_all() -> None:
    """The words that a recogniser sees, and their order, do not depend on the arm."""
    plain = weights(train_recogniser(TRAIN, [], SMALL, seed=0))
    assert torch.equal(plain, weights(train_recogniser(TRAIN, [[one, one] for one in TRAIN], SMALL, seed=0)))
    assert torch.equal(plain, weights(train_recogniser(TRAIN, [[] for _ in TRAIN], SMALL, seed=0)))


@pytest.mark.parametrize(("share", "helps"), [(0.5, True), (0.0, False)])
def test_versions_teach_what_the_originals_do_not(share: float, helps: bool) -> None:
    config = SMALL.model_copy(update={"share": share})
    moved = [utterance(seed, offset=-6.0) for seed in range(6)]
    tests = [utterance(seed, offset=-6.0) for seed in range(30, 36)]

    def score(versions: list[list[LabelledSpeech]]) -> float:
        network = train_recogniser(TRAIN, versions, config, seed=0)
        return float(np.mean([right(network, one)[0] for one in tests]))

    with_versions, without = score([[one] for one in moved]), score([])
    assert (with_versions > without + 0.1) is helps
    if not helps:
        assert with_versions == without


def test_a_crop_is_a_part_of_the_utterance_or_all_of_it_and_no_phone() -> None:
    speech = TRAIN[0]
    n_frames = len(speech.features)
    features, labels = crop(speech, 0.5, 20)
    start = round(0.5 * (n_frames - 20))
    assert torch.equal(features, speech.features[start : start + 20])
    assert torch.equal(labels, speech.labels[start : start + 20])
    features, labels = crop(speech, 1.0, n_frames + 7)
    assert torch.equal(features[:n_frames], speech.features)
    assert labels[n_frames:].tolist() == [NO_PHONE] * 7


def test_a_phone_is_what_its_frames_say_together() -> None:
    class Told(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features

    scores = torch.zeros((4, len(PHONES)))
    # Two frames of three say 1, but the third is sure that it is 2; the last frame has no phone.
    scores[0, 1] = scores[1, 1] = 1.0
    scores[2, 2] = 20.0
    speech = LabelledSpeech(scores, torch.tensor([2, 2, 2, NO_PHONE]), (Stretch(0, 3, 2),))
    phones, frames = right(Told(), speech)  # type: ignore[arg-type]
    assert phones == 1.0
    assert frames == pytest.approx(1 / 3)
