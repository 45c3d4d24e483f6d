"""The work of each stage: speech of both sides, the model of speech, the arms, recognisers and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sepvae import audio
from sepvae.augmentation.coder import one_thread
from sepvae.augmentation.fit import fit_and_save
from sepvae.augmentation.gather import read_records
from sepvae.augmentation.records import Record
from sepvae.augmentation.run import augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation import ScoreRow
from sepvae.files import read_json, read_jsonl, write_json
from sepvae.mixing.solo import corpus_mixtures
from sepvae.recipe.augmented.schema import AugmentRecipe, Sounds
from sepvae.recipe.augmented.sides import Chosen, Fold, heard, recordings
from sepvae.recognition.recogniser import right, train_recogniser
from sepvae.recognition.speech import Hearing, Speech
from sepvae.seeds import derive_seed
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_CONDITION_COPIES = 1


@dataclass(frozen=True)
class Trial:
    """What every stage of one fold needs: the recipe, the corpus folder, who is on which side, and where it all goes."""

    recipe: AugmentRecipe
    root: Path
    fold: Fold
    out: Path
    device: str

    @property
    def unlabelled(self) -> Path:
        """The speech that the model of speech learns from."""
        return self.out / "unlabelled"

    @property
    def model(self) -> Path:
        """The model of speech, with its nuisance basis."""
        return self.out / "model"

    def arm(self, name: str) -> Path:
        """The augmented versions of the training utterances."""
        return self.out / "arms" / name

    def condition(self, name: str) -> Path:
        """The test utterances in a condition."""
        return self.out / "test" / name

    def scores(self, arm: str) -> Path:
        """The scores of the recognisers of an arm."""
        return self.out / "scores" / f"{arm}.json"

    @property
    def seed(self) -> int:
        """The seed of what is drawn in this fold."""
        return derive_seed(self.recipe.seed, "fold", self.fold.number)

    def sounds_of_arm(self, name: str) -> Sounds:
        """Return the augmentations of an arm, with recordings where it has them."""
        arm = self.recipe.arms[name]
        return heard(arm, recordings(self.recipe.folders, "train")) if arm.recordings else arm

    def sounds_of_condition(self, name: str) -> Sounds:
        """Return the augmentations that make a condition; clean speech is played at a gain of 0 dB."""
        condition = self.recipe.conditions[name]
        settings = condition.settings or ({"gain": {"gain_db": 0}} if condition.method == "gain" else {})
        sounds = Sounds(methods=(condition.method,), copies=_CONDITION_COPIES, settings=settings)
        return heard(sounds, recordings(self.recipe.folders, "test"))


def make_unlabelled(trial: Trial) -> None:
    """Write the speech that the model of speech learns from: the training speakers, as they are and elsewhere."""
    sounds = heard(trial.recipe.unlabelled, recordings(trial.recipe.folders, "train"))
    _augment(trial, trial.fold.train, trial.unlabelled, sounds)


def make_condition(trial: Trial, name: str) -> None:
    """Write the test utterances in a condition."""
    _augment(trial, trial.fold.test, trial.condition(name), trial.sounds_of_condition(name))


def make_arm(trial: Trial, name: str) -> None:
    """Write the augmented versions of the training utterances; nothing for an arm without augmentation."""
    sounds = trial.sounds_of_arm(name)
    if sounds.methods:
        _augment(trial, trial.fold.train, trial.arm(name), sounds, model=trial.model)


def _augment(
    trial: Trial, utterances: Sequence[Utterance], out: Path, sounds: Sounds, *, model: Path | None = None
) -> None:
    made = augment_corpus(Chosen(trial.root, utterances), out, sounds.augmentation(trial.seed), model=model)
    if made.n_failures:
        first = next(iter(read_jsonl(out / "failures.jsonl")))
        raise InputError(f"{made.n_failures} records could not be made, the first: {first['message']}")


def _utterance(record: Record) -> Utterance:
    """Return a record as an utterance of the folder that it lies in."""
    return Utterance(
        id=record.id, path=record.path, speaker=record.speaker, sex=record.sex, split=None,  # type: ignore[arg-type]
        sample_rate=record.sample_rate, n_samples=record.n_samples, text=record.text, prompt=record.prompt,
    )  # fmt: skip


def train_model(trial: Trial) -> None:
    """Train the model of speech on the unlabelled speech, and fit the nuisance basis to it."""
    config = parse_config(TrainingConfig, trial.recipe.model, where="model")
    utterances = [_utterance(record) for record in read_records(trial.unlabelled)]
    rate = config.frontend.sample_rate
    learnt, kept = corpus_mixtures(utterances, root=trial.unlabelled, sample_rate=rate, seed=trial.seed)
    train(config, TrainingData(learnt, kept, trial.unlabelled), trial.model, seed=trial.seed, device=trial.device)
    fit_and_save(trial.model, [(trial.unlabelled, utterances)], device=trial.device)


def _heard(hearing: Hearing, folder: Path, record: Record) -> Speech:
    wave = audio.read_mono(folder / record.path, hearing.config.sample_rate)
    return hearing.speech(wave, record.phones)


def score_arm(trial: Trial, name: str) -> None:
    """Train the recognisers of an arm, one for each seed, and write how they do in each condition."""
    recipe, hearing = trial.recipe, Hearing(trial.recipe.speech)
    with one_thread():
        originals = {
            one.id: hearing.speech(audio.read_mono(trial.root / one.path, recipe.speech.sample_rate), one.phones)
            for one in trial.fold.train
        }
        versions: dict[str, list[Speech]] = {name: [] for name in originals}
        if recipe.arms[name].methods:
            for record in read_records(trial.arm(name)):
                versions[record.utterance].append(_heard(hearing, trial.arm(name), record))
        tests = {
            condition: [
                (record, _heard(hearing, trial.condition(condition), record))
                for record in read_records(trial.condition(condition))
            ]
            for condition in recipe.conditions
        }
        rows = []
        for seed in range(recipe.seeds):
            network = train_recogniser(
                list(originals.values()),
                list(versions.values()),
                recipe.recogniser,
                seed=derive_seed(trial.seed, "recogniser", seed),
            )
            for condition, heard_there in tests.items():
                for record, speech in heard_there:
                    phones, frames = (100 * share for share in right(network, speech))
                    rows.append([condition, record.speaker, f"{record.utterance} {seed}", phones, frames])
    write_json(trial.scores(name), rows)
