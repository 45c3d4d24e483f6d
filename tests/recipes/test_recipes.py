"""Every recipe runs in its quick form on the demo corpus, as a user runs it, and gives sensible numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
    "timit/compare_all": ("temporal_vae", 3.0),
    "timit/gass": ("mlae", 2.0),
    "noise/table2": ("vae", 1.0),
    "noise/vivos": ("vae", 1.0),
    "noise/enhancement": ("vae_nmf_mcem", 1.0),
    # Twenty seconds of learning from synthetic voices make a model of little use; what follows it still gains.
    "multichannel/compare": ("mvae_postfilter", 5.0),
    "multichannel/reverberant": ("mvae_postfilter", 2.0),
    "multichannel/underdetermined": ("gmvae", 2.0),
}
# Recipes that measure augmentation, and not separation: tests/recipes/test_augment.py.
AUGMENT = {"augment/does_it_help", "augment/clean_model"}
# Those that train many systems, or what a shorter one trains too, wait for `make test-all`.
LONG = {
    "timit/beta_vae",
    "timit/compare_models",
    "timit/stft_grid",
    "timit/hyperparameters",
    "timit/compare_all",
    "noise/vivos",
    "multichannel/reverberant",
    "multichannel/underdetermined",
}


def run(recipe: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sepvae", "recipe", "run", recipe, "--out", str(out)]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def demo_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sepvae.corpora.demo import make_demo_corpus

    folder = tmp_path_factory.mktemp("demo") / "corpus"
    make_demo_corpus(folder, speakers=8)
    return folder


def test_every_recipe_has_a_row() -> None:
    assert set(recipe_files()) == set(RECIPES) | AUGMENT


@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in RECIPES]
)
def test_the_quick_form_runs_and_separates(recipe: str, demo_corpus: Path, tmp_path: Path) -> None:
    system, least_db = RECIPES[recipe]
    done = run(recipe, tmp_path / "out", "--quick", "--corpus", str(demo_corpus), "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert system in done.stdout
    results: dict[str, Any] = json.loads((tmp_path / "out/results.json").read_text())
    systems = results["systems"]
    assert systems[system][f"{SDR}_improvement"]["mean"] > least_db
    assert systems["ideal_wiener"][SDR]["mean"] > systems[system][SDR]["mean"] > systems["mixture"][SDR]["mean"]
    for summary in systems.values():
        assert summary[SDR]["n_valid"] == summary[SDR]["n_total"] > 0
        assert summary[SDR]["ci95"][0] <= summary[SDR]["mean"] <= summary[SDR]["ci95"][1]
    assert "<html" in (tmp_path / "out/report.html").read_text()[:200]


def test_a_second_run_does_nothing_and_says_the_same(demo_corpus: Path, tmp_path: Path) -> None:
    arguments = ("--quick", "--corpus", str(demo_corpus))
    first = run("timit/vae", tmp_path / "out", *arguments)
    assert first.returncode == 0, first.stderr
    second = run("timit/vae", tmp_path / "out", *arguments)
    assert second.stdout == first.stdout
    assert "speaker_seen-train-vae: nothing has changed, skipped" in second.stderr
    assert second.stderr.count("nothing has changed, skipped") == len(list((tmp_path / "out/stages").glob("*.json")))


def test_a_changed_key_runs_again_only_what_depends_on_it(demo_corpus: Path, tmp_path: Path) -> None:
    arguments = ("--quick", "--corpus", str(demo_corpus))
    assert run("timit/vae", tmp_path / "out", *arguments).returncode == 0
    changed = run("timit/vae", tmp_path / "out", *arguments, "--set", "systems.kl_nmf.settings.n_atoms=10")
    assert changed.returncode == 0, changed.stderr
    assert "speaker_seen-train-vae: nothing has changed, skipped" in changed.stderr
    assert "speaker_seen-train-kl_nmf: nothing" not in changed.stderr
    assert "speaker_seen-evaluate: nothing" not in changed.stderr


@pytest.mark.slow
def test_a_killed_run_is_continued_to_the_same_results(demo_corpus: Path, tmp_path: Path) -> None:
    arguments = ("--quick", "--corpus", str(demo_corpus))
    assert run("timit/vae", tmp_path / "whole", *arguments).returncode == 0
    command = [sys.executable, "-m", "sepvae", "recipe", "run", "timit/vae", *arguments]
    for seconds in (4, 6, 8, 10):
        with subprocess.Popen([*command, "--out", str(tmp_path / "killed")], stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
    assert run("timit/vae", tmp_path / "killed", *arguments).returncode == 0
    whole, killed = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "killed"))
    assert killed["systems"] == whole["systems"]
