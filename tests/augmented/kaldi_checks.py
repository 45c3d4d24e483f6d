"""What Kaldi's utils/validate_data_dir.sh and utils/validate_text.pl state of a data folder, as assertions.

Written from their statements, for a folder without `segments`; missing files are those that the options of the script
(`--no-text`, `--no-wav`, `--no-feats`) allow to be missing, as every folder has one of wav.scp and feats.scp alone.
"""

from __future__ import annotations

import re
from pathlib import Path

# One key for each line: utterances, or speakers.
_OF_UTTERANCES = ("text", "wav.scp", "feats.scp", "utt2dur", "utt2num_frames", "reco2dur")
# What Perl's \s matches beside tab, line feed and space.
_OTHER_SPACES = re.compile("[\x0b\x0c\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def lines_of(path: Path) -> list[list[bytes]]:
    """Return the fields of each line as awk in the C locale sees them; keys are sorted and stand once."""
    data = path.read_bytes()
    assert data, f"{path.name}: empty file"
    assert data.endswith(b"\n"), f"{path.name}: invalid newline"
    fields = [re.split(rb"[ \t]+", line.strip(b" \t")) for line in data[:-1].split(b"\n")]
    keys = [line[0] for line in fields]
    assert keys == sorted(set(keys)), f"{path.name}: not in sorted order, or has duplicates"
    return fields


def check_data_folder(folder: Path) -> list[str]:
    """Assert that a folder is one, and return its keys."""
    utt2spk, spk2utt = lines_of(folder / "utt2spk"), lines_of(folder / "spk2utt")
    assert all(len(line) == 2 for line in utt2spk), "utt2spk: wrong format"
    by_speaker = sorted((b" " + speaker, key + b" " + speaker) for key, speaker in utt2spk)
    assert [line for _, line in by_speaker] == [b" ".join(line) for line in utt2spk], "not sorted by speaker too"
    listed = [[key, speaker] for speaker, *keys in spk2utt for key in keys]
    assert listed == utt2spk, "spk2utt and utt2spk do not match"
    keys, speakers = [line[0] for line in utt2spk], [line[0] for line in spk2utt]
    assert (folder / "wav.scp").exists() or (folder / "feats.scp").exists()
    for name in _OF_UTTERANCES:
        if (folder / name).exists():
            assert [line[0] for line in lines_of(folder / name)] == keys, f"{name}: other utterances than utt2spk"
    if (folder / "spk2gender").exists():
        sexes = lines_of(folder / "spk2gender")
        assert [line[0] for line in sexes] == speakers, "spk2gender: other speakers than spk2utt"
        assert all(len(line) == 2 and line[1] in (b"m", b"f") for line in sexes)
    for name in ("utt2dur", "reco2dur", "utt2num_frames"):
        if (folder / name).exists():
            assert all(len(line) == 2 and float(line[1]) > 0 for line in lines_of(folder / name)), name
    if (folder / "wav.scp").exists():
        assert not re.search(rb"^\S+\s+~", (folder / "wav.scp").read_bytes(), re.MULTILINE), "wav.scp: tilde"
    if (folder / "text").exists():
        check_text((folder / "text").read_bytes())
    return [key.decode() for key in keys]


def check_text(data: bytes) -> None:
    """Assert what validate_text.pl does, and that no word of Kaldi's own is in it (grep -w in the C locale)."""
    assert not _OTHER_SPACES.search(data.decode("utf-8")), "text: disallowed white space"
    for word in (rb"<s>", rb"</s>", rb"#0"):
        assert not re.search(rb"(?<![A-Za-z0-9_])" + word + rb"(?![A-Za-z0-9_])", data), f"text: {word!r}"
