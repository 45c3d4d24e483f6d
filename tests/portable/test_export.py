"""Graphs give what networks give, at any length; what cannot be exported, or is damaged, is said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sepvae import audio
from sepvae.config import parse_config
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sepvae.estimator.exported import exported
from sepvae.estimator.folder_names import PROVENANCE, WEIGHTS
from sepvae.estimator.shipped import shipped_models
from sepvae.files import read_json, write_json
from sepvae.portable.facts import NETWORK, PortableFacts
from sepvae.portable.network import Network
from sepvae.portable.separator import PortableSeparator
from sepvae.separation.separator import Separator
from sepvae.settings import merge, preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint

pytest.importorskip("onnx", reason="the extra 'export' is not installed")
from sepvae.portable.export import export_beside, export_file

RATE = 8000
SMALL: dict[str, dict[str, Any]] = {
    "temporal_vae": {"hidden": 16, "latent": 8, "encoder_blocks": 2, "decoder_blocks": 1},
    "any_talkers": {"hidden": 16, "latent": 8, "encoder_blocks": 2, "decoder_blocks": 1, "cepstrum": 20},
    "conv_tasnet": {"filters": 16, "bottleneck": 8, "hidden": 8, "blocks": 2, "repeats": 1},
    "vae": {"hidden": [16], "latent": 8},
}


def noise(*shape: int) -> NDArray[np.float32]:
    return (0.05 * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def made(name: str, **settings: Any) -> Checkpoint:
    changes = {"frontend": {"sample_rate": RATE}, "model": {"settings": SMALL[name]}}
    training = parse_config(TrainingConfig, merge(preset(name), merge(changes, settings)), where="test")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return fresh_checkpoint(training, ["female", "male"])


def same(portable: PortableSeparator, checkpoint: Checkpoint, *, n_samples: int = 20_000) -> None:
    """The two give the same, in blocks too, and what they give adds up."""
    wave = noise(2, n_samples)
    wave[1, : n_samples // 2] *= 0.01
    expected, found = Separator([checkpoint]).separate(wave, RATE), portable.separate(wave, RATE)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6)
    blocks, others = (
        list(one.stream(lambda start, stop: wave[:, start:stop], n_samples=n_samples, block_s=0.5))
        for one in (portable, Separator([checkpoint]))
    )
    assert len(blocks) > 1
    for block, other in zip(blocks, others, strict=True):
        for name in expected:
            np.testing.assert_allclose(block[name], other[name], atol=2e-6)


@pytest.mark.parametrize("name", SMALL)
def test_a_file_gives_what_the_network_gives(name: str, tmp_path: Path) -> None:
    checkpoint = made(name)
    export_file(tmp_path / "m.onnx", checkpoint)
    portable = PortableSeparator.load(tmp_path / "m.onnx")
    assert portable.sources == ("female", "male")
    assert portable.alike == checkpoint.config.alike
    assert portable.sample_rate == RATE
    if name != "any_talkers":  # whose order is found in each block
        same(portable, checkpoint)


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_a_graph_has_its_weights_from_the_folder(weights: Any, tmp_path: Path) -> None:
    """As they are stored: the graph is small, and what is stored with less precision is what both run."""
    checkpoint = exported(made("temporal_vae", model={"settings": {"hidden": 64}}), weights=weights)
    save_checkpoint(tmp_path / "m", checkpoint, beside=partial(export_beside, checkpoint=checkpoint))
    same(PortableSeparator.load(tmp_path / "m"), load_checkpoint(tmp_path / "m"))
    export_file(tmp_path / "m.onnx", checkpoint)
    sizes = [(tmp_path / name).stat().st_size for name in (f"m/{NETWORK}", f"m/{WEIGHTS}", "m.onnx")]
    assert sizes[0] < 0.5 * sizes[1]
    assert sizes[2] < sizes[0] + 1.1 * sizes[1]
    same(PortableSeparator.load(tmp_path / "m.onnx"), load_checkpoint(tmp_path / "m"))
    # Where it was made nobody needs to know.
    for file in (tmp_path / "m" / NETWORK, tmp_path / "m.onnx"):
        assert b".py" not in file.read_bytes()
        assert str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize("name", shipped_models() or [pytest.param("", marks=pytest.mark.skip(reason="none ships"))])
def test_what_ships_runs_without_torch_where_it_can(name: str) -> None:
    folder = shipped_models()[name]
    if not (folder / NETWORK).is_file():
        pytest.skip("works by several microphones, or on speech alone")
    assert (folder / NETWORK).stat().st_size + (folder / WEIGHTS).stat().st_size < 5e6
    portable, wave = PortableSeparator.load(name), noise(30_000)
    expected = Separator.load(folder).separate(wave, 16_000)
    for source, found in portable.separate(wave, 16_000).items():
        np.testing.assert_allclose(found, expected[source], atol=1e-4 * np.abs(wave).max())


@pytest.mark.parametrize(
    ("preset_name", "reason"),
    [
        ("mlae", "it is fitted to each mixture, which takes gradients"),
        ("segment_conv", "it takes no mixtures of one microphone apart"),
    ],
)
def test_what_needs_torch_is_said(preset_name: str, reason: str, tmp_path: Path) -> None:
    training = parse_config(TrainingConfig, preset(preset_name), where="test")
    with torch.random.fork_rng(), pytest.raises(ConfigError, match=reason):
        export_file(tmp_path / "m.onnx", fresh_checkpoint(training, ["female", "male"]))
    assert not (tmp_path / "m.onnx").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("portable") / "m"
    checkpoint = exported(made("any_talkers"), weights="int8", known_as=("small", 3))
    save_checkpoint(path, checkpoint, beside=partial(export_beside, checkpoint=checkpoint))
    return path


def test_a_folder_whose_files_do_not_belong_together_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in (NETWORK, WEIGHTS, "config.json"):
        copy = tmp_path / name.replace(".", "_")
        shutil.copytree(folder, copy)
        changed = bytearray((copy / name).read_bytes())
        changed[-2] ^= 1
        (copy / name).write_bytes(changed)
        with pytest.raises((CheckpointError, InputError)):
            PortableSeparator.load(copy)
    shutil.copytree(folder, tmp_path / "unsigned")
    facts = read_json(tmp_path / "unsigned" / PROVENANCE)
    del facts["network_sha256"]
    write_json(tmp_path / "unsigned" / PROVENANCE, facts)
    with pytest.raises(CheckpointError, match=r"its files do not belong together \(network_sha256\)"):
        PortableSeparator.load(tmp_path / "unsigned")


def test_files_that_are_no_models_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"\x00\x01not a graph" * 100)
    with pytest.raises(CheckpointError, match="is no model that onnxruntime can run"):
        PortableSeparator.load(tmp_path / "noise.onnx")
    # A graph without the weights that it refers to.
    shutil.copy(folder / NETWORK, tmp_path / "alone.onnx")
    with pytest.raises(CheckpointError, match="is no model that onnxruntime can run"):
        PortableSeparator.load(tmp_path / "alone.onnx")
    with pytest.raises(CheckpointError, match="no such model folder"):
        PortableSeparator.load(tmp_path / "none.onnx")
    save_checkpoint(tmp_path / "plain", made("vae"))
    with pytest.raises(CheckpointError, match=r"has no network.onnx, so it needs torch"):
        PortableSeparator.load(tmp_path / "plain")


def test_a_graph_of_somebody_else_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    def file(facts: str | None, *outputs: str) -> Path:
        node = helper.make_node("Identity", ["mixture"], ["sources"])
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("mixture", "sources")]
        graph = helper.make_graph([node], "g", values[:1], values[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        if facts is not None:
            helper.set_model_props(model, {"sepvae": facts})
        onnx.save(model, tmp_path / "x.onnx")
        return tmp_path / "x.onnx"

    with pytest.raises(CheckpointError, match="is no model of sepvae"):
        PortableSeparator.load(file(None))
    with pytest.raises(CheckpointError, match="domain"):
        PortableSeparator.load(file('{"sources": ["a"]}'))
    facts = (
        '{"domain": "spectra", "sources": ["a", "b"], "sample_rate": 8000, "window": "hann", "window_samples": 128, '
        '"hop_samples": 64, "hop_ms": 8.0, "normalisation": "rms", "context_samples": 0}'
    )
    with pytest.raises(CheckpointError, match="is no 1 to 256 hops"):
        PortableSeparator.load(file(facts.replace('"hop_samples": 64', '"hop_samples": 640')))
    portable = PortableSeparator.load(file(facts))
    with pytest.raises(CheckpointError, match="gives"):
        portable.separate(noise(3000), RATE)


def test_nan_is_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    portable = PortableSeparator.load(folder)
    monkeypatch.setattr(Network, "__call__", lambda self, values: np.full((2, *values.shape[:3]), np.nan, np.float32))
    with pytest.raises(CheckpointError, match="gives NaN or infinity for this mixture"):
        portable.separate(noise(3000), RATE)


WITHOUT_TORCH = """
import importlib.util, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "torch" else found(name, package)
from sepvae.cli import program
raise SystemExit(program())
"""


def run_without_torch(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a Python in which there is no torch to import."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, args)], capture_output=True, text=True, check=False
    )


def test_the_program_separates_without_torch(folder: Path, tmp_path: Path) -> None:
    """At once, with voices to keep, and behind a band-pass; and says what it needs where it needs torch."""
    audio.write(tmp_path / "talk.wav", noise(16_000), sample_rate=RATE)
    for name, more in {"plain": [], "passed": ["--band-pass", "300", "3000"]}.items():
        done = run_without_torch("separate", tmp_path / "talk.wav", "-m", folder, "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    outputs = [audio.read(tmp_path / "plain/talk" / f"{name}.wav").wave for name in ("female", "male")]
    np.testing.assert_allclose(sum(outputs), audio.read(tmp_path / "talk.wav").wave, atol=1e-6)
    done = run_without_torch("separate", tmp_path / "talk.wav", "-o", tmp_path / "default", "-q")
    assert done.returncode == 0, done.stderr
    done = run_without_torch("model", "list")
    assert done.returncode == 0, done.stderr
    assert "any-talkers@" in done.stdout
    done = run_without_torch("info")
    assert done.returncode == 0, done.stderr
    assert "PyTorch is missing" in done.stdout
    done = run_without_torch("info", folder)
    assert done.returncode == 1
    assert "needs the optional extra 'torch': pip install 'sepvae[torch]'" in done.stderr


def test_the_program_exports(folder: Path, sepvae: Any, tmp_path: Path) -> None:
    done = sepvae("model", "export", folder, "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    again = sepvae("model", "export", folder, "-o", tmp_path / "m.onnx")
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert sepvae("model", "export", folder, "-o", tmp_path / "copy", "--onnx").returncode == 0
    audio.write(tmp_path / "talk.wav", noise(8000), sample_rate=RATE)
    for number, model in enumerate((tmp_path / "m.onnx", tmp_path / "copy")):
        out = tmp_path / f"out{number}"
        done = sepvae("separate", tmp_path / "talk.wav", "-m", model, "-o", out, "--backend", "onnx")
        assert done.returncode == 0, done.stderr
    files = [audio.read(tmp_path / f"out{number}/talk/female.wav").wave for number in (0, 1)]
    np.testing.assert_allclose(files[0], files[1], atol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-m {onnx} --backend torch", "is an ONNX file: give its model folder, or --backend onnx"),
        ("-m {onnx} -m {onnx}", "runs one model, 2 are given"),
        ("-m {onnx} --mask ratio", "--mask: an ONNX file has the mask of its model"),
        ("-m {onnx} --device cuda", "--device cuda: onnxruntime runs on the cpu here"),
    ],
)
def test_wrong_usage_is_said(line: str, message: str, folder: Path, sepvae: Any, tmp_path: Path) -> None:
    audio.write(tmp_path / "talk.wav", noise(800), sample_rate=RATE)
    done = sepvae(
        "separate", tmp_path / "talk.wav", "-o", tmp_path / "out", *line.format(onnx=tmp_path / "m.onnx").split()
    )
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("rate", [11_025, 22_050])
def test_levels_agree_at_rates_whose_hops_are_no_whole_milliseconds(rate: int, tmp_path: Path) -> None:
    checkpoint = made("temporal_vae", frontend={"sample_rate": rate, "stft": {"window_ms": 16, "hop_ms": 8}})
    export_file(tmp_path / "m.onnx", checkpoint)
    wave = noise(1, 3 * rate)
    wave[:, : 2 * rate] *= np.float32(0.05)
    expected, found = (
        one.separate(wave, rate) for one in (Separator([checkpoint]), PortableSeparator.load(tmp_path / "m.onnx"))
    )
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6)


def test_nothing_is_read_beside_a_file(tmp_path: Path) -> None:
    """Of a file by itself all weights are in it; what a graph names elsewhere is refused, wherever that is."""
    from onnx import TensorProto, helper

    np.ones(4, np.float32).tofile(tmp_path / "secret.bin")
    (tmp_path / "inside").mkdir()
    np.ones(4, np.float32).tofile(tmp_path / "inside" / "sibling.bin")
    for location in ("sibling.bin", "../secret.bin", str(tmp_path / "secret.bin")):
        weight = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        for key, value in {"location": location, "offset": "0", "length": "16"}.items():
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("mixture", "sources")]
        node = helper.make_node("Add", ["mixture", "w"], ["sources"])
        graph = helper.make_graph([node], "g", values[:1], values[1:], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        (tmp_path / "inside" / "m.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(CheckpointError, match="is no model that onnxruntime can run"):
            PortableSeparator.load(tmp_path / "inside" / "m.onnx")


def test_the_graph_in_a_folder_goes_with_its_folder(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert PortableSeparator.load(copy / NETWORK).sources == ("female", "male")
    weights = bytearray((copy / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (copy / WEIGHTS).write_bytes(weights)
    with pytest.raises(CheckpointError, match="do not belong together"):
        PortableSeparator.load(copy / NETWORK)


FACTS = {
    "domain": "spectra", "sources": ["a", "b"], "sample_rate": 8000, "window": "hann", "window_samples": 128,
    "hop_samples": 64, "hop_ms": 8.0, "normalisation": "rms", "context_samples": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_samples": 1 << 20, "hop_samples": 4096}, "longer than a second"),
        ({"hop_samples": 128}, "overlap too little"),
        ({"sources": ["a"]}, "shares the mixture with nobody"),
        ({"context_samples": 64 * 8000 * 2}, "more than 60 s"),
        ({"context_samples": 3}, "is no number of hops"),
        ({"alike": ["c"]}, "alike names one that is none"),
    ],
)
def test_facts_that_no_front_end_has_are_refused(changes: dict[str, Any], message: str) -> None:
    assert parse_config(PortableFacts, FACTS, where="test").n_bins == 65
    with pytest.raises(ConfigError, match=message):
        parse_config(PortableFacts, FACTS | changes, where="test")


def test_a_graph_has_no_more_memory_than_a_model_needs(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    size = numpy_helper.from_array(np.array([1 << 31]), "n")
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["mixture", "sum"], ["sources"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("mixture", "sources")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [size])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"sepvae": json.dumps(FACTS)})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=r"does not run|is no model that onnxruntime can run"):
        PortableSeparator.load(tmp_path / "m.onnx").separate(noise(3000), RATE)


@pytest.mark.parametrize("verb", ["separate", "enhance", "enrol", "mix"])
def test_help_needs_no_torch(verb: str) -> None:
    done = run_without_torch(verb, "--help")
    assert done.returncode == 0, done.stderr
