"""Two checks of replacement: the voice becomes that of the target, and the phones stay what they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.latents import replacement
from sepvae.corpora.records import Utterance
from sepvae.evaluation import ScoreRow, summarise
from sepvae.files import read_json, write_json
from sepvae.mixing.pools import sentence
from sepvae.processes import one_thread
from sepvae.recipe.augmentation.stages import Trial, recorded
from sepvae.recognition.recogniser import Recogniser, right, train_recogniser
from sepvae.recognition.speech import Hearing
from sepvae.recognition.voices import Voices
from sepvae.seeds import derive_seed, generator

# Who is meant must be this many times as likely to be recognised as by chance, and so many percent of phones may go.
_TIMES_CHANCE, _PHONES_LOST = 3.0, 5.0
RECORDED, FILTERED, DECODED, DECODED_REPLACED = "recorded", "replaced", "decoded", "decoded_replaced"
_CHOSEN, _PHONES = "target_chosen", "phone_accuracy"


class Half(NamedTuple):
    """A classifier of voices that has learnt one half of the sentences, and the other half to try it on."""

    voices: Voices
    sources: list[Utterance]
    targets: list[Utterance]


def check_identity(trial: Trial, everyone: Sequence[Utterance]) -> None:
    """Replace the nuisance of each test utterance by those of training speakers, and write who and what is heard.

    Voices are told apart by a classifier that has learnt all speakers from other sentences; phones by a recogniser
    that was trained on the training speakers as they are.
    """
    hearing, augmenter = Hearing(trial.recipe.speech), Augmenter.load(trial.model)
    with one_thread():
        train = [recorded(trial, hearing, one) for one in trial.fold.train]
        network = train_recogniser(train, [], trial.recipe.recogniser, seed=derive_seed(trial.seed, "recogniser", 0))
        rows = [
            row
            for half in _halves(trial, everyone, hearing)
            for source in half.sources
            for row in _replaced(trial, source, half, hearing, augmenter, network)
        ]
    write_json(trial.identity, {"rows": rows, "speakers": len({one.speaker for one in everyone})})


def _halves(trial: Trial, everyone: Sequence[Utterance], hearing: Hearing) -> Iterator[Half]:
    sides = {one.id: derive_seed(trial.recipe.seed, "half", sentence(one)) % 2 for one in everyone}
    for side in (0, 1):
        learnt = [one for one in everyone if sides[one.id] != side]
        features = [hearing.features(_wave(trial, hearing, one)) for one in learnt]
        voices = Voices.train(features, [one.speaker for one in learnt])
        targets = [one for one in trial.fold.train if sides[one.id] == side and one.speaker in voices.speakers]
        sources = [one for one in trial.fold.test if sides[one.id] == side]
        if targets:
            yield Half(voices, sources, targets)


def _wave(trial: Trial, hearing: Hearing, utterance: Utterance) -> Any:
    return audio.read_mono(trial.root / utterance.path, hearing.config.sample_rate)


def _replaced(
    trial: Trial, source: Utterance, half: Half, hearing: Hearing, augmenter: Augmenter, network: Recogniser
) -> Iterator[list[Any]]:
    """Yield a row for each target of an utterance and each way to make speech: who is heard, and the phones."""
    wave, rate = _wave(trial, hearing, source), hearing.config.sample_rate
    stream = generator(trial.seed, "identity", source.id)
    drawn = stream.choice(len(half.targets), size=min(trial.recipe.identity.targets, len(half.targets)), replace=False)
    for target in (half.targets[number] for number in np.sort(drawn)):
        vector = augmenter.basis.vector_of(trial.as_it_is(target))

        def to_target(own: Any, vector: Any = vector) -> Any:
            return replacement(own, vector)

        made = {
            RECORDED: hearing.features(wave),
            FILTERED: hearing.features(augmenter.move(wave, rate, to_target)),
        }
        if hearing.config.frontend() == augmenter.coder.frontend.config:
            made[DECODED] = torch.from_numpy(augmenter.features(wave, rate, np.zeros_like))
            made[DECODED_REPLACED] = torch.from_numpy(augmenter.features(wave, rate, to_target))
        for how, features in made.items():
            chosen = float(half.voices.who(features) == target.speaker)
            phones, _ = right(network, hearing.labelled(features, source.phones))
            values = {_CHOSEN: 100 * chosen, _PHONES: 100 * phones}
            yield [how, source.speaker, f"{source.id} as {target.id}", values]


def identity_results(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return how often the target is heard and the phones are right, and whether that is as it should be."""
    found = [read_json(trial.identity) for trial in trials]
    rows = [ScoreRow(how, who, source, values, {}) for one in found for how, who, source, values in one["rows"]]
    systems = summarise(rows, seed=trials[0].recipe.seed)
    chance = 100 / found[0]["speakers"]
    times = (systems[FILTERED][_CHOSEN]["mean"] or 0.0) / chance
    checks = [_check(f"the target is recognised {times:.1f} times as often as by chance", times >= _TIMES_CHANCE)]
    for before, after, how in ((RECORDED, FILTERED, "filtered"), (DECODED, DECODED_REPLACED, "decoded")):
        if before in systems:
            lost = (systems[before][_PHONES]["mean"] or 0.0) - (systems[after][_PHONES]["mean"] or 0.0)
            text = f"{lost:.1f} percent of the phones are lost by replacement against plain reconstruction ({how})"
            checks.append(_check(text, lost <= _PHONES_LOST))
    return {"systems": systems, "chance": chance, "checks": checks}


def _check(text: str, passed: bool) -> dict[str, Any]:
    return {"text": text, "passed": passed}
