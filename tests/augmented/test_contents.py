"""What latent methods write beside waves of the filter: decoded features in every format, and Griffin-Lim's waves."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.records import Record, read_records
from sepvae.augmented.run import augment_corpus
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus
from sepvae.errors import ConfigError

from ..speech_models import RATE, Speech, speak

N_MELS, HOP = 12, 128


def augment(speech: Speech, model: Path, out: Path, *methods: str, **settings: Any) -> dict[str, Record]:
    config = parse_config(AugmentConfig, {"methods": methods, **settings}, where="test")
    assert augment_corpus(open_corpus(speech.root), out, config, model=model).n_failures == 0
    return {record.id: record for record in read_records(out)}


def decoded(speech: Speech, model: Path, out: Path, kind: str) -> dict[str, Record]:
    output = {"format": kind, "contents": "decoded", "utterances_per_archive": 10}
    return augment(speech, model, out, "reconstruct", "gain+replace", output=output, gain={"gain_db": -6})


@pytest.fixture(scope="module")
def arrays(speech: Speech, model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray[Any, Any]]:
    out = tmp_path_factory.mktemp("npy") / "out"
    return {name: np.load(out / one.path) for name, one in decoded(speech, model, out, "npy").items()}


def test_features_are_what_the_decoder_makes_at_the_level_of_the_speech(
    speech: Speech, model: Path, arrays: dict[str, np.ndarray[Any, Any]]
) -> None:
    augmenter = Augmenter.load(model)
    source = next(one for one in open_corpus(speech.root).utterances() if one.path == "ann/0.wav")
    wave = audio.read(speech.root / source.path).wave
    made = arrays[f"{source.id}-reconstruct-1"]
    plain = augmenter.features(wave, RATE, lambda own: 0 * own)
    assert made.shape == plain.shape == (len(made), N_MELS)
    level = augmenter.coder.encode(wave[0], RATE).level
    np.testing.assert_allclose(made, plain + 2 * np.log(level), atol=1e-4)
    louder = augmenter.features(2 * wave, RATE, lambda own: 0 * own, keep_level=True)
    np.testing.assert_allclose(louder, made + 2 * np.log(2), atol=1e-3)


@pytest.mark.parametrize("kind", ["ark", "webdataset", "shar"])
def test_every_format_holds_the_same_features(
    speech: Speech, model: Path, arrays: dict[str, np.ndarray[Any, Any]], tmp_path: Path, kind: str
) -> None:
    records = decoded(speech, model, tmp_path / "out", kind)
    assert set(records) == set(arrays)
    for name, record in records.items():
        assert (record.n_frames, record.hop_samples) == (len(arrays[name]), HOP)
        assert record.first_frame_centre == 0, "the middle of a window of 256 that ends a hop of 128 after 0"
        assert record.parameters[-1]["synthesis"] == "decoded"
        data = (tmp_path / "out" / record.path).read_bytes()
        if kind == "ark":
            count = N_MELS * len(arrays[name])
            found = np.frombuffer(data, "<f4", count, offset=(record.offset or 0) + 15).reshape(-1, N_MELS)
        else:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                member = tar.extractfile(f"{name}.npy")
                assert member is not None
                found = np.load(io.BytesIO(member.read()))
        np.testing.assert_array_equal(found, arrays[name])


def test_lhotse_reads_features_from_shar(
    speech: Speech, model: Path, arrays: dict[str, np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    records = decoded(speech, model, tmp_path / "out", "shar")
    seen = set()
    for cut in lhotse.CutSet.from_shar(in_dir=tmp_path / "out" / "shar"):
        seen.add(cut.id)
        lhotse.qa.validate_features(cut.features, read_data=True)
        found = cut.load_features()
        assert abs(len(found) - records[cut.id].n_samples / HOP) <= 1
        np.testing.assert_array_equal(found, arrays[cut.id][: len(found)])
        assert cut.supervisions[0].speaker == records[cut.id].speaker
    assert seen == set(arrays)


def test_shar_finds_ids_that_are_no_names_of_files(model: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    audio.write(tmp_path / "c" / "anna b" / "1 $x.wav", speak("ann", 0), sample_rate=RATE)
    config = parse_config(AugmentConfig, {"methods": ["soft"], "output": {"format": "shar"}}, where="test")
    augment_corpus(open_corpus(tmp_path / "c"), tmp_path / "out", config, model=model)
    (record,) = read_records(tmp_path / "out")
    (cut,) = lhotse.CutSet.from_shar(in_dir=tmp_path / "out" / "shar")
    assert cut.load_audio().shape == (1, record.n_samples)
    assert cut.supervisions[0].custom["utterance"] == record.utterance


def test_griffin_lim_for_all_methods_at_once(speech: Speech, model: Path, tmp_path: Path) -> None:
    command = ["augment", "run", f"{speech.root}", "-m", f"{model}", "-o", f"{tmp_path / 'out'}", "-q", "-j", "1"]
    options = ["--methods", "replace,gain+soft", "--synthesis", "griffin_lim", "--set", "soft.synthesis=filter"]
    assert main([*command, *options]) == 0
    for record in read_records(tmp_path / "out"):
        assert record.parameters[-1]["synthesis"] == ("griffin_lim" if record.method == "replace" else "filter")
    settings = json.loads((tmp_path / "out" / "augmented.json").read_text())["config"]["settings"]
    assert settings["replace"]["synthesis"] == "griffin_lim"


def test_what_cannot_be_written_is_refused(speech: Speech, model: Path, tmp_path: Path) -> None:
    for settings, message in (
        (
            {"methods": ["soft"], "output": {"contents": "decoded"}},
            "contents decoded: wav cannot hold them: choose npy",
        ),
        ({"methods": ["soft"], "output": {"contents": "samples", "format": "ark"}}, "samples: ark cannot hold them"),
        (
            {"methods": ["soft"], "output": {"contents": "decoded", "format": "ark", "hop_ms": 5, "n_mels": 40}},
            "contents decoded: n_mels, hop_ms: the model decides these of its features: leave out",
        ),
        (
            {"methods": ["soft+gain"], "output": {"contents": "decoded", "format": "npy"}},
            "soft.gain ends with gain, which decodes nothing: end it with one of replace, soft",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_config(AugmentConfig, settings, where="test")
    audio.write(tmp_path / "c" / "a" / "1.wav", speak("ann", 0), sample_rate=16000)
    config = parse_config(AugmentConfig, {"methods": ["soft"]}, where="test")
    with pytest.raises(
        ConfigError, match=r"method soft: its model works at 8000 Hz, the corpus has 16000 Hz: resample"
    ):
        augment_corpus(open_corpus(tmp_path / "c"), tmp_path / "out", config, model=model)
