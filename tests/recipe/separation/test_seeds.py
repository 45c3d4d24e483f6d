"""Systems of a recipe from several seeds: what is run, what is kept, and what results, page and terminal say."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation.rows import read_rows
from sepvae.files import read_json
from sepvae.recipe.ledger import fingerprint
from sepvae.recipe.run import run_recipe
from sepvae.recipe.separation.runs import runs_of
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.systems.contract import SystemChoice

RATE = 8000
FEW = {"n_atoms": 4, "train_iterations": 5, "fit_iterations": 5}
CLAIM = {"system": "nmf", "measure": "si_sdr", "direction": "greater"}
RECIPE: dict[str, Any] = {
    "title": "Noise",
    "mixing": {
        "sources": ["anna", "ben"],
        "n_train": 1,
        "n_valid": 1,
        "n_test": 2,
        "sample_rate": RATE,
        "duration_s": [0.5, 1.0],
    },
    "splits": ["speaker_seen"],
    "evaluation": {"measures": ["si_sdr", "sdr_bsseval_v3_512"]},
    "systems": {
        "floor": {"kind": "mixture"},
        "nmf": {"kind": "nmf", "settings": FEW},
        "other": {"kind": "nmf", "settings": {**FEW, "n_atoms": 2}},
        "a_filter": {"kind": "filtered", "settings": {"of": "nmf", "filter": {"low_hz": 300, "high_hz": 3000}}},
    },
    "hypotheses": [
        {"claim": "drawn against drawn", "others": ["other"], **CLAIM},
        {"claim": "drawn against not", "others": ["floor"], **CLAIM},
    ],
}
SEEDS = "nmf", "nmf-seed1", "nmf-seed2"
FILTERS = "a_filter", "a_filter-seed1", "a_filter-seed2"


def systems(**changes: dict[str, Any]) -> dict[str, Any]:
    return {name: {**one, **changes.get(name, {})} for name, one in RECIPE["systems"].items()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for speaker in ("anna", "ben"):
        for number in range(12):
            wave = 0.1 * rng.standard_normal(RATE).astype(np.float32)
            audio.write(root / speaker / f"{number}.wav", wave, sample_rate=RATE)
    return root


def run(corpus: Path, out: Path, **changes: Any) -> dict[str, Any]:
    recipe = parse_config(SeparationRecipe, {**RECIPE, **changes}, where="test")
    return run_recipe(recipe, out=out, corpus=corpus, device="cpu").results


@pytest.fixture(scope="module")
def once(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("once") / "out"
    run(corpus, out)
    return out


@pytest.fixture(scope="module")
def thrice(corpus: Path, once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one seed that goes on to three of one of its systems."""
    out = tmp_path_factory.mktemp("thrice") / "out"
    shutil.copytree(once, out)
    run(corpus, out, systems=systems(nmf={"seeds": 3}))
    return out


def made(out: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in (out / "stages").iterdir()}


def test_the_first_seed_is_the_system_as_it_was(once: Path, thrice: Path) -> None:
    before, after = made(once), made(thrice)
    done = {stage for stage, time in after.items() if before.get(stage) != time}
    more = {f"speaker_seen-{what}-{run}" for what in ("train", "separate") for run in (*SEEDS[1:], *FILTERS[1:])}
    assert done == {*more, "speaker_seen-evaluate", "speaker_seen-summarise", "report"}
    for folder in ("systems/nmf", "audio/nmf", "audio/a_filter"):
        assert fingerprint(once / "speaker_seen" / folder) == fingerprint(thrice / "speaker_seen" / folder)


def test_each_seed_learns_something_else_and_gives_the_same_again(thrice: Path, corpus: Path, tmp_path: Path) -> None:
    def heard(out: Path) -> list[str]:
        return [fingerprint(out / "speaker_seen/audio" / name) for name in (*SEEDS, *FILTERS)]

    assert len({*heard(thrice)}) == 6
    run(corpus, tmp_path / "again", systems=systems(nmf={"seeds": 3}))
    assert heard(tmp_path / "again") == heard(thrice)
    # Of another seed of the recipe all are other seeds.
    run(corpus, tmp_path / "other", systems=systems(nmf={"seeds": 3}), seed=1)
    assert not {*heard(tmp_path / "other")} & {*heard(thrice)}


def test_scores_are_means_over_the_seeds(once: Path, thrice: Path) -> None:
    rows = read_rows(thrice / "speaker_seen/scores.csv")
    found = read_json(thrice / "results.json")["systems"]
    for name, names in (("nmf", SEEDS), ("a_filter", FILTERS)):
        means = [statistics.fmean(row.values["si_sdr"] for row in rows if row.system == run) for run in names]
        assert len({*means}) == 3
        assert found[name]["si_sdr"]["mean"] == pytest.approx(statistics.fmean(means))
        assert found[name]["si_sdr"]["seed_std"] == pytest.approx(statistics.stdev(means))
        assert (found[name]["si_sdr"]["seeds"], found[name]["si_sdr"]["n_total"]) == (3, 4)
    assert set(found) == set(RECIPE["systems"])
    alone = read_json(once / "results.json")["systems"]
    for name in ("floor", "other"):
        assert found[name] == alone[name]
        assert found[name]["si_sdr"]["seeds"] == 1
        assert "seed_std" not in found[name]["si_sdr"]


def test_a_verdict_says_the_fewest_seeds_of_those_that_draw(once: Path, thrice: Path) -> None:
    def seeds(out: Path) -> list[int]:
        return [test["seeds"] for test in read_json(out / "results.json")["splits"]["speaker_seen"]["hypotheses"]]

    assert (seeds(once), seeds(thrice)) == ([1, 1], [1, 3])
    page = (thrice / "report.html").read_text()
    claims = page[page.index("<h3>Claims</h3>") : page.index("<h3>Paired tests</h3>")]
    assert re.findall(r", (\d seeds?)</td>", claims) == ["1 seed", "3 seeds"]


def test_the_page_says_how_many_seeds_and_plays_the_first(once: Path, thrice: Path) -> None:
    page, alone = (thrice / "report.html").read_text(), (once / "report.html").read_text()
    row = page[page.index('title="nmf"') :].partition("</tr>")[0]
    found = read_json(thrice / "results.json")["systems"]["nmf"]["si_sdr"]
    assert f"3 seeds ± {found['seed_std']:.1f}" in row
    assert "A system with several seeds was trained and run from each" in page
    assert "seeds" not in alone[: alone.index("<h3>Claims</h3>")]
    # The scores under a sound are those of what is heard, and a point of a violin is a mean.
    listen = "<h3>Listen</h3>"
    assert (
        page[page.index(listen) : page.index('id="settings"')]
        == alone[alone.index(listen) : alone.index('id="settings"')]
    )
    points = re.compile(r"points: [^\"]+")
    assert points.findall(page) == points.findall(alone) != []
    assert "seed1" not in page


def test_fewer_seeds_are_a_matter_of_scores_alone(thrice: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(thrice, out)
    before = made(out)
    found = run(corpus, out, systems=systems(nmf={"seeds": 2}))
    done = {stage for stage, time in made(out).items() if before[stage] != time}
    assert done == {"speaker_seen-evaluate", "speaker_seen-summarise", "report"}
    assert found["systems"]["a_filter"]["si_sdr"]["seeds"] == 2


@pytest.mark.parametrize(
    ("name", "seeds", "message"),
    [
        ("floor", 2, "system floor: seeds = 2: it draws nothing, and gives the same from every seed: leave seeds out"),
        ("a_filter", 2, "system a_filter: seeds = 2: it works on the estimates of nmf and follows its seeds: set them"),
        ("nmf", 0, "nmf.seeds = 0: give 1 or more"),
        ("nmf", 1000, "nmf.seeds = 1000: give 100 or less"),
    ],
)
def test_seeds_that_would_change_nothing_are_refused(name: str, seeds: int, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config(SeparationRecipe, {**RECIPE, "systems": systems(**{name: {"seeds": seeds}})}, where="test")


def test_the_quick_form_of_a_recipe_with_seeds_side_by_side(
    sepvae: Callable[..., subprocess.CompletedProcess[str]], corpus: Path, tmp_path: Path
) -> None:
    recipe = {**RECIPE, "systems": systems(nmf={"seeds": 4}), "quick": {"systems": {"nmf": {"seeds": 2}}}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    done = sepvae(
        *("recipe", "run", path, "--quick", "--corpus", corpus, "--out", tmp_path / "out", "--jobs", 2),
        *("--device", "cpu", "--set", "systems.other.seeds=2"),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^nmf \(2 seeds\)  ", done.stdout, re.MULTILINE)
    assert re.search(r"^a_filter \(2 seeds\)  ", done.stdout, re.MULTILINE)
    assert re.search(r"drawn against drawn \(.* n = 2.*, 2 seeds\)", done.stdout)
    facts = {one["name"]: one["seeds"] for one in read_json(tmp_path / "out/results.json")["system_facts"]}
    assert facts == {"floor": 1, "nmf": 2, "other": 2, "a_filter": 2}


def test_the_first_run_follows_the_seed_of_the_recipe() -> None:
    """A seed that stands in the settings of a system counts in a recipe with the seed 0."""
    choice = SystemChoice.of("demixing", {"algorithm": {"kind": "ilrma", "settings": {"seed": 5}}})

    def seed_of(seed: int) -> int:
        (run,) = runs_of({"ilrma": choice}, seed=seed)
        return run.choice.config().algorithm.config().seed  # type: ignore[no-any-return]

    assert seed_of(0) == 5
    assert len({seed_of(seed) for seed in range(4)}) == 4
    assert seed_of(2) == seed_of(2)
