"""Scores of the test mixtures of a recipe: what a system cannot do counts as failed, and what is scored is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae.audio import Audio
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation.failures import UNPROCESSED
from sepvae.evaluation.many import ScoreTask, score_many
from sepvae.evaluation.rows import ScoreRow, read_rows, write_rows
from sepvae.evaluation.unusable import UNUSABLE, UnusableSignalError, check_like, read_signal
from sepvae.files import hash_json
from sepvae.mixing.manifest import Manifest, Mixture
from sepvae.mixing.mixture import render
from sepvae.progress import progress
from sepvae.recipe.separation.stages import Experiment

# What a system is to blame for is its result; anything else is to be mended before there is one. A file that was
# written and is gone, or cannot be read, is the fault of a disk.
_OF_THE_DISK = frozenset({"estimate_missing", "estimate_unreadable"})
_OF_THE_SYSTEM = frozenset(reason for reason in UNUSABLE if reason.startswith("estimate_")) - _OF_THE_DISK
# Mixtures in a message.
_NAMED = 5


@dataclass(frozen=True)
class TestMixture:
    """A test mixture, and where the estimates of each run lie: read in the process that scores it."""

    __test__ = False

    mixture: Mixture
    root: Path
    estimates: Mapping[str, Path]

    @property
    def item(self) -> str:
        """The name of the mixture."""
        return self.mixture.id

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The sources that each run has a row for."""
        return dict.fromkeys(self.estimates, tuple(source.name for source in self.mixture.sources))

    def load(self) -> ScoreTask:
        """Render the mixture and read the estimates; those that cannot be used have a reason instead."""
        rendered, rate = render(self.mixture, self.root), self.mixture.sample_rate
        mixture = Audio(rendered.mixture[None], rate)
        found: dict[str, dict[str, NDArray[np.float32]]] = {run: {} for run in self.estimates}
        unusable: dict[str, dict[str, str]] = {run: {} for run in self.estimates}
        messages = list[str]()
        for run, folder in self.estimates.items():
            for source in rendered.sources:
                path = folder / self.mixture.id / f"{source}.wav"
                try:
                    estimate = read_signal(path, "estimate", where=f"{run}: {source}")
                    check_like(path, estimate, mixture, "estimate", of="the mixture")
                    found[run][source] = estimate.wave[0]
                except UnusableSignalError as error:
                    unusable[run][source] = error.reason
                    messages.append(str(error))
        return ScoreTask(
            item=self.item,
            references=rendered.sources,
            estimates=found,
            mixture=rendered.mixture,
            sample_rate=rate,
            noise=rendered.noise,
            unusable=unusable,
            messages=tuple(messages),
        )


def write_scores(experiment: Experiment, manifest: Manifest, inputs: Sequence[Any]) -> None:
    """Score the estimates of all systems and the mixture: a row for each mixture, run of a system and source.

    What is scored when something ends it is kept beside the table, and not scored again.

    Args:
        experiment: of the part.
        manifest: of the part.
        inputs: what the scores depend on.

    Raises:
        InputError: some mixtures could not be scored; all others are kept.
        ConfigError: a source is asked for that there is none of.
    """
    wanted, tests = experiment.recipe.evaluation.sources, manifest.of_split("test")
    if unknown := set(wanted or ()) - {source.name for mixture in manifest.mixtures for source in mixture.sources}:
        raise ConfigError(f"evaluation.sources: the mixtures have no source {min(unknown)!r}: see mixing.sources")
    table = experiment.folder.scores
    kept = table.with_name(f"scored-{hash_json(inputs)[:16]}.json")
    done = _by_item(read_rows(kept)) if kept.is_file() else {}
    bad = dict[str, str]()
    try:
        _score(experiment, [mixture for mixture in tests if mixture.id not in done], done, bad)
    except BaseException:
        if done:
            write_rows(kept, [row for rows in done.values() for row in rows])
        raise
    if bad:
        if done:
            write_rows(kept, [row for rows in done.values() for row in rows])
        named = ", ".join(f"{item} ({reason})" for item, reason in list(bad.items())[:_NAMED])
        raise InputError(
            f"{len(bad)} of {len(tests)} test mixtures could not be scored, {named}: the scores of the others are "
            "kept: see what is said of each, and run the same command again to continue"
        )
    rows = [row for mixture in tests for row in done[mixture.id]]
    write_rows(table, [row for row in rows if wanted is None or row.source in wanted])
    # Those of other inputs too: of settings that were changed before all was scored.
    for path in table.parent.glob("scored-*.json"):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _score(
    experiment: Experiment, tests: Sequence[Mixture], done: dict[str, list[ScoreRow]], bad: dict[str, str]
) -> None:
    """Score mixtures: add rows to what is done, and the reason to those that could not be scored."""
    runs, options = experiment.recipe.runs, experiment.options
    places = {run.name: experiment.folder.estimates(run.name) for run in runs}
    tasks = (TestMixture(mixture, experiment.root, places) for mixture in tests)
    scores = score_many(tasks, measures=experiment.recipe.evaluation.measures, floor=UNPROCESSED, jobs=options.jobs)
    with contextlib.closing(scores), progress("score", len(tests), unit="mixtures") as bar:
        for rows in scores:
            faults = {reason for row in rows for reason in row.reasons.values()} & (UNUSABLE - _OF_THE_SYSTEM)
            if faults:
                bad[rows[0].item] = min(faults)
            else:
                done[rows[0].item] = rows
            bar.advance(1)


def _by_item(rows: Sequence[ScoreRow]) -> dict[str, list[ScoreRow]]:
    found: dict[str, list[ScoreRow]] = {}
    for row in rows:
        found.setdefault(row.item, []).append(row)
    return found
