"""The work of each stage: speech for training and test, the model of speech, the arms, recognisers and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sepvae import audio
from sepvae.augmented.fit import fit_and_save
from sepvae.augmented.records import Record, read_records, record_id
from sepvae.augmented.run import augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError
from sepvae.evaluation.hypotheses import check_claims
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import compare_systems, summarise
from sepvae.files import read_json, read_jsonl, write_json
from sepvae.mixing.single_source import corpus_mixtures
from sepvae.processes import one_thread
from sepvae.recipe.augmentation.folder import FoldFolder
from sepvae.recipe.augmentation.folds import Fold, SelectedUtterances, recordings, with_recordings
from sepvae.recipe.augmentation.schema import (
    ACCURACIES,
    AS_IT_IS,
    CLEAN,
    MISMATCHED,
    AugmentationRecipe,
    AugmentationSettings,
    Folders,
    needs_model,
)
from sepvae.recognition.recogniser import right, train_recogniser
from sepvae.recognition.speech import LabelledSpeech, SpeechFrontend
from sepvae.seeds import derive_seed
from sepvae.training.config import TrainingConfig
from sepvae.training.loop import TrainingData, train

_CONDITION_COPIES = 1


@dataclass(frozen=True)
class FoldRun:
    """What every stage of one fold needs: the recipe, the corpus, who is trained on, and where it all goes."""

    recipe: AugmentationRecipe
    root: Path
    fold: Fold
    folder: FoldFolder
    device: str

    @property
    def seed(self) -> int:
        """The seed of what is drawn in this fold."""
        return derive_seed(self.recipe.seed, "fold", self.fold.number)

    def recogniser_seed(self, number: int) -> int:
        """Return the seed of a recogniser of each arm."""
        return derive_seed(self.seed, "recogniser", number)

    def augmentation_of_unlabelled(self) -> AugmentationSettings:
        """Return the augmentation of the speech that the model of speech learns from."""
        return with_recordings(self.recipe.unlabelled, recordings(self.recipe.folders, "train"))

    def augmentation_of_arm(self, name: str) -> AugmentationSettings:
        """Return the augmentation of an arm, with recordings where it has them."""
        arm = self.recipe.arms[name]
        # Synthetic noise is shared out too: where there are no recordings it is the test's as well.
        return with_recordings(arm, recordings(self.recipe.folders if arm.recordings else Folders(), "train"))

    def augmentation_of_condition(self, name: str) -> AugmentationSettings:
        """Return the augmentation that makes a condition; clean speech is played at a gain of 0 dB."""
        augmentation = self.recipe.conditions[name].augmentation(copies=_CONDITION_COPIES)
        return with_recordings(augmentation, recordings(self.recipe.folders, "test"))


def make_unlabelled(run: FoldRun) -> None:
    """Write the speech that the model of speech learns from: the training speakers, as they are and elsewhere."""
    # 16-bit samples would be searched for the damage of a transfer in text mode, which is noise, too.
    _augment(run, run.fold.train, run.folder.unlabelled, run.augmentation_of_unlabelled(), subtype="float")


def make_condition(run: FoldRun, name: str) -> None:
    """Write the test utterances in a condition."""
    _augment(run, run.fold.test, run.folder.condition(name), run.augmentation_of_condition(name))


def make_arm(run: FoldRun, name: str) -> None:
    """Write the augmented versions of the training utterances; nothing for an arm without augmentation."""
    augmentation = run.augmentation_of_arm(name)
    if augmentation.methods:
        model = run.folder.model if needs_model(augmentation.methods) else None
        _augment(run, run.fold.train, run.folder.arm(name), augmentation, model=model)


def _augment(
    run: FoldRun,
    utterances: Sequence[Utterance],
    out: Path,
    augmentation: AugmentationSettings,
    *,
    model: Path | None = None,
    subtype: str = "pcm16",
) -> None:
    config = augmentation.augment_config(run.seed, subtype=subtype)
    made = augment_corpus(SelectedUtterances(run.root, utterances), out, config, model=model)
    if made.n_failures:
        first = next(iter(read_jsonl(out / "failures.jsonl")))
        raise InputError(f"{made.n_failures} records could not be made, the first: {first['message']}")


def as_it_is(utterance: Utterance) -> str:
    """Return the name that a training utterance has, as it is, in the unlabelled speech and the nuisance basis."""
    return record_id(utterance.id, AS_IT_IS, 1)


def _utterance(record: Record) -> Utterance:
    """Return a record as an utterance of the folder that it lies in."""
    return Utterance(
        id=record.id, path=record.path, speaker=record.speaker, sex=record.sex, split=None,  # type: ignore[arg-type]
        sample_rate=record.sample_rate, n_samples=record.n_samples, text=record.text, prompt=record.prompt,
    )  # fmt: skip


def train_model(run: FoldRun) -> None:
    """Train the model of speech on the unlabelled speech, and fit the nuisance basis to it."""
    config = parse_config(TrainingConfig, run.recipe.model, where="model")
    utterances = [_utterance(record) for record in read_records(run.folder.unlabelled)]
    rate = config.frontend.sample_rate
    learnt, kept = corpus_mixtures(utterances, root=run.folder.unlabelled, sample_rate=rate, seed=run.seed)
    train(config, TrainingData(learnt, kept, run.folder.unlabelled), run.folder.model, seed=run.seed, device=run.device)
    fit_and_save(run.folder.model, [(run.folder.unlabelled, utterances)], device=run.device)


def recorded(run: FoldRun, frontend: SpeechFrontend, utterance: Utterance) -> LabelledSpeech:
    """Return an utterance of the corpus as the recogniser sees it."""
    wave = audio.read_mono(run.root / utterance.path, frontend.config.sample_rate)
    return frontend.speech(wave, utterance.phones)


def _made(frontend: SpeechFrontend, folder: Path, record: Record) -> LabelledSpeech:
    wave = audio.read_mono(folder / record.path, frontend.config.sample_rate)
    return frontend.speech(wave, record.phones)


def score_arm(run: FoldRun, name: str) -> None:
    """Train the recognisers of an arm, one for each seed, and write how they do in each condition."""
    recipe, frontend = run.recipe, SpeechFrontend(run.recipe.speech)
    with one_thread():
        originals = {one.id: recorded(run, frontend, one) for one in run.fold.train}
        versions = _versions(run, name, frontend)
        tests = {
            condition: [
                (record, _made(frontend, run.folder.condition(condition), record))
                for record in read_records(run.folder.condition(condition))
            ]
            for condition in recipe.conditions
        }
        rows = []
        for number in range(recipe.seeds):
            seed = run.recogniser_seed(number)
            own = [versions.get(utterance, []) for utterance in originals]
            network = train_recogniser([*originals.values()], own, recipe.recogniser, seed=seed)
            for condition, records in tests.items():
                for record, speech in records:
                    shares = dict(zip(ACCURACIES, (100 * share for share in right(network, speech)), strict=True))
                    rows.append([condition, record.speaker, f"{record.utterance} seed {number}", shares])
    write_json(run.folder.scores(name), rows)


def _versions(run: FoldRun, arm: str, frontend: SpeechFrontend) -> dict[str, list[LabelledSpeech]]:
    """Return the augmented versions of each training utterance of an arm."""
    versions: dict[str, list[LabelledSpeech]] = {}
    if run.recipe.arms[arm].methods:
        for record in read_records(run.folder.arm(arm)):
            versions.setdefault(record.utterance, []).append(_made(frontend, run.folder.arm(arm), record))
    return versions


def score_rows(folders: Sequence[FoldFolder], arms: Sequence[str], part: str) -> list[ScoreRow]:
    """Return the scores in a part of the results: an item is a speaker, its sources are utterances and seeds."""
    rows = []
    for name in arms:
        for folder in folders:
            for condition, speaker, source, values in read_json(folder.scores(name)):
                if part == condition or (part == MISMATCHED and condition != CLEAN):
                    rows.append(ScoreRow(name, speaker, f"{condition} {source}", values, {}))
    return rows


def gain_rows(rows: Sequence[ScoreRow], floor: str) -> list[ScoreRow]:
    """Return by how much the scores of the other arms lie above those of `floor`, of the same utterance and seed."""
    without = {(row.item, row.source): row.values for row in rows if row.system == floor}
    return [
        replace(row, values={name: value - without[row.item, row.source][name] for name, value in row.values.items()})
        for row in rows
        if row.system != floor
    ]


def part_results(recipe: AugmentationRecipe, part: str, rows: Sequence[ScoreRow]) -> dict[str, Any]:
    """Return the summary of each arm, what it gains, paired tests over the speakers, and claims, for one part."""
    claims = [claim.to_claim() for claim in recipe.hypotheses if claim.where in (None, part)]
    floor = next((name for name, arm in recipe.arms.items() if not arm.methods), None)
    seeds = dict.fromkeys(recipe.compared, recipe.seeds)
    return {
        "systems": summarise(rows, seed=recipe.seed),
        "gains": {} if floor is None else summarise(gain_rows(rows, floor), seed=recipe.seed),
        "comparisons": [asdict(test) for test in compare_systems(rows, measures=tuple(ACCURACIES))],
        "hypotheses": [asdict(test) for test in check_claims(rows, claims, seeds=seeds)],
    }
