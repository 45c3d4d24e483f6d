"""The work of each stage: speech of both sides, the model of speech, the arms, recognisers and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sepvae import audio
from sepvae.augmentation.contract import augmentation_class, split_chain
from sepvae.augmented.fit import fit_and_save
from sepvae.augmented.gather import read_records
from sepvae.augmented.records import Record, record_id
from sepvae.augmented.run import augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation import ScoreRow, compare_systems, summarise
from sepvae.evaluation.hypotheses import check_claims
from sepvae.files import read_json, read_jsonl, write_json
from sepvae.mixing.solo import corpus_mixtures
from sepvae.processes import one_thread
from sepvae.recipe.augmentation.folds import Chosen, Fold, heard, recordings
from sepvae.recipe.augmentation.schema import AS_IT_IS, CLEAN, MEASURES, MISMATCHED, UNCHANGED, AugmentRecipe, Sounds
from sepvae.recognition.recogniser import right, train_recogniser
from sepvae.recognition.speech import Hearing, Speech
from sepvae.seeds import derive_seed
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_CONDITION_COPIES = 1


@dataclass(frozen=True)
class Trial:
    """What every stage of one fold needs: the recipe, the corpus, who is on which side, and where it all goes."""

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
    def identity(self) -> Path:
        """What was heard after replacement."""
        return self.out / "identity.json"

    @property
    def space(self) -> Path:
        """What the nuisance space is like."""
        return self.out / "space.json"

    @staticmethod
    def as_it_is(utterance: Utterance) -> str:
        """Return the name that a training utterance has, as it is, in the unlabelled speech and the nuisance basis."""
        return record_id(utterance.id, AS_IT_IS, 1)

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
        settings = condition.settings or (UNCHANGED if condition.method == AS_IT_IS else {})
        sounds = Sounds(methods=(condition.method,), copies=_CONDITION_COPIES, settings=settings)
        return heard(sounds, recordings(self.recipe.folders, "test"))


def needs_model(sounds: Sounds) -> bool:
    """Return whether one of the augmentations works with the model of speech."""
    return any(augmentation_class(name).needs_model for method in sounds.methods for name in split_chain(method))


def make_unlabelled(trial: Trial) -> None:
    """Write the speech that the model of speech learns from: the training speakers, as they are and elsewhere."""
    sounds = heard(trial.recipe.unlabelled, recordings(trial.recipe.folders, "train"))
    # 16-bit samples would be searched for the damage of a transfer in text mode, which is noise, too.
    _augment(trial, trial.fold.train, trial.unlabelled, sounds, subtype="float")


def make_condition(trial: Trial, name: str) -> None:
    """Write the test utterances in a condition."""
    _augment(trial, trial.fold.test, trial.condition(name), trial.sounds_of_condition(name))


def make_arm(trial: Trial, name: str) -> None:
    """Write the augmented versions of the training utterances; nothing for an arm without augmentation."""
    sounds = trial.sounds_of_arm(name)
    if sounds.methods:
        model = trial.model if needs_model(sounds) else None
        _augment(trial, trial.fold.train, trial.arm(name), sounds, model=model)


def _augment(
    trial: Trial,
    utterances: Sequence[Utterance],
    out: Path,
    sounds: Sounds,
    *,
    model: Path | None = None,
    subtype: str = "pcm16",
) -> None:
    config = sounds.augmentation(trial.seed, subtype=subtype)
    made = augment_corpus(Chosen(trial.root, utterances), out, config, model=model)
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


def recorded(trial: Trial, hearing: Hearing, utterance: Utterance) -> Speech:
    """Return an utterance of the corpus as the recogniser sees it."""
    wave = audio.read_mono(trial.root / utterance.path, hearing.config.sample_rate)
    return hearing.speech(wave, utterance.phones)


def _made(hearing: Hearing, folder: Path, record: Record) -> Speech:
    wave = audio.read_mono(folder / record.path, hearing.config.sample_rate)
    return hearing.speech(wave, record.phones)


def score_arm(trial: Trial, name: str) -> None:
    """Train the recognisers of an arm, one for each seed, and write how they do in each condition."""
    recipe, hearing = trial.recipe, Hearing(trial.recipe.speech)
    with one_thread():
        originals = {one.id: recorded(trial, hearing, one) for one in trial.fold.train}
        versions = _versions(trial, name, hearing)
        tests = {
            condition: [
                (record, _made(hearing, trial.condition(condition), record))
                for record in read_records(trial.condition(condition))
            ]
            for condition in recipe.conditions
        }
        rows = []
        for number in range(recipe.seeds):
            seed = derive_seed(trial.seed, "recogniser", number)
            own = [versions.get(utterance, []) for utterance in originals]
            network = train_recogniser([*originals.values()], own, recipe.recogniser, seed=seed)
            for condition, records in tests.items():
                for record, speech in records:
                    shares = dict(zip(MEASURES, (100 * share for share in right(network, speech)), strict=True))
                    rows.append([condition, record.speaker, f"{record.utterance} seed {number}", shares])
    write_json(trial.scores(name), rows)


def _versions(trial: Trial, arm: str, hearing: Hearing) -> dict[str, list[Speech]]:
    """Return the augmented versions of each training utterance of an arm."""
    versions: dict[str, list[Speech]] = {}
    if trial.recipe.arms[arm].methods:
        for record in read_records(trial.arm(arm)):
            versions.setdefault(record.utterance, []).append(_made(hearing, trial.arm(arm), record))
    return versions


def score_rows(trials: Sequence[Trial], part: str) -> list[ScoreRow]:
    """Return the scores in a part of the results: an item is a speaker, its sources are utterances and seeds."""
    recipe = trials[0].recipe
    rows = []
    for name in recipe.arms:
        for trial in trials:
            for condition, speaker, source, values in read_json(trial.scores(name)):
                if part == condition or (part == MISMATCHED and condition != CLEAN):
                    rows.append(ScoreRow(name, speaker, f"{condition} {source}", values, {}))
    return rows


def part_results(recipe: AugmentRecipe, part: str, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Return the summary of each arm, paired tests over the speakers, and claims, for one part of the results."""
    claims = [claim.to_claim() for claim in recipe.hypotheses if claim.where == part]
    return {
        "systems": summarise(rows, seed=recipe.seed),
        "comparisons": [asdict(test) for test in compare_systems(rows, measures=MEASURES)],
        "hypotheses": [asdict(test) for test in check_claims(rows, claims)],
    }
