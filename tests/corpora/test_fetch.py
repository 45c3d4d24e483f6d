"""The download of NLTK's sample against a local server: resume, restart, wrong or hostile content, no network."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae.corpora import fetch
from sepvae.corpora.fetch import TIMIT_SAMPLE, Archive, fetch_timit_sample, unpack
from sepvae.corpora.records import open_corpus
from sepvae.errors import Cancelled, InputError, OutputError
from sepvae.progress import Event, listening


@dataclass
class Site:
    """What the local server sends, and what it was asked."""

    data: bytes = b""
    ranges: bool = True
    stop_after: int | None = None  # bytes of one answer after which the connection is dropped
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def archive(self, **changes: object) -> Archive:
        md5 = hashlib.md5(self.data, usedforsecurity=False).hexdigest()
        values = {"url": self.url, "n_bytes": len(self.data), "md5": md5, "licence": "CC BY-NC-SA"}
        return Archive(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            state.asked.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.ranges else 0
            if state.status != 200 or start >= len(state.data):
                self.send_error(state.status if state.status != 200 else 416)
                return
            body = state.data[start:]
            self.send_response(206 if asked and state.ranges else 200)
            if asked and state.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(state.data) - 1}/{len(state.data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.stop_after])

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/timit.zip"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sample_zip(tmp_path: Path, write_wav: Callable) -> bytes:
    wav = write_wav(tmp_path / "x.wav", 40000).read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("timit/", "")
        archive.writestr("timit/README", "Creative Commons")
        archive.writestr("timit/dr1-fvmh0/sa1.wav", wav)
        archive.writestr("timit/dr1-fvmh0/sa1.txt", "0 40000 She had.\n")
    return buffer.getvalue()


def test_the_published_facts() -> None:
    assert TIMIT_SAMPLE.url == "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/timit.zip"
    assert (TIMIT_SAMPLE.n_bytes, len(TIMIT_SAMPLE.md5)) == (22251869, 32)
    assert "NonCommercial, ShareAlike" in TIMIT_SAMPLE.licence


def test_download_and_licence(tmp_path: Path, site: Site, sample_zip: bytes, caplog: pytest.LogCaptureFixture) -> None:
    site.data = sample_zip
    seen: list[tuple[int, int | None]] = []
    with (
        caplog.at_level(logging.INFO, logger="sepvae"),
        listening(lambda event: seen.append((event.job.done, event.job.total))),
    ):
        folder = fetch_timit_sample(tmp_path / "a/sample", archive=site.archive())
    (one,) = open_corpus(folder).utterances()
    assert (one.id, one.path, one.text) == ("FVMH0_SA1", "dr1-fvmh0/sa1.wav", "She had.")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["sample"]
    assert (folder / "README").read_text() == "Creative Commons"
    assert seen[-1] == (len(sample_zip) // 1000, len(sample_zip) // 1000) and seen == sorted(seen)
    assert "non-commercial use: CC BY-NC-SA" in caplog.text


def test_a_folder_that_holds_the_sample_needs_no_network(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data = sample_zip
    fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert fetch_timit_sample(tmp_path / "sample", archive=site.archive()) == tmp_path / "sample"
    assert len(site.asked) == 1


def test_a_dropped_connection_is_continued_at_once(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data, site.stop_after = sample_zip, len(sample_zip) // 3
    folder = fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert len(list(open_corpus(folder).utterances())) == 1
    third = len(sample_zip) // 3
    assert site.asked[:3] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_an_interrupted_download_is_continued_by_the_next_call(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data = sample_zip
    part = tmp_path / "sample.zip.part"

    def interrupt(event: Event) -> None:
        if event.kind == "update":
            listener.cancel()

    with pytest.raises(Cancelled), listening(interrupt) as listener:
        fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    kept = part.stat().st_size
    assert 0 < kept < len(sample_zip) and not (tmp_path / "sample").exists()
    fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert site.asked == [None, f"bytes={kept}-"] and not part.exists()


def test_a_server_without_ranges_starts_again(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data, site.ranges = sample_zip, False
    (tmp_path / "sample.zip.part").write_bytes(sample_zip[:1000])
    folder = fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert site.asked == ["bytes=1000-"] and len(list(open_corpus(folder).utterances())) == 1


def test_a_part_longer_than_the_file_there_starts_again(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data = sample_zip
    (tmp_path / "sample.zip.part").write_bytes(b"x" * len(sample_zip))
    with pytest.raises(InputError, match="is not what NLTK published"):
        fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert site.asked == []
    (tmp_path / "sample.zip.part").write_bytes(b"x" * (len(sample_zip) + 1))
    with pytest.raises(InputError, match=r"could not be downloaded \(HTTP Error 416.*run this again to continue"):
        fetch_timit_sample(tmp_path / "sample", archive=site.archive(n_bytes=len(sample_zip) + 2))
    assert site.asked == [f"bytes={len(sample_zip) + 1}-", None, f"bytes={len(sample_zip)}-"]


def test_a_file_downloaded_by_hand_is_taken(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    site.data = sample_zip
    (tmp_path / "sample.zip.part").write_bytes(sample_zip)
    fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert site.asked == [] and (tmp_path / "sample/dr1-fvmh0/sa1.wav").is_file()


@pytest.mark.parametrize("change", ["other", "longer"])
def test_wrong_content_is_removed_and_named(tmp_path: Path, site: Site, sample_zip: bytes, change: str) -> None:
    site.data = sample_zip
    archive = site.archive()
    site.data = sample_zip + b"more" if change == "longer" else sample_zip[:-1] + b"?"
    with pytest.raises(InputError) as caught:
        fetch_timit_sample(tmp_path / "sample", archive=archive)
    assert f"expected {len(sample_zip)} bytes with {archive.md5}: it was removed, run this again" in str(caught.value)
    assert not list(tmp_path.glob("sample*"))


def test_an_endless_answer_is_cut_off(tmp_path: Path, site: Site, sample_zip: bytes) -> None:
    archive = site.archive(n_bytes=len(sample_zip))
    site.data = sample_zip + bytes(10_000_000)
    with pytest.raises(InputError) as caught:
        fetch_timit_sample(tmp_path / "sample", archive=archive)
    received = re.search(r"received (\d+) bytes", str(caught.value))
    assert received and len(sample_zip) < int(received[1]) <= len(sample_zip) + 65536


def test_no_network_says_what_to_do(tmp_path: Path, site: Site) -> None:
    archive = Archive("http://127.0.0.1:9/timit.zip", 10, "0" * 32, "CC BY-NC-SA")
    with pytest.raises(InputError) as caught:
        fetch_timit_sample(tmp_path / "sample", archive=archive)
    message = str(caught.value)
    assert (
        "http://127.0.0.1:9/timit.zip: could not be downloaded ([Errno " in message
        and "0 of 10 bytes are here" in message
    )
    assert f"download the file by hand, save it as {tmp_path / 'sample.zip.part'} and run this again" in message
    assert f"make a synthetic corpus with 'sepvae corpus demo {tmp_path / 'sample'}'" in message
    assert not (tmp_path / "sample").exists()


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusing_server_is_named_and_what_is_here_is_kept(
    tmp_path: Path, site: Site, sample_zip: bytes, status: int
) -> None:
    site.data, site.status = sample_zip, status
    (tmp_path / "sample.zip.part").write_bytes(sample_zip[:100])
    with pytest.raises(InputError, match=rf"HTTP Error {status}.*; 100 of {len(sample_zip)} bytes are here"):
        fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert len(site.asked) == 1 and (tmp_path / "sample.zip.part").stat().st_size == 100


def test_only_web_addresses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only http and https"):
        fetch_timit_sample(tmp_path / "sample", archive=Archive("file:///etc/passwd", 10, "", ""))


def test_a_folder_in_use_or_a_file_is_left_alone(tmp_path: Path, site: Site) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match="is not empty: give a new folder"):
        fetch_timit_sample(tmp_path, archive=site.archive())
    with pytest.raises(OutputError, match="is a file: give a new folder"):
        fetch_timit_sample(tmp_path / "thesis.doc", archive=site.archive())
    assert (tmp_path / "thesis.doc").read_text() == "years of work" and site.asked == []


def test_an_empty_folder_is_used_even_as_the_current_one(
    tmp_path: Path, site: Site, sample_zip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.data = sample_zip
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    assert fetch_timit_sample(".", archive=site.archive()) == tmp_path / "new"
    assert (tmp_path / "new/dr1-fvmh0/sa1.wav").is_file()


def make_zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members:
            archive.writestr(member, data)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_zip(("../out.txt", b"x")), "'../out.txt' would be written outside the folder"),
        (make_zip(("timit/../../out.txt", b"x")), "would be written outside the folder"),
        (make_zip(("/tmp/out.txt", b"x")), "'/tmp/out.txt' would be written outside the folder"),  # noqa: S108
        (make_zip(("C:/out.txt", b"x")), "would be written outside the folder"),
        (make_zip(("..\\out.txt", b"x")), "would be written outside the folder"),
        (make_zip((link("timit/link"), b"/etc/passwd")), "'timit/link' is a link or a device, not a file"),
        (make_zip(("a/B.txt", b"x"), ("a/b.txt", b"y")), "'a/b.txt' is there twice"),
        (make_zip(("a/b", b"x"), ("a/b/c", b"y")), "a member is a file and a folder at once"),
        (make_zip(("a/" * 30_000 + "b", b"x")), "has a name of 60001 letters in 30001 parts, allowed are 1000 in 50"),
        (make_zip(("a/" * 60 + "b", b"x")), "in 61 parts"),
        (make_zip(("a/" + "é" * 200, b"x")), "each of 255 bytes"),
        (make_zip(("a/bomb", b"\0" * 300_000_000)), "refused: unpacks to 1 files and 300000000 bytes"),
        (make_zip(), "the zip file is empty"),
        (b"not a zip file", "not a whole zip file (File is not a zip file)"),
        (make_zip(("a/b", b"hello" * 50))[:-30], "not a whole zip file"),
    ],
    ids=range(15),
)  # fmt: skip
def test_hostile_archives_write_nothing(tmp_path: Path, site: Site, data: bytes, message: str) -> None:
    site.data = data
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError) as caught:
        fetch_timit_sample(tmp_path / "in/sample", archive=site.archive())
    assert message in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "sample.zip.part"]


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_MAX_MEMBERS", 2)
    (tmp_path / "x.zip").write_bytes(make_zip(("a", b""), ("b", b""), ("c", b"")))
    with pytest.raises(InputError, match="unpacks to 3 files and 0 bytes, allowed are 2"):
        unpack(tmp_path / "x.zip", tmp_path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(make_zip(("a/b", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match="'a/b' is encrypted"):
        unpack(tmp_path / "x.zip", tmp_path)


def test_another_archive_is_not_taken_for_the_sample(tmp_path: Path, site: Site) -> None:
    site.data = make_zip(("other/file.txt", b"x"))
    with pytest.raises(InputError, match="this is not NLTK's sample of TIMIT"):
        fetch_timit_sample(tmp_path / "sample", archive=site.archive())
    assert not (tmp_path / "sample").exists()


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_archive_unpacks_true_content_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    members = {"t/a.txt": b"hello " * 20, "t/b/c.txt": bytes(range(200))}
    data = bytearray(make_zip(*members.items()))
    data[position % len(data)] = value
    folder = tmp_path_factory.mktemp("zip")
    (folder / "x.zip").write_bytes(data)
    (folder / "out").mkdir()
    try:
        unpack(folder / "x.zip", folder / "out")
    except InputError as error:
        assert "x.zip: " in str(error)
        return
    # Names and dates are not covered by a checksum; contents are.
    assert {path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} <= {*members.values()}
