"""A whole run on a corpus of noise: what it leaves, what it does again, and its page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio, plugins
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.evaluation import MEASURES
from sepvae.evaluation.contract import Signal, measure, pairwise
from sepvae.files import hash_json, read_json
from sepvae.mixing.manifest import Mixture, read_manifest
from sepvae.recipe.committed import slim
from sepvae.recipe.run import rebuild_report, run_recipe
from sepvae.recipe.separation.schema import SeparationRecipe

RATE = 8000
MIXING = {"sources": ["anna", "ben"], "n_train": 1, "n_valid": 1, "n_test": 2, "sample_rate": RATE}
RECIPE: dict[str, Any] = {
    "title": "Noise",
    "mixing": {**MIXING, "duration_s": [0.5, 1.0]},
    "splits": ["speaker_seen"],
    "evaluation": {"measures": ["si_sdr"]},
    "systems": {
        "z_floor": {"kind": "mixture"},
        "my_bound": {"kind": "ideal_mask"},
        "nmf": {"kind": "nmf", "settings": {"n_atoms": 4, "train_iterations": 5, "fit_iterations": 5}},
        "a_filter": {"kind": "filtered", "settings": {"of": "nmf", "filter": {"low_hz": 300, "high_hz": 3000}}},
    },
}


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
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    run(corpus, out)
    return out


def read_tests(out: Path) -> list[Mixture]:
    return read_manifest(out / "speaker_seen" / "mixtures.jsonl").of_split("test")


def made(out: Path) -> dict[str, int]:
    """Return when each stage was done."""
    return {path.stem: path.stat().st_mtime_ns for path in (out / "stages").iterdir()}


def test_results_say_what_each_system_is(done: Path) -> None:
    facts = read_json(done / "results.json")["system_facts"]
    assert [(one["name"], one["label"], one["role"], one["needs"]) for one in facts] == [
        ("z_floor", "Mixture", "floor", []),
        ("my_bound", "Ideal ratio mask, 16/8 ms", "ceiling", ["references"]),
        ("nmf", "KL-NMF", "baseline", []),
        ("a_filter", "KL-NMF + BPF", "baseline", []),
    ]


def test_results_say_what_made_them(done: Path) -> None:
    found = read_json(done / "results.json")
    tested = found["tested"]["speaker_seen"]
    assert tested["speakers"] == ["anna", "ben"]
    sources = [source for mixture in read_tests(done) for source in mixture.sources]
    assert tested["utterances"] == {source.utterance: source.sha256[:16] for source in sources}
    assert found["seeds"] == {"recipe": 0, "training": {name: [0] for name in RECIPE["systems"]}}
    assert found["quick"] is False and found["plugins"] == [] and found["device"] == "cpu"
    assert found["data"]["layout"] == "folder" and found["data"]["folders"] == {}
    assert found["settings_hash"] == hash_json(found["settings"])
    times = found["core_seconds_of"]["speaker_seen"]
    assert set(times) == {*RECIPE["systems"]} and times["nmf"]["train"] >= 0
    stages = {path.stem for path in (done / "stages").iterdir()} - {"report"}
    spent = [read_json(done / "stages" / f"{stage}.json")["core_seconds"] for stage in stages]
    assert found["core_seconds"] == pytest.approx(sum(spent), abs=0.1)
    assert found["processors"][0]["cores"] and found["date"] == read_json(done / "stages" / "data.json")["date"]
    assert slim(found)["splits"]["speaker_seen"]["systems"]["nmf"]["si_sdr"]["n_total"] == 4


def test_its_tables_are_printed_in_markdown(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(done), "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# Noise\n\nMeasured on ") and "| system | SI-SDR |\n|---|---|\n| `z_floor` | " in printed


def test_data_are_known_wherever_they_lie_and_folders_with_them(done: Path, corpus: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(corpus, elsewhere)
    noise = 0.1 * np.random.default_rng(1).standard_normal(6 * RATE).astype(np.float32)
    audio.write(tmp_path / "noise" / "hum" / "1.wav", noise, sample_rate=RATE)
    first, mixing = read_json(done / "results.json"), {**RECIPE["mixing"], "noise_folder": str(tmp_path / "noise")}
    systems = {"z_floor": RECIPE["systems"]["z_floor"]}
    found = run(elsewhere, tmp_path / "out", mixing=mixing, systems=systems)
    assert found["data"]["corpus"] == first["data"]["corpus"]
    assert set(found["data"]["folders"]) == {"speaker_seen.noise"}
    plain = run(elsewhere, tmp_path / "plain", systems=systems)
    assert plain["settings_hash"] == found["settings_hash"] != first["settings_hash"]
    assert plain["data"]["folders"] == {} and plain["tested"] == first["tested"]
    audio.write(elsewhere / "anna" / "0.wav", noise[:RATE], sample_rate=RATE)
    audio.write(tmp_path / "noise" / "hum" / "1.wav", noise[::-1].copy(), sample_rate=RATE)
    again = run(elsewhere, tmp_path / "out", mixing=mixing, systems=systems)["data"]
    assert again["corpus"] != found["data"]["corpus"] and again["folders"] != found["data"]["folders"]


def test_the_page_shows_a_bound_as_a_ceiling_and_never_as_the_best(done: Path) -> None:
    page = (done / "report.html").read_text()
    found = read_json(done / "results.json")
    row = page[page.index('title="my_bound"') :].partition("</tr>")[0]
    assert 'Ideal ratio mask, 16/8 ms<span class="role ceiling">ceiling</span>' in row
    assert 'class="best"' not in row
    assert {
        test[key] for test in found["splits"]["speaker_seen"]["comparisons"] for key in ("system_a", "system_b")
    } == {
        "z_floor",
        "nmf",
        "a_filter",
    }
    # From floor to ceiling, otherwise as in the recipe.
    rows = [page.index(f'<th scope="row" title="{name}"') for name in ("z_floor", "nmf", "a_filter", "my_bound")]
    assert rows == sorted(rows)


def test_the_page_of_a_run_that_is_read_again_is_the_same(done: Path) -> None:
    page = (done / "report.html").read_bytes()
    rebuild_report(done)
    assert (done / "report.html").read_bytes() == page


def test_a_page_of_a_run_of_another_version(done: Path, tmp_path: Path) -> None:
    """Its settings are none of ours, and its systems do not say what they are."""
    out = tmp_path / "run"
    shutil.copytree(done, out)
    found = read_json(out / "results.json")
    del found["system_facts"], found["measure_facts"]
    found["config"]["systems"]["nmf"]["settings"] = {"colour": "blue"}
    for name in ("my_bound", "z_floor"):
        del found["config"]["systems"][name]["role"], found["config"]["systems"][name]["label"]
    found["config"]["mixing"] = {"of": "then"}
    (out / "results.json").write_text(json.dumps(found))
    rebuild_report(out)
    page = (out / "report.html").read_text()
    for label, role in (("Mixture", "floor"), ("Ideal ratio mask, 16/8 ms", "ceiling"), ("nmf", "baseline")):
        assert f'{label}<span class="role {role}">' in page


@measure("Peak error", "%", 1, better="lower")
@pairwise
def peak_error(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """The largest error, in percent of the largest sample."""
    return float(100 * np.abs(reference - estimate).max() / np.abs(reference).max())


def test_a_page_shows_a_plug_ins_measure_without_the_plug_in(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name in ("_entries", "_registered"):
            patch.setattr(MEASURES, name, dict(getattr(MEASURES, name)))
        plugins.register("measure", "peak_error", peak_error)
        systems = {name: RECIPE["systems"][name] for name in ("z_floor", "nmf")}
        # Without a choice it is taken like all others but for what needs a noise.
        data = {"title": "t", "systems": {"m": {"kind": "mixture"}}}
        usual = parse_config(SeparationRecipe, data, where="test").evaluation.measures
        assert {"peak_error", "peak_error_improvement"} < {*usual}
        run(corpus, tmp_path, systems={**systems, "wavelet": {"kind": "wavelet"}}, evaluation={})
    page = (tmp_path / "report.html").read_text()
    found = read_json(tmp_path / "results.json")
    taken = [one["name"] for one in found["measure_facts"]]
    assert taken == [*(name for name in MEASURES if name != "snr_bsseval_v3_512"), "peak_error"]
    assert "Peak error (%, lower is better)</th>" in page
    means = [found["systems"][name]["peak_error"]["mean"] for name in ("nmf", "wavelet")]
    assert f'class="best">{min(means):.1f}<' in page
    assert "peak_error" not in MEASURES
    rebuild_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == page


def test_results_that_a_page_cannot_be_made_of_are_named(done: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no results\.json: give the --out folder of a finished"):
        rebuild_report(tmp_path)
    found = read_json(done / "results.json")
    del found["config"]["title"]
    shutil.copytree(done, tmp_path / "run")
    (tmp_path / "run/results.json").write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"results\.json: has no 'title': run the recipe again with this version"):
        rebuild_report(tmp_path / "run")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ([], []),
        ([], 5),
        ([], None),
        (["config"], 5),
        (["config"], {"kind": 5}),
        (["config", "cases"], [1]),
        (["config", "splits"], "x"),
        (["config", "published"], [3]),
        (["order"], 5),
        (["order"], ["elsewhere"]),
        (["splits"], []),
        (["splits", "speaker_seen"], []),
        (["splits", "speaker_seen", "systems"], {"nmf": 5}),
        (["splits", "speaker_seen", "comparisons"], [[]]),
        (["system_facts"], {"a": 1}),
        (["measure_facts"], [5]),
        (["notes"], 5),
        (["versions"], 5),
    ],
)
def test_damaged_results_are_named(done: Path, tmp_path: Path, keys: list[str], value: Any) -> None:
    shutil.copytree(done, tmp_path / "run")
    found: Any = read_json(done / "results.json")
    if keys:
        place = found
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    (tmp_path / "run/results.json").write_text(json.dumps(found if keys else value))
    with pytest.raises((InputError, ConfigError), match=r"run/results\.json: "):
        rebuild_report(tmp_path / "run")


def test_a_label_changes_the_page_and_a_claim_the_tests_and_no_system_is_trained_again(
    done: Path, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(done, out)
    before = made(out)
    systems = {**RECIPE["systems"], "nmf": {**RECIPE["systems"]["nmf"], "label": "Mine", "role": "ours"}}
    claim = {"claim": "c", "system": "nmf", "others": ["z_floor"], "direction": "greater", "measure": "si_sdr"}
    found = run(corpus, out, systems=systems, hypotheses=[claim])
    assert 'Mine<span class="role ours">' in (out / "report.html").read_text()
    (test,) = found["splits"]["speaker_seen"]["hypotheses"]
    assert test["claim"]["system"] == "nmf"
    assert {stage for stage, time in made(out).items() if before[stage] != time} == {"speaker_seen-summarise", "report"}
    # Another setting of a system is another system, also for the one behind it.
    settings = {**systems["nmf"]["settings"], "n_atoms": 5}
    again = made(out)
    run(corpus, out, systems={**systems, "nmf": {**systems["nmf"], "settings": settings}}, hypotheses=[claim])
    changed = {stage for stage, time in made(out).items() if again[stage] != time}
    assert {"speaker_seen-train-nmf", "speaker_seen-separate-a_filter", "speaker_seen-evaluate"} <= changed
    assert "speaker_seen-separate-my_bound" not in changed


def test_a_recipe_says_on_the_page_and_at_once_what_it_draws(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mixing = {**RECIPE["mixing"], "sources": ["any"], "folds": [["FVMH0"], ["MBMA1"]], "n_train": 4}
    systems = {"mixture": {"kind": "mixture"}}
    results = run(corpus, tmp_path / "out", mixing=mixing, splits=["speaker_open"], systems=systems)
    (said,) = results["drawn"]
    assert said in results["notes"] and "tests by name: others are drawn" in said
    assert caplog.text.count(said) == 1
    assert said in (tmp_path / "out" / "report.html").read_text()
