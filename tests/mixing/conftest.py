"""A small corpus of noise that has speakers, sexes and sentences, for the tests of mixing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora.records import Utterance

RATE = 8000


def make_corpus(root: Path, *, speakers: int = 8, own: int = 6, shared: int = 2) -> list[Utterance]:
    """Write speakers with sentences of their own and sentences that all of them say."""
    utterances = []
    random = np.random.default_rng(0)
    for number in range(speakers):
        sex = "female" if number % 2 else "male"
        for index in range(own + shared):
            text = f"Everyone says number {index}." if index < shared else f"Speaker {number} says {index}, alone!"
            name = f"s{number}_{index}"
            n_samples = int(RATE * random.uniform(2.1, 5.0))
            wave = random.standard_normal(n_samples) * random.uniform(0.01, 0.2)
            audio.write(root / f"{name}.wav", wave.astype(np.float32), sample_rate=RATE, subtype="pcm16")
            utterances.append(Utterance(name, f"{name}.wav", f"s{number}", sex, None, RATE, n_samples, text))  # type: ignore[arg-type]
    return utterances


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Utterance]]:
    root = tmp_path_factory.mktemp("corpus")
    return root, make_corpus(root)


@pytest.fixture(scope="session")
def build_corpus() -> Callable[..., list[Utterance]]:
    return make_corpus
