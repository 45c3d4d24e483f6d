"""Model folders: what is saved is what is loaded, all of it readable, none of it code, nothing half-written."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from sepvae.config import parse_config
from sepvae.errors import CheckpointError, ConfigError, OutputError
from sepvae.estimator.checkpoint import Checkpoint, CheckpointConfig, load_checkpoint, save_checkpoint
from sepvae.estimator.folder import find_model_folder, versions
from sepvae.estimator.weights import read_tensors, write_tensors
from sepvae.files import hash_file, hash_json
from sepvae.training.config import TrainingConfig, fresh_checkpoint


def make(seed: int = 0, **training: Any) -> Checkpoint:
    settings = {"model": {"settings": {"hidden": [4], "latent": 2}}, "frontend": {"sample_rate": 8000}, **training}
    config = parse_config(TrainingConfig, settings, where="test")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return fresh_checkpoint(config, ["female", "male"])


def same_weights(one: Checkpoint, two: Checkpoint) -> bool:
    first, second = one.estimator.networks.state_dict(), two.estimator.networks.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    models = make(mask="wiener")
    save_checkpoint(tmp_path / "model", models, provenance={"seed": 3})
    loaded = load_checkpoint(tmp_path / "model")
    assert loaded.config == models.config
    assert same_weights(loaded, models)
    assert loaded.estimator.frontend.stft.window_samples == 128
    assert not loaded.estimator.networks.training


def test_a_folder_holds_weights_config_provenance_and_card(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", make(), provenance={"seed": 3, "data_hash": "abc"})
    names = {"model.safetensors", "config.json", "provenance.json", "README.md"}
    assert {path.name for path in (tmp_path / "model").iterdir()} == names
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["schema_version"] == 2
    assert config["estimator"]["model"]["settings"]["activation"] == "relu", "defaults are written out"
    provenance = json.loads((tmp_path / "model" / "provenance.json").read_text())
    assert provenance["seed"] == 3
    assert provenance["versions"] == versions()
    assert provenance["config_hash"] == hash_json(config)
    assert provenance["weights_sha256"] == hash_file(tmp_path / "model" / "model.safetensors")


def test_weights_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        save_checkpoint(tmp_path / name, make(seed), provenance={})
    shutil.copy(tmp_path / "two/model.safetensors", tmp_path / "one/model.safetensors")
    with pytest.raises(CheckpointError, match=r"is not the file that was saved with provenance\.json: copy the"):
        load_checkpoint(tmp_path / "one")
    (tmp_path / "one/provenance.json").unlink()
    assert same_weights(load_checkpoint(tmp_path / "one"), make(1))


def test_the_card_tells_a_person_what_it_is(tmp_path: Path) -> None:
    models = make()
    save_checkpoint(tmp_path / "model", models, provenance={"seed": 3})
    card = (tmp_path / "model" / "README.md").read_text()
    n_weights = sum(weight.numel() for weight in models.estimator.networks.parameters())
    for words in ("female, male", "8000 Hz", f"{n_weights:,} weights", "16/8 ms", "sepvae separate", "- seed: 3"):
        assert words in card


def test_the_card_of_a_conditional_model_says_how_it_is_used(voice_model: Path, tmp_path: Path) -> None:
    models = load_checkpoint(voice_model)
    card = (voice_model / "model/README.md").read_text()
    assert "sepvae demix FILE -m THIS_FOLDER --algorithm fastmvae2_refined -o OUT" in card
    assert "It knows the speakers hiss, hum by name, and others less well." in card
    assert "mask" not in card
    # Of many speakers the first.
    many = [f"p{number}" for number in range(30)]
    estimator = models.config.estimator
    choice = estimator.model.with_settings(classes=many)
    config = models.config.model_copy(update={"estimator": estimator.model_copy(update={"model": choice})})
    save_checkpoint(tmp_path / "model", Checkpoint(config, config.build()), provenance={})
    assert "p18, p19 and 10 more by name" in (tmp_path / "model/README.md").read_text()


def test_weights_are_named_by_source(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", make(), provenance={})
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert {name.partition(".")[0] for name in file.keys()} == {"female", "male"}  # noqa: SIM118


def test_saving_again_replaces_the_folder(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", make(0), provenance={})
    save_checkpoint(tmp_path / "model", make(1), provenance={})
    assert same_weights(load_checkpoint(tmp_path / "model"), make(1))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, make(), provenance={"seed": 0})
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_full_disk_leaves_the_old_model(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", make(0), provenance={})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*model"):
            save_checkpoint(tmp_path / "model", make(1), provenance={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same_weights(load_checkpoint(tmp_path / "model"), make(0))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*it is a file"):
        save_checkpoint(tmp_path / "file", make(), provenance={})
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "model", make(), provenance={})


def test_the_model_of_a_run_is_found_by_the_run(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run" / "model", make(), provenance={})
    assert find_model_folder(tmp_path / "run") == tmp_path / "run" / "model"
    assert find_model_folder(str(tmp_path / "run" / "model")) == tmp_path / "run" / "model"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (("a", "a"), "source name 'a' is there twice: give another"),
        (("train",), "source name 'train' is taken by torch: give another"),
    ],
)
def test_impossible_names_are_refused(sources: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make().config.model_copy(update={"sources": sources}).build()


@pytest.mark.parametrize("name", ["", "a.b", "../x", "/x", "a b", "x\n"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"test: sources\.0"):
        parse_config(CheckpointConfig, {"sources": [name], "estimator": {}}, where="test")


def test_names_in_any_script_are_taken(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model", fresh_checkpoint(TrainingConfig(), ["Zoë", "話者-1"]))
    assert list(load_checkpoint(tmp_path / "model").estimator.networks) == ["Zoë", "話者-1"]


def test_shapes_are_built_without_memory() -> None:
    training = {"model": {"settings": {"hidden": [65536] * 8}}}
    config = parse_config(TrainingConfig, training, where="test")
    stored = CheckpointConfig(sources=("a",), estimator=config.estimator())
    for device in ("meta", "cpu"):
        with pytest.raises(ConfigError, match=r"weights of the model = \d\.\d+e\+10: at most 5e\+07 are"):
            stored.build(device=device)


def test_tensors_of_any_layout_survive(tmp_path: Path) -> None:
    tensors = {
        "transposed": torch.arange(12.0).view(3, 4).T,
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 5),
        "double": torch.rand(3, dtype=torch.float64),
        "tracked": torch.rand(3, requires_grad=True),
    }
    write_tensors(tmp_path / "x.safetensors", tensors)
    for name, tensor in read_tensors(tmp_path / "x.safetensors").items():
        assert torch.equal(tensor, tensors[name])
    with pytest.raises(CheckpointError, match="damaged weights file"):
        read_tensors(tmp_path / "missing.safetensors")
