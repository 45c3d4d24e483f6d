"""A whole run on a corpus of tones in the layout of TIMIT: what it leaves, and that it goes on and repeats itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import Cancelled, ConfigError, InputError
from sepvae.files import remove
from sepvae.progress import Event, listening
from sepvae.recipe.augmentation.folder import FoldFolder
from sepvae.recipe.augmentation.folds import Fold
from sepvae.recipe.augmentation.schema import AugmentationRecipe
from sepvae.recipe.augmentation.stages import FoldRun
from sepvae.recipe.committed import slim
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.run import rebuild_report, run_recipe
from sepvae.report.markdown import results_markdown

RATE = 16000
PHONES = ("h#", "s", "iy", "aa")
RECIPE: dict[str, Any] = {
    "kind": "augmentation",
    "title": "Tones",
    "folds": 2,
    "seeds": 2,
    "model": {
        "model": {"settings": {"channels": 4, "hidden": 8, "latent": 4}},
        "optimiser": {"epochs": 2, "batch_size": 16, "segment_hop_frames": 10},
    },
    "recogniser": {"channels": 8, "steps": 10, "batch_size": 4, "crop_frames": 20},
    "unlabelled": {"methods": ["gain", "noise"], "settings": {"gain": {"gain_db": 0}}},
    "arms": {
        "none": {},
        "classical": {"methods": ["speed+noise"], "recordings": True, "label": "Classical"},
        "replace": {"methods": ["replace"], "copies": 2, "label": "Replacement"},
    },
    "conditions": {
        "clean": {},
        "noise": {"method": "noise", "settings": {"noise": {"snr_db": 0}}},
        "room": {"method": "reverberation"},
    },
    "voice_check": {"targets": 2},
    "hypotheses": [{"claim": "Better", "system": "replace", "others": ["none"], "direction": "greater"}],
}


def write_corpus(root: Path, *, utterances: int = 4) -> Path:
    """Write four speakers, each with a pitch, who say other sentences of four phones each."""
    for number, speaker in enumerate(("FABC0", "FDEF0", "MGHI0", "MJKL0")):
        folder = root / "TRAIN" / "DR1" / speaker
        folder.mkdir(parents=True)
        for sentence in range(utterances):
            rng = np.random.default_rng([number, sentence])
            length = 2400
            order = [PHONES[one] for one in rng.permutation(len(PHONES))]
            time = np.arange(length) / RATE
            tones = {"h#": 0.0, "s": 5000.0, "iy": 2500.0, "aa": 800.0}
            parts = [0.2 * np.sin(2 * np.pi * (tones[phone] + 60 * number) * time) for phone in order]
            wave = np.concatenate(parts) + 0.01 * rng.standard_normal(length * len(order))
            name = f"SX{10 * number + sentence}"
            audio.write(folder / f"{name}.WAV", wave.astype(np.float32), sample_rate=RATE, subtype="pcm16")
            lines = [f"{length * place} {length * (place + 1)} {phone}\n" for place, phone in enumerate(order)]
            (folder / f"{name}.PHN").write_text("".join(lines))
            (folder / f"{name}.TXT").write_text(f"0 {len(wave)} Sentence {number} {sentence}.\n")
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tones") / "TIMIT")


def load(**changes: Any) -> AugmentationRecipe:
    return parse_config(AugmentationRecipe, {**RECIPE, **changes}, where="test")


@pytest.fixture(scope="module")
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run_recipe(load(), out=out, corpus=corpus, device="cpu")
    return out


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cancelled_run_goes_on_to_the_same_results(done: Path, corpus: Path, tmp_path: Path, jobs: int) -> None:
    def hear(event: Event) -> None:
        seen.append(event.job.description)
        if event.job.description == "fold_1-model: train" and event.job.done > 1:
            listener.cancel()

    seen: list[str] = []
    with pytest.raises(Cancelled), listening(hear) as listener:
        run_recipe(load(), out=tmp_path, corpus=corpus, device="cpu", jobs=jobs)
    # Wherever it ran, everything that runs is heard with its stage.
    assert {"fold_1-unlabelled: augmenting", "fold_1-model"} <= set(seen)
    run_recipe(load(), out=tmp_path, corpus=corpus, device="cpu", jobs=jobs)
    took = {"core_seconds", "core_seconds_of", "date"}
    again, whole = ({key: value for key, value in results(out).items() if key not in took} for out in (tmp_path, done))
    assert again == whole


def test_results_have_the_form_of_all_recipes(done: Path) -> None:
    found = results(done)
    assert found["order"] == ["mismatched", "clean", "noise", "room"] == list(load().part_names)
    assert found["systems"] == found["splits"]["mismatched"]["systems"]
    for part, factor in (("mismatched", 2), ("clean", 1), ("noise", 1), ("room", 1)):
        for arm in ("none", "classical", "replace"):
            summary = found["splits"][part]["systems"][arm]["phone_accuracy"]
            # Four utterances of four speakers by recognisers of two seeds.
            assert summary["n_valid"] == summary["n_total"] == 32 * factor
            low, high = summary["ci95"]
            assert 0 <= low <= summary["mean"] <= high <= 100
        assert len(found["splits"][part]["comparisons"]) == 3 * 2
    # A claim is tested in each part, over the speakers.
    for part in found["order"]:
        (claim,) = found["splits"][part]["hypotheses"]
        assert claim["n_pairs"] == claim["n_clusters"] == 4
    assert found["mismatched"] == ["noise", "room"]
    assert {"config", "plugins", "versions", "seed", "data", "notes"} <= set(found)
    assert parse_config(AugmentationRecipe, found["config"], where="results") == load()


def test_results_say_what_made_them(done: Path) -> None:
    found = results(done)
    tested = found["tested"]["noise"]
    assert tested == found["tested"]["mismatched"] and len(tested["utterances"]) == 16
    assert tested["speakers"] == ["FABC0", "FDEF0", "MGHI0", "MJKL0"]
    # Two seeds in each of two folds.
    assert {len(set(seeds)) for seeds in found["seeds"]["training"].values()} == {4}
    stages = {path.stem for path in (done / "stages").iterdir()} - {"report"}
    spent = [json.loads((done / "stages" / f"{stage}.json").read_text())["core_seconds"] for stage in stages]
    assert found["core_seconds"] == pytest.approx(sum(spent), abs=0.1)
    assert set(found["core_seconds_of"]["fold_2"]["replace"]) == {"arm", "score"}
    assert "| `replace` |" in results_markdown(found) and slim(found)["voice_check"]


def test_the_main_part_is_the_mean_of_the_others(done: Path) -> None:
    splits = results(done)["splits"]
    for arm in ("none", "classical", "replace"):
        of = {part: splits[part]["systems"][arm]["phone_accuracy"]["mean"] for part in splits}
        assert of["mismatched"] == pytest.approx((of["noise"] + of["room"]) / 2)


def test_the_gain_of_an_arm_is_told_by_condition(done: Path) -> None:
    splits = results(done)["splits"]
    for part in splits:
        means = {arm: found["phone_accuracy"]["mean"] for arm, found in splits[part]["systems"].items()}
        assert set(splits[part]["gains"]) == {"classical", "replace"}
        for arm, found in splits[part]["gains"].items():
            gain = found["phone_accuracy"]
            assert gain["mean"] == pytest.approx(means[arm] - means["none"])
            assert gain["ci95"][0] <= gain["mean"] <= gain["ci95"][1]
            assert gain["n_total"] == splits[part]["systems"][arm]["phone_accuracy"]["n_total"]


def test_what_training_has_heard_of_a_condition_stands_in_the_results(done: Path) -> None:
    heard = results(done)["heard"]
    assert set(heard) == {"noise", "room"}
    how = {condition: {name: one["how"] for name, one in found.items()} for condition, found in heard.items()}
    assert how["noise"] == {"unlabelled": "beyond", "none": "never", "classical": "beyond", "replace": "never"}
    assert heard["noise"]["unlabelled"]["outside"] == ["snr_db"]
    assert set(how["room"].values()) == {"never"}


def test_a_recording_of_the_test_in_training_is_refused(corpus: Path, tmp_path: Path) -> None:
    """Settings of an arm that bring back what was kept for the test."""
    arm = {"methods": ["noise"], "settings": {"noise": {"only": ["water/0", "water/1"]}}}
    planted = load(arms={**RECIPE["arms"], "classical": arm})
    with pytest.raises(InputError, match="condition noise has the synthetic recording water/0, which training has too"):
        run_recipe(planted, out=tmp_path, corpus=corpus, device="cpu")
    assert not (tmp_path / "fold_1").exists()


def test_arms_with_synthetic_noise_do_not_hear_that_of_the_test(done: Path, corpus: Path) -> None:
    recipe = load(arms={**RECIPE["arms"], "classical": {"methods": ["noise"]}})
    run = FoldRun(recipe, corpus, Fold(1, (), ()), FoldFolder(done), "cpu")
    arm, test = run.augmentation_of_arm("classical"), run.augmentation_of_condition("noise")
    assert arm.settings["noise"]["only"] and test.settings["noise"]["only"]
    assert not set(arm.settings["noise"]["only"]) & set(test.settings["noise"]["only"])


def test_the_checks_of_voices_say_what_was_recognised(done: Path) -> None:
    found = results(done)["voice_check"]
    assert found["chance"] == 25
    assert set(found["systems"]) == {"recorded", "replaced", "decoded", "decoded_replaced"}
    assert [type(check["passed"]) for check in found["checks"]] == [bool] * 3
    # Two targets of each of sixteen utterances.
    assert found["systems"]["replaced"]["target_chosen"]["n_valid"] == 32
    spaces = results(done)["nuisance"]
    assert set(spaces) == {"fold_1", "fold_2"}
    assert sum(spaces["fold_1"]["shares"]) == pytest.approx(1)


def test_no_model_has_heard_the_test_speakers(done: Path) -> None:
    for fold in ("fold_1", "fold_2"):

        def speakers(folder: Path) -> set[str]:
            lines = (folder / "records.jsonl").read_text().splitlines()
            return {json.loads(line)["speaker"] for line in lines}

        tested = speakers(done / fold / "test" / "clean")
        assert len(tested) == 2
        assert not tested & speakers(done / fold / "unlabelled")
        assert not tested & speakers(done / fold / "arms" / "replace")
        basis = json.loads((done / fold / "model" / "model" / "nuisance.json").read_text())
        assert not tested & {utterance[2] for utterance in basis["utterances"]}


def test_a_run_repeats_itself_and_goes_on_where_it_was(done: Path, corpus: Path, tmp_path: Path) -> None:
    run_recipe(load(), out=tmp_path, corpus=corpus, device="cpu")
    same = ("splits", "voice_check", "nuisance", "data", "tested", "seeds")
    assert {name: results(tmp_path)[name] for name in same} == {name: results(done)[name] for name in same}
    scores = tmp_path / "fold_1" / "scores"
    before = {path.name: path.stat().st_mtime_ns for path in scores.iterdir()}
    model = (tmp_path / "fold_1" / "model" / "model" / "config.json").stat().st_mtime_ns
    # As if it had been killed, and with another arm: only what is missing or new is made.
    remove(scores / "none.json")
    arms = {**RECIPE["arms"], "soft": {"methods": ["soft"]}}
    run_recipe(load(arms=arms), out=tmp_path, corpus=corpus, device="cpu")
    after = {path.name: path.stat().st_mtime_ns for path in scores.iterdir()}
    assert set(after) == {*before, "soft.json"}
    assert {name for name in before if after[name] != before[name]} == {"none.json"}
    assert (tmp_path / "fold_1" / "model" / "model" / "config.json").stat().st_mtime_ns == model
    again = results(tmp_path)["splits"]["clean"]["systems"]
    assert again["none"] == results(done)["splits"]["clean"]["systems"]["none"]
    assert "soft" in again


def test_the_page_shows_before_and_after_and_can_be_built_again(done: Path) -> None:
    page = (done / "report.html").read_text()
    shown = ("As recorded", "Replacement", "Classical: speed+noise", "The nuisance space", "Better")
    for text in (*shown, "Gain by condition", "What of each condition was heard", "heard, of other snr_db"):
        assert text in page
    assert "BSSEval" not in page
    # A woman and a man in two arms each, and a test utterance in two conditions beside the clean one.
    assert page.count("<audio") == 2 * (1 + 2) + (1 + 2)
    rebuild_report(done)
    assert (done / "report.html").read_text() == page


def test_a_page_of_a_run_of_another_version(done: Path, tmp_path: Path) -> None:
    """Its settings are none of ours, and its arms do not say what they are."""
    out = tmp_path / "run"
    shutil.copytree(done, out)
    found = results(out)
    del found["system_facts"], found["measure_facts"], found["heard"]
    found["config"] = {**found["config"], "identity": {"targets": 2}, "model": {"of": "then"}}
    found["config"]["arms"]["replace"]["methods"] = ["of_then"]
    (out / "results.json").write_text(json.dumps(found))
    rebuild_report(out)
    page = (out / "report.html").read_text()
    for name, role in (("No augmentation", "floor"), ("classical", "baseline"), ("replace", "ours")):
        assert f'{name}<span class="role {role}">' in page
    # Accuracies are called and shown as ever.
    for text in ("Phones (%)</th>", "Frames (%)</th>", "Violin plots of Phones", '<td class="text">Phones</td>'):
        assert text in page
    assert not any(text in page for text in ("Violin plots of Frames", '<td class="text">Frames</td>'))
    assert page.count("<audio") == (done / "report.html").read_text().count("<audio")


def test_without_data_it_says_what_to_give(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    with pytest.raises(ConfigError, match="this recipe needs speech: give its folder with --corpus DIR"):
        run_recipe(load_recipe(path), out=tmp_path / "out")
