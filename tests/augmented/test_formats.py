"""Every format, opened by the toolkit it is meant for where that is installed, and read without it everywhere."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import shlex
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sepvae import audio
from sepvae.augmented import WRITERS
from sepvae.augmented.config import AugmentConfig, OutputConfig
from sepvae.augmented.contents import LogMel
from sepvae.augmented.manifests.kaldi import kaldi_id
from sepvae.augmented.records import Record, read_records, safe_name
from sepvae.augmented.run import RunOptions, augment_corpus
from sepvae.config import parse_config
from sepvae.corpora.records import open_corpus

FORMATS = tuple(WRITERS)


@pytest.fixture(scope="module")
def made(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make the corpus in a format, once."""
    done: dict[tuple[str, str], Path] = {}

    def make(kind: str, paths: Any = "absolute") -> Path:
        if (kind, paths) not in done:
            output = {"format": kind, "utterances_per_archive": 5, "n_mels": 20}
            settings = {"methods": ["speed", "noise"], "output": output}
            out = tmp_path_factory.mktemp(kind) / "out"
            config = parse_config(AugmentConfig, settings, where="test")
            augment_corpus(open_corpus(corpus), out, config, run=RunOptions(paths=paths))
            done[kind, paths] = out
        return done[kind, paths]

    return make


def table(path: Path) -> dict[str, str]:
    rows = [line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    keys = [key for key, _ in rows]
    assert keys == sorted(keys, key=str.encode), "Kaldi wants every table sorted in the C locale"
    return dict(rows)


def by_id(out: Path) -> dict[str, Record]:
    return {record.id: record for record in read_records(out)}


def by_key(out: Path) -> dict[str, Record]:
    return {kaldi_id(record): record for record in read_records(out)}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_all_records_and_a_kaldi_folder_where_kaldi_reads_it(made: Any, kind: str) -> None:
    out = made(kind)
    records = by_id(out)
    assert len(records) == 24
    assert (out / "kaldi").exists() == (kind in ("wav", "flac", "ark"))
    if not (out / "kaldi").exists():
        return
    keys = by_key(out)
    speakers = table(out / "kaldi" / "utt2spk")
    assert speakers == {key: record.speaker for key, record in keys.items()}
    assert table(out / "kaldi" / "text") == {key: record.text for key, record in keys.items()}
    assert table(out / "kaldi" / "spk2gender") == {"FABC0": "f", "FDEF0": "f", "MGHI0": "m", "MJKL0": "m"}
    for speaker, own in table(out / "kaldi" / "spk2utt").items():
        assert own.split() == sorted(key for key, whose in speakers.items() if whose == speaker)
    for key, duration in table(out / "kaldi" / "utt2dur").items():
        assert float(duration) == pytest.approx(keys[key].duration_s, abs=1e-5)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_kaldi_finds_the_audio(made: Any, kind: str) -> None:
    out = made(kind)
    places, keys = table(out / "kaldi" / "wav.scp"), by_key(out)
    assert set(places) == set(keys)
    for key, place in places.items():
        path = place
        if kind == "flac":
            *command, path, end = shlex.split(place)
            assert (command, end) == (["flac", "-c", "-d", "-s"], "|")
        assert audio.inspect(path).n_samples == keys[key].n_samples


def test_a_kaldi_archive_holds_the_features(made: Any) -> None:
    out = made("ark")
    places, frames = table(out / "kaldi" / "feats.scp"), table(out / "kaldi" / "utt2num_frames")
    assert not (out / "kaldi" / "wav.scp").exists()
    assert len({path.rpartition(":")[0] for path in places.values()}) == 3, "five utterances an archive"
    for name, place in places.items():
        path, _, offset = place.rpartition(":")
        data = Path(path).read_bytes()
        assert data[: int(offset)].endswith(f"{name} ".encode())
        assert data[int(offset) :].startswith(b"\0BFM ")
        _, rows, _, columns = struct.unpack("<bibi", data[int(offset) + 5 : int(offset) + 15])
        assert (rows, columns) == (int(frames[name]), 20)


def test_kaldiio_reads_the_features(made: Any) -> None:
    kaldiio = pytest.importorskip("kaldiio", reason="kaldiio is not installed")
    arrays, matrices = made("npy"), kaldiio.load_scp(str(made("ark") / "kaldi" / "feats.scp"))
    for key, record in by_key(arrays).items():
        np.testing.assert_array_equal(matrices[key], np.load(arrays / record.path))


def test_kaldiio_reads_the_audio(made: Any) -> None:
    kaldiio = pytest.importorskip("kaldiio", reason="kaldiio is not installed")
    out = made("wav")
    keys = by_key(out)
    for key, (rate, samples) in kaldiio.load_scp(str(out / "kaldi" / "wav.scp")).items():
        assert rate == 16000
        np.testing.assert_array_equal(samples / 32768, audio.read(out / keys[key].path).wave[0])


def test_features_are_those_of_the_audio(made: Any) -> None:
    waves, arrays = by_id(made("wav")), by_id(made("npy"))
    log_mel = LogMel(OutputConfig(n_mels=20), 16000)
    for name, record in arrays.items():
        stored = np.load(made("npy") / record.path)
        assert stored.shape == (record.n_frames, 20)
        assert (record.hop_samples, record.first_frame_centre) == (160, -40)
        # 16 bits are what the two differ by.
        wave = audio.read(made("wav") / waves[name].path).wave
        np.testing.assert_allclose(np.exp(stored), np.exp(log_mel.make(wave)[0]), rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("place", [3000, 8000, 8080])
def test_the_middle_of_a_frame_is_where_it_is_said_to_be(place: int) -> None:
    click = np.zeros((1, 16000), np.float32)
    click[0, place] = 1
    features, frames = LogMel(OutputConfig(n_mels=20), 16000).make(click)
    loudest, hop = int(features.mean(1).argmax()), frames["hop_samples"]
    assert abs(frames["first_frame_centre"] + loudest * hop - place) <= hop / 2


def test_flac_and_tar_hold_the_samples_of_wav(made: Any) -> None:
    waves = by_id(made("wav"))
    for name, record in by_id(made("flac")).items():
        np.testing.assert_array_equal(
            audio.read(made("flac") / record.path).wave, audio.read(made("wav") / waves[name].path).wave
        )
    for archive in sorted((made("webdataset") / "archives").glob("*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")


def test_webdataset_reads_the_archives(made: Any) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    out, waves = made("webdataset"), by_id(made("wav"))
    archives = [str(path) for path in sorted((out / "archives").glob("*.tar"))]
    seen = {}
    for sample in webdataset.WebDataset(archives, shardshuffle=False, empty_check=False):
        record = json.loads(sample["json"])
        seen[sample["__key__"]] = record
        assert sample["txt"].decode() == waves[record["id"]].text
        import soundfile

        wave = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")[0]
        np.testing.assert_array_equal(wave, audio.read(made("wav") / waves[record["id"]].path).wave[0])
    assert set(seen) == set(waves)


def test_lhotse_opens_recordings_supervisions_and_cuts(made: Any) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    out = made("wav")
    folder, records = out / "lhotse", by_id(out)
    recordings = lhotse.RecordingSet.from_file(folder / "recordings.jsonl.gz")
    supervisions = lhotse.SupervisionSet.from_file(folder / "supervisions.jsonl.gz")
    lhotse.validate_recordings_and_supervisions(recordings, supervisions)
    cuts = lhotse.CutSet.from_file(folder / "cuts.jsonl.gz")
    lhotse.validate(cuts)
    assert [cut.id for cut in cuts] == list(records)
    for cut in cuts:
        record = records[cut.id]
        np.testing.assert_array_equal(cut.load_audio(), audio.read(out / record.path).wave)
        (one,) = cut.supervisions
        assert (one.text, one.speaker, one.gender) == (record.text, record.speaker, record.sex)
        assert one.custom["parameters"] == list(record.parameters)
        for tier, labels in (("word", record.words), ("phone", record.phones)):
            assert [item.symbol for item in one.alignment[tier]] == [label.label for label in labels]
            assert [round(item.start * 16000) for item in one.alignment[tier]] == [label.start for label in labels]
            assert [round(item.end * 16000) for item in one.alignment[tier]] == [label.stop for label in labels]


def test_lhotse_finds_relative_paths_below_a_prefix(made: Any) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    out = made("wav", "relative")
    cuts = lhotse.CutSet.from_file(out / "lhotse" / "cuts.jsonl.gz").with_recording_path_prefix(out)
    assert next(iter(cuts)).load_audio().shape[0] == 1


def test_lhotse_reads_shar(made: Any) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    out, waves = made("shar"), by_id(made("wav"))
    cuts = lhotse.CutSet.from_shar(in_dir=out / "shar")
    seen = set()
    for cut in cuts:
        seen.add(cut.id)
        np.testing.assert_array_equal(cut.load_audio(), audio.read(made("wav") / waves[cut.id].path).wave)
        assert cut.supervisions[0].text == waves[cut.id].text
    assert seen == set(waves)


@pytest.mark.parametrize("contents", ["samples", "log_mel"])
def test_lhotse_validates_shar_of_several_channels(tmp_path: Path, contents: str) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    stereo = (0.1 * np.random.default_rng(0).standard_normal((2, 8000))).astype(np.float32)
    audio.write(tmp_path / "c" / "a" / "1.wav", stereo, sample_rate=16000)
    output = {"format": "shar", "contents": contents}
    config = parse_config(AugmentConfig, {"methods": ["gain"], "output": output}, where="test")
    augment_corpus(open_corpus(tmp_path / "c"), tmp_path / "out", config)
    (cut,) = lhotse.CutSet.from_shar(in_dir=tmp_path / "out" / "shar")
    lhotse.validate(cut)
    assert cut.supervisions[0].custom.get("first_frame_centre") == (None if contents == "samples" else -40)
    assert cut.channel == cut.supervisions[0].channel == ([0, 1] if contents == "samples" else 0)


# SpeechBrain leaves modules behind that break what looks through all modules, as Hypothesis does.
OPEN_TABLE = """
import json, sys
from speechbrain.dataio.dataset import DynamicItemDataset
folder = sys.argv[1]
data = DynamicItemDataset.from_csv(f"{folder}/speechbrain/manifest.csv", replacements={"data_root": folder})
data.set_output_keys(["id", "wav", "wrd", "duration", "spk_id"])
print(json.dumps(list(data)))
"""


def test_speechbrain_opens_the_table(made: Any) -> None:
    if importlib.util.find_spec("speechbrain") is None:
        pytest.skip("speechbrain is not installed")
    out = made("wav", "relative")
    done = subprocess.run([sys.executable, "-c", OPEN_TABLE, str(out)], check=True, capture_output=True, text=True)
    data, records = json.loads(done.stdout.splitlines()[-1]), by_id(out)
    assert len(data) == len(records)
    for item in data:
        record = records[item["id"]]
        assert audio.inspect(item["wav"]).n_samples == record.n_samples
        assert (item["wrd"], item["spk_id"]) == (record.text, record.speaker)
        assert item["duration"] == pytest.approx(record.duration_s, abs=1e-5)


def test_manifests_are_well_formed_without_the_toolkits(made: Any) -> None:
    out = made("wav", "relative")
    with (out / "speechbrain" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == list(by_id(out))
    assert all(row["wav"].startswith("$data_root/audio/") for row in rows)
    with gzip.open(out / "lhotse" / "cuts.jsonl.gz", "rt", encoding="utf-8") as file:
        cuts = [json.loads(line) for line in file]
    assert [cut["recording"]["sources"][0]["source"] for cut in cuts] == [one.path for one in by_id(out).values()]


def test_awkward_names_become_keys_and_file_names(tmp_path: Path) -> None:
    tone = (0.1 * np.sin(np.arange(8000) / 5)).astype(np.float32)
    # Names that begin alike, before each kind of character that follows: Kaldi wants ids and speakers sorted alike.
    alike = ("p1", "p1_2", "p1-2", "p1-", "p1--", "p1+2", "p1 2", "p1.2", "p12")
    for name in (
        "anna b/1.wav",
        "anna b/1 x.wav",
        "Zoë/a.b.wav",
        "50%/a.wav",
        "D$ave/c $1.wav",
        *(f"{name}/x.wav" for name in alike),
    ):
        audio.write(tmp_path / "c" / name, tone, sample_rate=16000)
        (tmp_path / "c" / name).with_suffix(".txt").write_text('Costs $5,\n"quoted"', encoding="utf-8")
    config = parse_config(AugmentConfig, {"methods": ["gain"], "output": {"format": "flac"}}, where="test")
    out = tmp_path / "it's here"
    assert augment_corpus(open_corpus(tmp_path / "c"), out, config, run=RunOptions(paths="absolute")).n_records == 14
    keys = table(out / "kaldi" / "utt2spk")
    assert list(keys.values()) == sorted(keys.values(), key=str.encode)
    assert {"anna=20b", "Zoë", "50=25", "D=24ave", "p1-2", "p1=2D", "p1=2D=2D"} < set(keys.values())
    assert len(set(keys.values())) == 4 + len(alike)
    assert all(key.startswith(speaker) and not set(key) & set(" \t/") for key, speaker in keys.items())
    assert all(Path(shlex.split(place)[4]).is_file() for place in table(out / "kaldi" / "wav.scp").values())
    assert len(list((out / "audio").rglob("*.flac"))) == 14
    table_of_speechbrain = (out / "speechbrain" / "manifest.csv").read_text(encoding="utf-8")
    assert "$" not in table_of_speechbrain
    assert ",D＄ave," in table_of_speechbrain
    assert {kaldi_id(one) for one in read_records(out)} == set(keys)
    assert len({safe_name(name) for name in ("a b", "a%20b", "a_b", ".a", "%2Ea")}) == 5
