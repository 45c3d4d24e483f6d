"""The scores of a recipe: an estimate that is wrong is a failed one, and what is scored is not scored again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sepvae import audio
from sepvae.errors import InputError
from sepvae.evaluation.many import ScoreTask
from sepvae.evaluation.rows import read_rows
from sepvae.mixing.manifest import read_manifest
from sepvae.recipe.separation import scoring
from sepvae.recipe.separation.folder import PartFolder

SYSTEMS = {"floor": {"kind": "mixture"}, "bound": {"kind": "ideal_mask"}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of two systems, and its corpus."""
    import numpy as np

    from sepvae.config import parse_config
    from sepvae.recipe.run import run_recipe
    from sepvae.recipe.separation.schema import SeparationRecipe

    root, out, random = (
        tmp_path_factory.mktemp("noise"),
        tmp_path_factory.mktemp("run") / "out",
        np.random.default_rng(0),
    )
    for speaker in ("anna", "ben"):
        for number in range(15):
            wave = (0.1 * random.standard_normal(8000)).astype(np.float32)
            audio.write(root / speaker / f"{number}.wav", wave, sample_rate=8000)
    mixing = {"sources": ["anna", "ben"], "n_train": 1, "n_valid": 1, "n_test": 3, "sample_rate": 8000}
    recipe = {
        "title": "Noise",
        "mixing": {**mixing, "duration_s": [0.5, 1.0]},
        "splits": ["speaker_seen"],
        "evaluation": {"measures": ["si_sdr"]},
        "systems": SYSTEMS,
    }
    run_recipe(parse_config(SeparationRecipe, recipe, where="test"), out=out, corpus=root, device="cpu")
    return root, out / "speaker_seen"


class Like:
    """What an experiment is to the scoring."""

    def __init__(self, root: Path, folder: Path) -> None:
        class Named:
            def __init__(self, **facts: Any) -> None:
                vars(self).update(facts)

        evaluation = Named(sources=None, measures=["si_sdr"])
        self.recipe = Named(evaluation=evaluation, runs=[Named(name=name) for name in SYSTEMS])
        self.root, self.folder, self.options = root, PartFolder(folder), Named(jobs=1)


@pytest.fixture
def copy(finished: tuple[Path, Path], tmp_path: Path) -> Like:
    shutil.copytree(finished[1], tmp_path / "part")
    return Like(finished[0], tmp_path / "part")


def score(experiment: Like) -> None:
    scoring.write_scores(experiment, read_manifest(experiment.folder.manifest), ["these estimates"])  # type: ignore[arg-type]


def test_the_scores_are_those_of_the_recipe(copy: Like) -> None:
    before = copy.folder.scores.read_bytes()
    copy.folder.scores.unlink()
    score(copy)
    assert copy.folder.scores.read_bytes() == before


def test_a_bad_estimate_is_a_failed_one(copy: Like) -> None:
    item = read_manifest(copy.folder.manifest).of_split("test")[1].id
    path = copy.folder.estimates("bound") / item / "anna.wav"
    audio.write(path, audio.read(path).wave[:, :-1], sample_rate=8000)
    before = {(row.system, row.item, row.source): row for row in read_rows(copy.folder.scores)}
    score(copy)
    for row in read_rows(copy.folder.scores):
        if (row.system, row.item, row.source) == ("bound", item, "anna"):
            assert row.reasons == {"si_sdr": "estimate_length"}
        else:
            assert row == before[row.system, row.item, row.source]


@pytest.mark.parametrize("how", ["missing", "unreadable"])
def test_a_file_that_the_disk_lost_is_no_score(how: str, copy: Like) -> None:
    item = read_manifest(copy.folder.manifest).of_split("test")[1].id
    path, before = copy.folder.estimates("bound") / item / "anna.wav", copy.folder.scores.read_bytes()
    copy.folder.scores.unlink()
    estimate = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_text("no audio")
    with pytest.raises(InputError, match=rf"1 of 3 test mixtures could not be scored, {item} \(estimate_{how}\)"):
        score(copy)
    assert not copy.folder.scores.exists()
    path.write_bytes(estimate)
    score(copy)
    assert copy.folder.scores.read_bytes() == before


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, IndexError])
def test_what_is_scored_is_kept(error: type[BaseException], copy: Like, monkeypatch: pytest.MonkeyPatch) -> None:
    tests, before = read_manifest(copy.folder.manifest).of_split("test"), copy.folder.scores.read_bytes()
    copy.folder.scores.unlink()
    load, loaded = scoring.TestMixture.load, list[str]()

    def fail_once(self: scoring.TestMixture) -> ScoreTask:
        loaded.append(self.item)
        if self.item == tests[1].id and loaded.count(self.item) == 1:
            raise error
        return load(self)

    monkeypatch.setattr(scoring.TestMixture, "load", fail_once)
    with pytest.raises((InputError, KeyboardInterrupt)) as caught:
        score(copy)
    assert not copy.folder.scores.exists()
    if issubclass(error, Exception):
        assert f"1 of 3 test mixtures could not be scored, {tests[1].id} (" in str(caught.value)
    n_first = len(loaded)
    score(copy)
    assert copy.folder.scores.read_bytes() == before
    missing = [tests[1].id] if issubclass(error, Exception) else [tests[1].id, tests[2].id]
    assert loaded[n_first:] == missing
    assert not list(copy.folder.path.glob("scored-*"))
