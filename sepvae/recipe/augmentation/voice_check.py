"""Two checks of replacement: the voice becomes that of the target, and the phones stay what they were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmentation.latents import replacement
from sepvae.corpora.records import Utterance
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import summarise
from sepvae.files import read_json, write_json
from sepvae.mixing.pools import sentence
from sepvae.processes import one_thread
from sepvae.recipe.augmentation.folder import FoldFolder
from sepvae.recipe.augmentation.schema import PHONES
from sepvae.recipe.augmentation.stages import FoldRun, as_it_is, recorded
from sepvae.recognition.recogniser import Recogniser, right, train_recogniser
from sepvae.recognition.speech import SpeechFrontend
from sepvae.recognition.voices import VoiceClassifier
from sepvae.seeds import derive_seed, generator

# Who is meant must be this many times as likely to be recognised as by chance, and so many percent of phones may go.
_TIMES_CHANCE, _PHONES_LOST = 3.0, 5.0
RECORDED, FILTERED, DECODED, DECODED_REPLACED = "recorded", "replaced", "decoded", "decoded_replaced"
_CHOSEN = "target_chosen"


class Half(NamedTuple):
    """A classifier of voices that has learnt one half of the sentences, and the other half to try it on."""

    voices: VoiceClassifier
    sources: list[Utterance]
    targets: list[Utterance]


def check_voices(run: FoldRun, utterances: Sequence[Utterance]) -> None:
    """Replace the nuisance of each test utterance by those of training speakers, and write what is recognised.

    Voices are told apart by a classifier that has learnt all speakers from other sentences; phones by a recogniser
    that was trained on the training speakers as they are.
    """
    frontend, augmenter = SpeechFrontend(run.recipe.speech), Augmenter.load(run.folder.model)
    with one_thread():
        train = [recorded(run, frontend, one) for one in run.fold.train]
        network = train_recogniser(train, [], run.recipe.recogniser, seed=run.recogniser_seed(0))
        rows = [
            row
            for half in _halves(run, utterances, frontend)
            for source in half.sources
            for row in _replaced(run, source, half, frontend, augmenter, network)
        ]
    write_json(run.folder.voice_check, {"rows": rows, "speakers": len({one.speaker for one in utterances})})


def _halves(run: FoldRun, utterances: Sequence[Utterance], frontend: SpeechFrontend) -> Iterator[Half]:
    halves = {one.id: derive_seed(run.recipe.seed, "half", sentence(one)) % 2 for one in utterances}
    for half in (0, 1):
        learnt = [one for one in utterances if halves[one.id] != half]
        features = [frontend.features(_wave(run, frontend, one)) for one in learnt]
        voices = VoiceClassifier.train(features, [one.speaker for one in learnt])
        targets = [one for one in run.fold.train if halves[one.id] == half and one.speaker in voices.speakers]
        sources = [one for one in run.fold.test if halves[one.id] == half]
        if targets:
            yield Half(voices, sources, targets)


def _wave(run: FoldRun, frontend: SpeechFrontend, utterance: Utterance) -> Any:
    return audio.read_mono(run.root / utterance.path, frontend.config.sample_rate)


def _replaced(
    run: FoldRun, source: Utterance, half: Half, frontend: SpeechFrontend, augmenter: Augmenter, network: Recogniser
) -> Iterator[list[Any]]:
    """Yield a row for each target of an utterance and each way to make speech: the voice and the phones."""
    wave, rate = _wave(run, frontend, source), frontend.config.sample_rate
    stream = generator(run.seed, "identity", source.id)
    drawn = stream.choice(len(half.targets), size=min(run.recipe.voice_check.targets, len(half.targets)), replace=False)
    for target in (half.targets[number] for number in np.sort(drawn)):
        vector = augmenter.basis.vector_of(as_it_is(target))

        def to_target(own: Any, vector: Any = vector) -> Any:
            return replacement(own, vector)

        made = {
            RECORDED: frontend.features(wave),
            FILTERED: frontend.features(augmenter.move(wave, rate, to_target)),
        }
        coded = augmenter.coder.frontend.config
        if frontend.config.frontend().model_copy(update={"levels": coded.levels}) == coded:
            # Levels are taken in two ways, and these are logarithms of powers.
            above = 2 * math.log(augmenter.coder.encode(wave, rate).level / frontend.level(wave))
            made[DECODED] = torch.from_numpy(augmenter.features(wave, rate, np.zeros_like)) + above
            made[DECODED_REPLACED] = torch.from_numpy(augmenter.features(wave, rate, to_target)) + above
        for how, features in made.items():
            chosen = float(half.voices.who(features) == target.speaker)
            phones, _ = right(network, frontend.labelled(features, source.phones))
            values = {_CHOSEN: 100 * chosen, PHONES: 100 * phones}
            yield [how, source.speaker, f"{source.id} as {target.id}", values]


def voice_check_results(folders: Sequence[FoldFolder], *, seed: int) -> dict[str, Any]:
    """Return how often the target is recognised and the phones are right, and whether that is as it should be."""
    found = [read_json(folder.voice_check) for folder in folders]
    rows = [ScoreRow(how, who, source, values, {}) for one in found for how, who, source, values in one["rows"]]
    systems = summarise(rows, seed=seed)
    chance = 100 / found[0]["speakers"]
    times = (systems[FILTERED][_CHOSEN]["mean"] or 0.0) / chance
    checks = [_check(f"the target is recognised {times:.1f} times as often as by chance", times >= _TIMES_CHANCE)]
    for before, after, how in ((RECORDED, FILTERED, "filtered"), (DECODED, DECODED_REPLACED, "decoded")):
        if before in systems:
            lost = (systems[before][PHONES]["mean"] or 0.0) - (systems[after][PHONES]["mean"] or 0.0)
            text = f"{lost:.1f} percent of the phones are lost by replacement against plain reconstruction ({how})"
            checks.append(_check(text, lost <= _PHONES_LOST))
    return {"systems": systems, "chance": chance, "checks": checks}


def _check(text: str, passed: bool) -> dict[str, Any]:
    return {"text": text, "passed": passed}
