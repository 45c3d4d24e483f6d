"""Every recipe runs in its quick form on the demo corpus, as a user runs it, and gives sensible numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sepvae.corpora.demo import make_demo_corpus
from sepvae.mixing.manifest import read_manifest
from sepvae.recipe.catalogue import recipe_files

SDR = "sdr_bsseval_v3_512"

# One row for each recipe: the system it is about and the least mean SDR improvement (dB) of its quick form over the
# mixture. A test below fails when a recipe has no row.
RECIPES = {
    "demo": ("vae", 1.0),
    "timit/vae": ("vae", 1.0),
    "timit/beta_vae": ("beta_vae", 1.0),
    "timit/stft_grid": ("vae_E", 1.0),
    "timit/compare_models": ("itl_ae_cs", 1.0),
    "timit/hyperparameters": ("vae_latent_128", 1.0),
    "timit/temporal_vae": ("temporal_vae", 1.0),
    "librispeech/temporal_vae": ("temporal_vae", 1.0),
    # On voices of a synthesiser, of which it has heard none.
    "defaults/any_talkers": ("any_talkers", 1.0),
    "defaults/noise": ("noise", 3.0),
    "timit/compare_all": ("temporal_vae", 3.0),
    "timit/gass": ("mlae", 2.0),
    "timit/same_sex": ("temporal_vae", 1.0),
    "noise/table2": ("vae", 1.0),
    "noise/vivos": ("vae", 1.0),
    "noise/enhancement": ("vae_nmf_mcem", 1.0),
    # Twenty seconds of learning from synthetic voices make a model of little use; what follows it still gains.
    "multichannel/compare": ("mvae_postfilter", 5.0),
    "multichannel/reverberant": ("mvae_postfilter", 2.0),
    "multichannel/underdetermined": ("gmvae", 2.0),
}
# Those that choose settings are long, and for one corpus, whose speakers they name.
DEVELOP = {name for name in recipe_files() if name.startswith("develop/")}
# Recipes that measure augmentation, and not separation: tests/recipes/test_augment.py.
AUGMENT = {"augment/does_it_help", "augment/clean_model"}
# Those that train many systems, or what a shorter one trains too, wait for `make test-all`.
LONG = {
    "timit/beta_vae",
    "timit/compare_models",
    "timit/stft_grid",
    "timit/hyperparameters",
    "timit/compare_all",
    "librispeech/temporal_vae",
    "noise/vivos",
    "multichannel/reverberant",
    "multichannel/underdetermined",
}


# What is enough to see that it runs and separates, where the quick form learns for longer.
SHORTER = {
    "demo": ("corpus.demo_speakers=8", "systems.vae.settings.optimiser.epochs=5"),
    "timit/vae": ("systems.vae.settings.optimiser.epochs=6",),
    "timit/temporal_vae": ("systems.temporal_vae.settings.optimiser.epochs=1",),
    "timit/same_sex": ("mixing.pairs=1",),
    "timit/gass": tuple(f"systems.{name}.settings.optimiser.epochs=4" for name in ("mlae", "gan", "wgan", "ae_wgan")),
    "noise/table2": (
        "systems.vae.settings.optimiser.epochs=3",
        "systems.complex_vae.settings.optimiser.epochs=1",
    ),
}

Run = Callable[..., subprocess.CompletedProcess[str]]
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


def quick_form(recipe: str, out: Path, corpus: Path | None, *more: str) -> list[str]:
    data = [] if corpus is None else ["--corpus", str(corpus)]
    return ["recipe", "run", recipe, "--quick", "--out", str(out), *data, *more]


def arguments(recipe: str, out: Path, corpus: Path | None, *more: str) -> list[str]:
    shorter = [part for setting in SHORTER.get(recipe, ()) for part in ("--set", setting)]
    return quick_form(recipe, out, corpus, *shorter, *more)


def expect_that_it_separates(recipe: str, out: Path, stdout: str) -> None:
    system, least_db = RECIPES[recipe]
    assert system in stdout
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    systems = results["systems"]
    assert systems[system][SDR]["mean"] - systems["mixture"][SDR]["mean"] > least_db
    ceilings = [one["name"] for one in results["system_facts"] if one["role"] == "ceiling"]
    best = max(systems[name][SDR]["mean"] for name in ceilings)
    assert best > systems[system][SDR]["mean"] > systems["mixture"][SDR]["mean"]
    tests = read_manifest(out / results["order"][0] / "mixtures.jsonl").of_split("test")
    companies = {frozenset(source.speaker for source in mixture.sources if source.speaker) for mixture in tests}
    for summary in systems.values():
        assert summary[SDR]["n_valid"] == summary[SDR]["n_total"] > 0
        low, high = summary[SDR]["ci95"]
        if len(companies) == 1:
            # Of one speaker alone nothing says how much speakers differ.
            assert (low, high) == (None, None)
        else:
            assert low <= summary[SDR]["mean"] <= high
    assert "<html" in (out / "report.html").read_text()[:200]


@pytest.fixture(scope="module")
def demo_corpus(made_once: MadeOnce) -> Path:
    return made_once("demo_corpus", lambda folder: make_demo_corpus(folder, speakers=8))


@pytest.fixture(scope="module")
def timit_vae(demo_corpus: Path, made_once: MadeOnce, sepvae: Run) -> Path:
    """A folder with the run of timit/vae, `out`, and what it printed."""

    def make(folder: Path) -> None:
        folder.mkdir()
        done = sepvae(*arguments("timit/vae", folder / "out", demo_corpus, "--jobs", "1"))
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout)

    return made_once("timit_vae", make)


def test_every_recipe_has_a_row() -> None:
    assert set(recipe_files()) == set(RECIPES) | AUGMENT | DEVELOP


@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in RECIPES]
)
def test_the_quick_form_runs_and_separates(
    recipe: str, demo_corpus: Path, timit_vae: Path, program: Run, sepvae: Run, tmp_path: Path
) -> None:
    """The demo in processes of its own, as a user runs it, the others in this one."""
    if recipe == "timit/vae":
        out, stdout = timit_vae / "out", (timit_vae / "stdout.txt").read_text()
    else:
        out = tmp_path / "out"
        if recipe == "demo":
            done = program(*arguments(recipe, out, None, "--jobs", "2"))
        else:
            done = sepvae(*arguments(recipe, out, demo_corpus, "--jobs", "1"))
        assert done.returncode == 0, done.stderr
        stdout = done.stdout
    expect_that_it_separates(recipe, out, stdout)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SHORTER)
def test_the_quick_form_at_its_full_length(recipe: str, demo_corpus: Path, sepvae: Run, tmp_path: Path) -> None:
    corpus = None if recipe == "demo" else demo_corpus
    done = sepvae(*quick_form(recipe, tmp_path / "out", corpus, "--jobs", "1"))
    assert done.returncode == 0, done.stderr
    expect_that_it_separates(recipe, tmp_path / "out", done.stdout)


def test_a_second_run_does_nothing_and_says_the_same(
    demo_corpus: Path, timit_vae: Path, sepvae: Run, tmp_path: Path
) -> None:
    out, first = tmp_path / "out", (timit_vae / "stdout.txt").read_text()
    shutil.copytree(timit_vae / "out", out)
    second = sepvae(*arguments("timit/vae", out, demo_corpus, "--jobs", "1"))
    assert second.stdout == first.replace(str(timit_vae / "out"), str(out))
    assert "speaker_seen-train-vae: nothing has changed, skipped" in second.stderr
    assert second.stderr.count("nothing has changed, skipped") == len(list((out / "stages").glob("*.json")))


def test_a_changed_key_runs_again_only_what_depends_on_it(
    demo_corpus: Path, timit_vae: Path, sepvae: Run, tmp_path: Path
) -> None:
    shutil.copytree(timit_vae / "out", tmp_path / "out")
    changed = ("--jobs", "1", "--set", "systems.kl_nmf.settings.n_atoms=12")
    done = sepvae(*arguments("timit/vae", tmp_path / "out", demo_corpus, *changed))
    assert done.returncode == 0, done.stderr
    assert "speaker_seen-train-vae: nothing has changed, skipped" in done.stderr
    assert "speaker_seen-train-kl_nmf: nothing" not in done.stderr
    assert "speaker_seen-evaluate: nothing" not in done.stderr


@pytest.mark.slow
def test_a_killed_run_is_continued_to_the_same_results(demo_corpus: Path, program: Run, tmp_path: Path) -> None:
    run = ("recipe", "run", "timit/vae", "--quick", "--corpus", str(demo_corpus), "--out")
    assert program(*run, tmp_path / "whole").returncode == 0
    for seconds in (4, 6, 8, 10):
        command = [sys.executable, "-m", "sepvae", *run, str(tmp_path / "killed")]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
    assert program(*run, tmp_path / "killed").returncode == 0
    whole, killed = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "killed"))
    assert killed["systems"] == whole["systems"]
