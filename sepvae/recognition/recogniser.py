"""A small convolutional network that says which phone each frame is; trained from labelled speech and its versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sepvae.config import Config
from sepvae.limits import LearningRate, Steps, Weight
from sepvae.recognition.phones import NO_PHONE, PHONES
from sepvae.recognition.speech import LabelledSpeech
from sepvae.seeds import derive_seed, generator

_TAPS = 5


class RecogniserConfig(Config):
    """Size and training of the recogniser; batches are `batch_size` stretches of `crop_frames` frames.

    `share` is the part of a batch that is taken from augmented versions, where there are any.
    """

    channels: int = Field(96, ge=1, le=4096)
    dropout: float = Field(0.3, ge=0, lt=1)
    steps: Steps = 400
    batch_size: int = Field(16, ge=1, le=4096)
    crop_frames: int = Field(48, ge=1, le=4096)
    learning_rate: LearningRate = 3e-3
    weight_decay: Weight = 0.01
    share: float = Field(0.5, ge=0, le=1)


class Recogniser(nn.Module):
    """Features (batch, frames, mels) to scores of phones (batch, frames, phones); a frame sees 8 on either side."""

    def __init__(self, config: RecogniserConfig, n_mels: int) -> None:
        super().__init__()
        width = config.channels

        def layer(n_in: int, n_out: int, dilation: int) -> nn.Conv1d:
            return nn.Conv1d(n_in, n_out, _TAPS, dilation=dilation, padding=dilation * (_TAPS // 2))

        self.layers = nn.Sequential(
            layer(n_mels, width, 1),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            layer(width, width, 1),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            layer(width, width, 2),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(width, len(PHONES), 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return scores (batch, frames, phones)."""
        scores: Tensor = self.layers(features.transpose(1, 2)).transpose(1, 2)
        return scores


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let weights and dropout follow from a seed, and leave the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def crop(speech: LabelledSpeech, place: float, n_frames: int) -> tuple[Tensor, Tensor]:
    """Return features and labels of `n_frames` frames from a place (0 to 1) on; what is missing has no phone."""
    start = round(place * max(len(speech.features) - n_frames, 0))
    features, labels = speech.features[start : start + n_frames], speech.labels[start : start + n_frames]
    missing = n_frames - len(features)
    if missing:
        features = nn.functional.pad(features, (0, 0, 0, missing))
        labels = nn.functional.pad(labels, (0, missing), value=NO_PHONE)
    return features, labels


def train_recogniser(
    originals: Sequence[LabelledSpeech],
    versions: Sequence[Sequence[LabelledSpeech]],
    config: RecogniserConfig,
    *,
    seed: int,
) -> Recogniser:
    """Return a recogniser trained on utterances and augmented versions of them.

    The utterances, the places in them and the weights that it begins with depend on the seed alone, so that recognisers
    of other versions have seen the same words in the same order.

    Args:
        originals: the utterances.
        versions: of each utterance; none for training without augmentation.
        config: size and training.
        seed: of weights, batches and dropout.
    """
    lengths = np.array([len(speech.features) for speech in originals], np.float64)
    batches, choices = generator(seed, "batches"), generator(seed, "versions")
    with _seeded(derive_seed(seed, "recogniser")):
        network = Recogniser(config, originals[0].features.shape[1])
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=False
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.steps)
        for _ in range(config.steps):
            drawn = batches.choice(len(originals), size=config.batch_size, p=lengths / lengths.sum())
            places, augmented, which = (
                batches.random(len(drawn)),
                choices.random(len(drawn)),
                choices.random(len(drawn)),
            )
            crops = []
            for number, place, chance, version in zip(drawn, places, augmented, which, strict=True):
                own = versions[number] if versions else ()
                speech = own[int(version * len(own))] if own and chance < config.share else originals[number]
                crops.append(crop(speech, place, config.crop_frames))
            features, labels = (torch.stack(part) for part in zip(*crops, strict=True))
            loss = nn.functional.cross_entropy(network(features).flatten(0, 1), labels.flatten(), ignore_index=NO_PHONE)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def right(network: Recogniser, speech: LabelledSpeech) -> tuple[float, float]:
    """Return the shares of phones and of frames that the recogniser gets right, 0 to 1.

    The ends of a phone are known, and it is the one whose frames are the most likely together.
    """
    scores = network(speech.features[None])[0].log_softmax(-1)
    known = speech.labels != NO_PHONE
    frames = (scores.argmax(1) == speech.labels)[known].double().mean()
    hits = [int(scores[one.start : one.stop].sum(0).argmax()) == one.phone for one in speech.phones]
    return float(np.mean(hits)), float(frames)
