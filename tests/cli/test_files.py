"""Which files a command line means: names, folders, patterns and lists, as they come from any system."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.cli.files import list_inputs, split_list
from sepvae.cli.printing import printing_any_name
from sepvae.errors import InputError
from sepvae.formats import AUDIO_ENDINGS, FOREIGN_ENDINGS
from sepvae.outputs import OutputList

from ..places import needs_links, needs_permissions, only_linux, place_for_all, touch, without_rights


def names(root: Path, *given_names: str, out: Path | None = None) -> list[str]:
    listing = list_inputs([str(root / name) if name != "-" else name for name in given_names], out=out)
    return [path.relative_to(root).as_posix() for path in listing.paths]


def test_a_folder_gives_every_kind_of_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    endings = (*AUDIO_ENDINGS, *FOREIGN_ENDINGS, ".WAV")
    touch(
        tmp_path, *(f"deep/a{number}{ending}" for number, ending in enumerate(endings)), "notes.txt", "b.TXT", "._a.wav"
    )
    audio.write(tmp_path / "call.wav", np.zeros((1, 10), np.float32), sample_rate=8000)
    (tmp_path / "call.wav").rename(tmp_path / "call.dat")
    caplog.set_level("INFO", logger="sepvae")
    found = names(tmp_path, ".")
    assert sorted(found) == sorted(["call.dat", *(f"deep/a{number}{ending}" for number, ending in enumerate(endings))])
    assert "no sound by name: 2 (2 .txt); hidden: 1" in caplog.text


def test_nothing_found_says_what_was_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "sub/._a.wav")
    with pytest.raises(InputError, match=r"no audio files found there; passed over: no sound by name: 1 \(1 .txt\)"):
        list_inputs([str(tmp_path)])


LISTS = {
    "unix": b"a.wav\nb c.wav\n",
    "no last end": b"a.wav\nb c.wav",
    "windows": b"a.wav\r\nb c.wav\r\n",
    "old mac": b"a.wav\rb c.wav\r",
    "byte order mark": b"\xef\xbb\xbfa.wav\r\nb c.wav\r\n",
    "utf-16": "a.wav\r\nb c.wav\r\n".encode("utf-16"),
    "utf-16 of the other order": b"\xfe\xff" + "a.wav\nb c.wav\n".encode("utf-16-be"),
    "print0": b"a.wav\0b c.wav\0",
    "print0 and an end of line": b"a.wav\0b c.wav\0\n",
    "blank lines": b"\n\na.wav\n \n\nb c.wav\n\n",
    "quotes, as Windows copies paths": b'"a.wav"\r\n"b c.wav"\r\n',
    "blanks about them": b"  a.wav\n\tb c.wav \n",
}


@pytest.mark.parametrize("data", LISTS.values(), ids=LISTS.keys())
def test_lists_of_any_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a.wav", "b c.wav")
    (tmp_path / "list.txt").write_bytes(data)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    for name in ("-", "@list.txt"):
        assert [str(path) for path in list_inputs([name]).paths] == ["a.wav", "b c.wav"]


@only_linux
@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 47} and name.strip())))
def test_print0_gives_any_names_back(listed: list[bytes]) -> None:
    data = b"".join(name + b"\0" for name in listed)
    if not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        assert [os.fsencode(name) for name in split_list(data, "list")] == listed


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_named(data: bytes) -> None:
    try:
        split_list(data, "list")
    except InputError as error:
        assert "begins like UTF-16" in str(error)


def test_a_list_may_name_folders_but_no_other_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "in/a.wav")
    (tmp_path / "list").write_text("in\n@list\n-\nlost.wav\n")
    assert [str(path) for path in list_inputs(["@list"]).paths] == ["in/a.wav", "@list", "-", "lost.wav"]


def test_a_file_called_like_a_list_or_a_pattern_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "@a.wav", "take[1].wav", "take1.wav")
    assert [str(path) for path in list_inputs(["@a.wav", "take[1].wav"]).paths] == ["@a.wav", "take[1].wav"]


def test_no_list_on_a_closed_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="stdin is closed"):
        list_inputs(["-"])


def test_a_list_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sepvae.cli.files._MAX_LIST_BYTES", 1 << 20)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a" * (1 << 20))))
    with pytest.raises(InputError, match="is longer than 1 MiB"):
        list_inputs(["-"])


PATTERNS = {
    "*.wav": ["a.wav", "b.wav"],
    "?.wav": ["a.wav", "b.wav"],
    "[b-z].*": ["b.wav", "c.mp3"],
    "in/*.wav": ["in/d.wav"],
    "*/*.wav": ["in/d.wav"],
    "**/*.wav": ["a.wav", "b.wav", "in/d.wav", "in/deep/e.wav"],
    "in/**": ["in/d.wav", "in/deep/e.wav"],
    "*": ["a.wav", "b.wav", "c.mp3", "in/d.wav", "in/deep/e.wav"],
    "*.txt": ["notes.txt"],
    ".*.wav": [".hidden.wav"],
}


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.items())
def test_patterns_that_no_shell_expanded(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "a.wav", "b.wav", "c.mp3", "notes.txt", ".hidden.wav", "in/d.wav", "in/deep/e.wav")
    assert names(tmp_path, pattern) == expected


def test_a_pattern_that_nothing_matches_is_an_error_beside_the_rest(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    listing = list_inputs([str(tmp_path / "a.wav"), str(tmp_path / "*.mp3"), str(tmp_path / "no/*.mp3")])
    assert listing.paths == [tmp_path / "a.wav"]
    assert ["no file matches the pattern" in message for _, message in listing.failures] == [True, True]


def test_what_macos_leaves_beside_files_is_no_recording(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._real.wav")
    (tmp_path / "._a.wav").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    listing = list_inputs([str(tmp_path / name) for name in ("a.wav", "._a.wav", "._real.wav")])
    assert [path.name for path in listing.paths] == ["a.wav", "._real.wav"]
    assert listing.passed_over.hidden == [str(tmp_path / "._a.wav")]


@pytest.mark.parametrize("named", ["in", "in/**/*.wav", "in/*/*/*.wav"])
def test_own_outputs_are_found_by_no_way(tmp_path: Path, named: str) -> None:
    touch(tmp_path, "in/x/y/a.wav", "in/sep/a/s1.wav", "in/other/a/s1.wav")
    for name in ("sep", "other"):
        OutputList(tmp_path / "in" / name).add([tmp_path / "in" / name / "a/s1.wav"])
    listing = list_inputs([str(tmp_path / named)], out=tmp_path / "in/sep")
    assert [path.relative_to(tmp_path).as_posix() for path in listing.paths] == ["in/x/y/a.wav"]
    assert len(listing.passed_over.outputs) == 2
    # One by one, what another run made may be meant, and what this one made cannot.
    both = ("in/other/a/s1.wav", "in/sep/a/s1.wav")
    assert names(tmp_path, *both, out=tmp_path / "in/sep") == ["in/other/a/s1.wav"]


@needs_permissions
def test_folders_without_permission_are_failures_and_the_rest_is_done() -> None:
    with place_for_all() as root:
        touch(root, "a.wav", "closed/b.wav")
        with without_rights(root / "closed"):
            for name in (root, root / "**/*.wav", root / "*"):
                listing = list_inputs([str(name)])
                assert listing.paths == [root / "a.wav"]
                assert [path for path, _ in listing.failures] == [str(root / "closed")]
            with pytest.raises(InputError, match=r"no audio files found there; .*permission denied"):
                list_inputs([str(root / "closed")])


@needs_links
def test_a_second_and_a_third_run_give_the_same_files(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    recording.rename(tmp_path / "in/a.wav")
    for out in ("in/separated", "in", "in/other"):
        for _ in range(2):
            done = sepvae("separate", tmp_path / "in", "-m", model, "-o", tmp_path / out, "--overwrite")
            assert done.returncode == 0, done.stderr
            assert done.stdout.split() == [str(tmp_path / out / f"a/{name}.wav") for name in ("female", "male")]
    assert len(list((tmp_path / "in").rglob("*.wav"))) == 1 + 3 * 2


def test_outputs_are_inputs_of_the_next_verb(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    assert sepvae("separate", recording, "-m", model, "-o", tmp_path / "one").returncode == 0
    done = sepvae("separate", tmp_path / "one", "-m", model, "-o", tmp_path / "two")
    assert done.returncode == 0
    assert (tmp_path / "two/female/male.wav").is_file()


@needs_links
def test_outputs_are_called_what_the_user_sees(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/call.wav").symlink_to(recording)
    (tmp_path / "in/day").symlink_to(tmp_path / "far")
    (tmp_path / "far").mkdir()
    (tmp_path / "far/other.wav").symlink_to(recording)
    (tmp_path / "in/other.flac").symlink_to(recording)
    done = sepvae("separate", tmp_path / "in", "-m", model, "-o", tmp_path / "out", "-q")
    assert done.returncode == 0, done.stderr
    made = {path.parent.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.wav")}
    assert made == {"call", "day/other", "other"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs on Windows")
@pytest.mark.parametrize("verb", ["separate", "corpus"])
def test_what_cannot_be_read_fails_and_the_rest_is_done(
    sepvae, model: Path, recording: Path, tmp_path: Path, verb: str
) -> None:
    for speaker in ("anna", "ben"):
        (tmp_path / "in" / speaker).mkdir(parents=True)
        (tmp_path / "in" / speaker / "a.wav").write_bytes(recording.read_bytes())
    os.mkfifo(tmp_path / "in/anna/pipe.wav")
    os.mkfifo(tmp_path / "in/anna/pipe")
    (tmp_path / "in/anna/lost.wav").symlink_to("nowhere")
    (tmp_path / "in/anna/x.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    rest = ("-m", model, "-o", tmp_path / "out") if verb == "separate" else ()
    done = sepvae(verb, *(["list"] if verb == "corpus" else []), tmp_path / "in", *rest)
    assert done.returncode == 1
    for name, why in (("pipe", "is not an ordinary file"), ("lost", "no such file"), ("x", "not an audio file")):
        assert any(f"{name}." in line and why in line for line in done.stderr.splitlines()), done.stderr
    assert len(done.stdout.splitlines()) == (4 if verb == "separate" else 2)


@only_linux
def test_any_name_is_printed(program, model: Path, recording: Path, tmp_path: Path) -> None:
    source = recording.rename(os.fsdecode(os.fsencode(tmp_path) + b"/b\xf6rn \xe6\x97\xa5.wav"))
    done = program(
        *("separate", source, "-m", model, "-o", tmp_path / "out", "-q"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        encoding="latin-1",
    )
    assert done.returncode == 0, done.stderr
    assert "/b\xf6rn \\u65e5/female.wav\n" in done.stdout


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", b"b\xf6rn \xe6\x97\xa5"), ("ascii", b"b\xf6rn \\u65e5"), ("latin-1", b"b\xf6rn \\u65e5")],
)
def test_printing_leaves_stdout_as_it_was(monkeypatch: pytest.MonkeyPatch, encoding: str, expected: bytes) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(buffer, encoding=encoding))
    with printing_any_name():
        sys.stdout.write("b\udcf6rn 日")
        sys.stdout.flush()
    assert (buffer.getvalue(), sys.stdout.errors) == (expected, "strict")


def test_no_other_file_goes_through_folders_of_inputs() -> None:
    package = Path(list_inputs.__code__.co_filename).parents[1]
    ways = re.compile(r"os\.walk|rglob\(|glob\(\"\*\.wav")
    files = (path for path in package.rglob("*.py") if ways.search(path.read_text("utf-8")))
    found = {path.relative_to(package).as_posix() for path in files}
    # Recipes are ours, folders that a run has made are tidied up.
    assert found <= {
        "files.py",
        "recipe/ledger.py",
        "recipe/catalogue.py",
        "augmented/results.py",
        "parts.py",
    }


def test_an_empty_name_is_not_the_folder_that_one_is_in(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    """As of a variable that a script has not set."""
    for arguments in (["", "-m", model, "-o", tmp_path / "out"], [recording, "-m", model, "-o", ""]):
        done = sepvae("separate", *arguments)
        assert done.returncode in (1, 2) and not done.stdout
        assert "is empty" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_name_that_no_system_takes_is_told(sepvae, model: Path, recording: Path, tmp_path: Path) -> None:
    done = sepvae("separate", recording, "-m", model, "-o", tmp_path / ("o" * 300))
    assert done.returncode == 2
    assert "a name of more than 255 bytes is in it: shorten it" in done.stderr
