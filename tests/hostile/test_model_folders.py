"""Model folders that are incomplete, damaged, foreign or hostile: always a CheckpointError that says what to do."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.errors import CheckpointError
from sepvae.estimator.checkpoint import CheckpointConfig, load_checkpoint, save_checkpoint
from sepvae.separation.separator import Separator
from sepvae.training.config import TrainingConfig, fresh_checkpoint

SMALL = {
    "model": {"settings": {"hidden": [4], "latent": 2}},
    "frontend": {"sample_rate": 8000, "stft": {"window_ms": 2, "hop_ms": 1}},
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "model"
    config = parse_config(TrainingConfig, SMALL, where="test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder, fresh_checkpoint(config, ["female", "male"]), provenance={})
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A sound model folder to damage."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def refused(path: Path, words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(path)
    # A message for a person: not a dump of the file.
    assert len(str(caught.value)) < 2000


def safetensors(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Return the bytes of a safetensors file with any header and any claim about its length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(start: int, stop: int, *, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(stop - start) // 4] if shape is None else shape, "data_offsets": [start, stop]}


def test_the_folder_itself_is_sound(good: Path) -> None:
    assert load_checkpoint(good).config.sources == ("female", "male")


# Missing and misplaced.


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"the model folder has no {name}: copy it again, or train anew")


@pytest.mark.parametrize("name", ["provenance.json", "README.md"])
def test_files_for_people_may_be_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    load_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_in_the_place_of_a_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, f"the model folder has no {name}")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_link_to_nowhere_and_a_loop(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)
    refused(folder, f"the model folder has no {name}")


def test_paths_that_are_no_folder(tmp_path: Path, folder: Path) -> None:
    refused(tmp_path / "none", "no such model folder: train one with 'sepvae train'")
    refused(folder / "config.json", "is a file, expected a model folder with model.safetensors and config.json")
    refused(tmp_path / ("x" * 1000), "cannot be read|no such model folder")
    refused(Path("a\0b"), "no such model folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "is no model folder, which has config.json")


def test_the_folder_of_a_run_finds_its_model(folder: Path) -> None:
    assert load_checkpoint(folder.parent).config.sources == ("female", "male")


# Weights: the attacks of the safetensors project and some more.

HEADERS: dict[str, bytes] = {
    "empty file": b"",
    "shorter than its length field": b"\x01\x02\x03",
    "huge header": safetensors({}, length=1 << 62),
    "header of 200 MB that is not there": safetensors({}, length=200_000_000),
    "header longer than the file": safetensors({}, length=1000),
    "largest length": b"\xff" * 8 + b"{}",
    "header of no length": safetensors(b""),
    "not JSON": safetensors(b"this is not json"),
    "not UTF-8": safetensors(b'{"\xff\xfe": 1}'),
    "a list": safetensors([1, 2]),
    "a number": safetensors(b"7"),
    "deep nesting": safetensors(b"[" * 100_000 + b"]" * 100_000),
    "a tensor that is a string": safetensors({"a": "os:system"}),
    "no data offsets": safetensors({"a": {"dtype": "F32", "shape": [1]}}, b"\0" * 4),
    "overlapping offsets": safetensors({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12),
    "offsets with a hole": safetensors({"a": entry(0, 4), "b": entry(8, 12)}, b"\0" * 12),
    "offsets behind the end": safetensors({"a": entry(0, 4000)}, b"\0" * 4),
    "data behind the last offset": safetensors({"a": entry(0, 4)}, b"\0" * 400),
    "reversed offsets": safetensors({"a": {**entry(0, 4), "data_offsets": [4, 0]}}, b"\0" * 4),
    "negative offsets": safetensors({"a": {**entry(0, 4), "data_offsets": [-4, 0]}}, b"\0" * 4),
    "negative shape": safetensors({"a": entry(0, 4, shape=[-1])}, b"\0" * 4),
    "overflowing shape": safetensors({"a": entry(0, 4, shape=[1 << 62, 1 << 62, 4])}, b"\0" * 4),
    "shape unlike its offsets": safetensors({"a": entry(0, 4, shape=[100])}, b"\0" * 4),
    "shape of fractions": safetensors(b'{"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]}}', b"\0" * 4),
    "unknown type": safetensors({"a": entry(0, 4, dtype="OBJECT")}, b"\0" * 4),
    "metadata that is no text": safetensors({"__metadata__": {"a": [1]}, "a": entry(0, 4)}, b"\0" * 4),
    "the same name twice": safetensors(
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, '
        b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b"\0" * 8,
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers(folder: Path, name: str) -> None:
    (folder / "model.safetensors").write_bytes(HEADERS[name])
    refused(folder, "model.safetensors: damaged weights file .*: copy it again, or train anew")


@pytest.mark.parametrize(
    "dtype", ["F16", "BF16", "F64", "I32", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F4", "U64", "E8M0"]
)
def test_tensors_of_other_types(folder: Path, dtype: str) -> None:
    sizes = {
        "F16": 2,
        "BF16": 2,
        "F64": 8,
        "I32": 4,
        "BOOL": 1,
        "C64": 8,
        "U64": 8,
        "F4": 1,
        "F8_E4M3": 1,
        "F8_E5M2": 1,
        "E8M0": 1,
    }
    shape = [2] if dtype == "F4" else [1]
    header = {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, sizes[dtype]]}}
    (folder / "model.safetensors").write_bytes(safetensors(header, b"\0" * sizes[dtype]))
    refused(folder, "damaged weights file|another architecture")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_weights(folder: Path, share: float) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(folder, "damaged weights file")


class _Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch.save", "zip"])
def test_a_pickle_in_disguise_is_never_run(folder: Path, tmp_path: Path, kind: str) -> None:
    mark, path = tmp_path / "executed", folder / "model.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(_Bomb(mark)))
    elif kind == "torch.save":
        torch.save({"a": _Bomb(mark)}, path)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(_Bomb(mark)))
            archive.writestr("archive/data/0", b"\0" * 10_000_000)
    refused(folder, "damaged weights file")
    assert not mark.exists()


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_weights_of_another_architecture(folder: Path) -> None:
    other = {**SMALL, "model": {"settings": {"hidden": [4, 4], "latent": 2}}}
    config = parse_config(TrainingConfig, other, where="test")
    save_checkpoint(folder.parent / "other", fresh_checkpoint(config, ["female", "male"]), provenance={})
    shutil.copy(folder.parent / "other" / "model.safetensors", folder)
    refused(folder, r"belong to another architecture than config.json says: .*is not expected.* and \d+ more")


def test_weights_of_other_sources(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sources": ["p225", "p226"]}))
    refused(folder, "p225.encoder.0.bias is missing")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            lambda t: t.pop("male.output.weight", None) or t.pop("male.to_spectrum.bias"),
            "male.to_spectrum.bias is missing",
        ),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not expected"),
        (
            lambda t: t.update({"male.to_spectrum.bias": torch.zeros(3)}),
            r"male.to_spectrum.bias is torch.float32 \(3,\), expected torch.float32 \(9,\)",
        ),
        (
            lambda t: t.update({"male.to_spectrum.bias": torch.zeros(9, dtype=torch.float64)}),
            r"male.to_spectrum.bias is torch.float64 \(9,\), expected torch.float32 \(9,\)",
        ),
        (lambda t: t["male.to_spectrum.bias"].fill_(torch.nan), "male.to_spectrum.bias hold NaN or infinity"),
        (
            lambda t: t["male.to_spectrum.bias"][0].fill_(torch.inf),
            "hold NaN or infinity: copy it again, or train anew",
        ),
        (lambda t: t.clear(), "female.encoder.0.weight is missing"),
    ],
)
def test_wrong_tensors_are_named(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None], words: str) -> None:
    change(folder, edit)
    refused(folder, words)


# Configs.


def rewrite(folder: Path, **changes: Any) -> None:
    """Change keys of config.json, given as paths with `__` between their parts."""
    config = json.loads((folder / "config.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = config
        for parent in parents:
            place = place[parent]
        place[last] = value
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\x80\x81", "not UTF-8 text"),
        (b"null", "not a model of this version"),
        (b"[]", "not a model of this version"),
        (b'"config"', "not a model of this version"),
        (b"[" * 200_000, "not valid JSON"),
        (b'{"schema_version": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b"{}", "key 'sources' is missing"),
        (b"!!python/object/apply:os.system ['true']", "not valid JSON"),
    ],
)
def test_configs_that_are_none(folder: Path, text: bytes, words: str) -> None:
    (folder / "config.json").write_bytes(text)
    refused(folder, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 3}, "schema_version = 3: this version of sepvae reads 1 to 2"),
        ({"schema_version": "2"}, "schema_version = '2': this version"),
        ({"weights": "float64"}, "weights = 'float64'"),
        ({"likelihood": ["poisson"]}, "likelihood"),
        ({"plugins": ["os.system"]}, "needs the plug-in os.system: load it by --plugin os.system"),
        (
            {"estimator__frontend__stft__windows_ms": 3},
            "unknown key 'estimator.frontend.stft.windows_ms': did you mean",
        ),
        ({"command": "rm -rf /"}, "unknown key 'command'"),
        ({"estimator__model__kind": "os:system"}, "unknown model 'os:system': choose one of"),
        ({"estimator__model__kind": "sepvae.models.dense:DenseVae"}, "unknown model"),
        ({"estimator__model__kind": ["dense_vae"]}, "estimator.model.kind"),
        ({"estimator__model__kind": None}, "estimator.model.kind"),
        ({"estimator__model__settings": {"__class__": "x"}}, "unknown key '__class__'"),
        ({"estimator__objective": {"kind": "elbo"}}, "unknown key 'estimator.objective'"),
        ({"estimator__model__settings__hidden": [10**12]}, "hidden.0 = 1000000000000"),
        (
            {"estimator__model__settings__hidden": [65536] * 64},
            r"weights of the model = 1.082e\+12: at",
        ),
        ({"estimator__model__settings__hidden": [4] * 10**6}, "hidden"),
        ({"estimator__model__settings__hidden": []}, "hidden"),
        ({"estimator__model__settings__latent": -1}, "latent = -1"),
        ({"estimator__model__settings__latent": 65536}, "belong to another architecture"),
        ({"estimator__model__settings__context_frames": 10**9}, "context_frames"),
        ({"estimator__frontend__sample_rate": 10**9}, "sample_rate"),
        ({"estimator__frontend__sample_rate": float("nan")}, "NaN is not a JSON number"),
        ({"estimator__frontend__stft__window_ms": float("inf")}, "Infinity is not a JSON number"),
        ({"estimator__frontend__stft__window_ms": 1e-9}, "too short"),
        ({"estimator__frontend__stft__hop_ms": 1000}, "samples between windows would be lost"),
        ({"estimator__frontend__input": {"kind": "mel", "n_mels": 10**9}}, "n_mels"),
        ({"estimator__frontend__input": {"kind": "mel", "n_mels": 1024}}, "mel filters over 9 bins are empty"),
        ({"sources": []}, "sources"),
        ({"sources": "female"}, "sources"),
        ({"sources": ["female", "female"]}, "'female' is there twice"),
        ({"sources": ["female", ""]}, "sources.1"),
        ({"sources": ["female", 5]}, "sources.1"),
        ({"sources": ["female", "../../etc/cron.d/x"]}, "sources.1"),
        ({"sources": ["female", "/etc/x"]}, "sources.1"),
        ({"sources": ["female", "a\\b"]}, "sources.1"),
        ({"sources": ["female", "a\0b"]}, "sources.1"),
        ({"sources": ["female", "a\nb"]}, "sources.1"),
        ({"sources": ["female", "male\n"]}, "sources.1"),
        ({"sources": ["female", "load_state_dict"]}, "'load_state_dict' is taken by torch"),
        ({"sources": ["x" * 10**6]}, "sources.0"),
        ({"sources": [f"s{i}" for i in range(10**4)]}, "sources = "),
        ({"estimator__mask": "__import__('os')"}, "estimator.mask"),
    ],
)
def test_hostile_configs(folder: Path, changes: dict[str, Any], words: str) -> None:
    rewrite(folder, **changes)
    refused(folder, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": True}, "schema_version = True"),
        ({"training": 3}, "training = 3: expected a JSON object"),
        ({"training__model__kind": "os:system"}, "unknown model 'os:system': choose one of"),
        ({"training__frontend": [1]}, "estimator.frontend"),
        ({"training__frontend__stft__windows_ms": 3}, "unknown key 'estimator.frontend.stft.windows_ms': did you mean"),
        ({"training__unknown": 3}, "unknown key 'estimator.unknown'"),
        ({"command": "rm -rf /"}, "unknown key 'command'"),
    ],
)
def test_hostile_configs_of_version_1(folder: Path, changes: dict[str, Any], words: str) -> None:
    stored = json.loads((folder / "config.json").read_text())
    first = {"schema_version": 1, "sources": stored["sources"], "training": stored["estimator"]}
    first["training"]["frontend"].pop("levels")
    (folder / "config.json").write_text(json.dumps(first))
    assert load_checkpoint(folder).config.sources == ("female", "male")
    rewrite(folder, **changes)
    refused(folder, words)


ODD: list[Any] = [5, "x", [1], [{}], {}, [], None, True]
KEYS = {
    "config.json": CheckpointConfig.model_fields,
    "provenance.json": ("training", "seed", "losses", "versions", "config_hash", "weights_sha256", "epoch"),
}


def odd_files(sound: dict[str, Any], keys: Iterable[str]) -> Iterator[Any]:
    """Yield odd values in the place of a whole file, and of each of its keys."""
    for value in ODD:
        yield value
        yield from ({**sound, key: value} for key in keys)
        yield {**sound, "training": {"objective": value}}


@pytest.mark.parametrize("name", KEYS)
def test_values_of_any_kind_are_refused_or_of_no_concern(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a traceback: by `load_checkpoint`, on being saved again, and by `sepvae info`."""
    refusals, sound = 0, json.loads((folder / name).read_text())
    for odd in odd_files(sound, KEYS[name]):
        (folder / name).write_text(json.dumps(odd))
        try:
            save_checkpoint(folder.parent / "again", load_checkpoint(folder))
        except CheckpointError as error:
            refusals += 1
            assert str(folder) in str(error)
            assert main(["info", str(folder)]) == 1
            assert main(["info", str(folder), "--json"]) == 1
        else:
            assert main(["info", str(folder)]) == 0
            assert main(["info", str(folder), "--json"]) == 0
    assert refusals
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("value", [5, "x", None, [{}], {"a": "b"}, True])
def test_plugins_that_are_no_names_of_modules(folder: Path, value: Any) -> None:
    rewrite(folder, plugins=value)
    refused(folder, "config.json: plugins = .*: expected a list of names of modules")


def test_provenance_without_an_object_for_the_training(folder: Path) -> None:
    (folder / "provenance.json").write_text('{"training": 5}')
    refused(folder, r"provenance.json: damaged \(training = 5, expected a JSON object\): copy the folder again")
    (folder / "provenance.json").write_text('[["training", {}]]')
    refused(folder, r"provenance.json: damaged \(it holds list, expected a JSON object\)")


def test_separators_refuse_them_too(folder: Path) -> None:
    rewrite(folder, estimator__model__kind="os:system")
    with pytest.raises(CheckpointError, match="unknown model 'os:system'"):
        Separator.load(folder)


def test_loading_draws_no_random_numbers(folder: Path) -> None:
    before = torch.random.get_rng_state()
    load_checkpoint(folder)
    assert torch.equal(before, torch.random.get_rng_state())


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_a_checkpoint_error_or_harmless(good: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut or inserted anywhere: the folder loads, finite and of the right shapes, or is refused."""
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    path = folder / data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, min(len(content), 1200)))
    stop = data.draw(st.integers(start, min(len(content), start + 20)))
    content[start:stop] = data.draw(st.binary(max_size=20))
    path.write_bytes(bytes(content))
    try:
        models = load_checkpoint(folder)
    except CheckpointError as error:
        assert str(folder) in str(error)
    else:
        assert all(torch.isfinite(weight).all() for weight in models.estimator.networks.parameters())
