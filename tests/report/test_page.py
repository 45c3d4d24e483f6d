"""The page of a run: complete in itself, safe with hostile names, and true to the scores and the sound."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sepvae import audio
from sepvae.errors import InputError
from sepvae.evaluation import measure_names
from sepvae.evaluation.contract import Description
from sepvae.evaluation.hypotheses import Claim, check_claims
from sepvae.evaluation.rows import ScoreRow
from sepvae.evaluation.statistics import compare_systems, summarise
from sepvae.report import figures
from sepvae.report.labels import Measures
from sepvae.report.overview import Overview
from sepvae.report.page import ReportItem, ReportSplit, write_report
from sepvae.report.systems import ShownSystem, Systems

RATE = 8000
SDR, SAR = "sdr_bsseval_v3_512", "sar_bsseval_v3_512"
SYSTEMS = {"mixture": 0.0, "kl_nmf": 4.0, "vae": 6.0, "ica": 8.0, "bound": 12.0}
# Names say nothing: what a system is stands beside them.
KNOWN = Systems(
    [
        ShownSystem("bound", "Ideal Wiener mask", "ceiling", ("references",)),
        ShownSystem("vae", "VAE", "ours"),
        ShownSystem("ica", "ICA (2 channels)", "informed", ("references",)),
        ShownSystem("kl_nmf", "KL-NMF", "baseline"),
        ShownSystem("mixture", "Mixture", "floor"),
    ]
)


class Page(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def make_split(folder: Path, *, item: str = "test-00000", n_samples: int = 4000) -> ReportSplit:
    random = np.random.default_rng(0)

    def write(name: str) -> Path:
        path = folder / f"{name}.wav"
        audio.write(path, random.uniform(-0.2, 0.2, n_samples).astype(np.float32), sample_rate=RATE)
        return path

    names = ("female", "male")
    rows = []
    for system, level in SYSTEMS.items():
        for number in range(6):
            for source in names:
                values = {SDR: level + float(random.normal()), SAR: float("nan") if system == "mixture" else 9.0}
                reasons = {SAR: "mixture_has_no_artifacts"} if system == "mixture" else {}
                rows.append(ScoreRow(system, item if number == 0 else f"other-{number}", source, values, reasons))
    references = {name: write(f"reference-{name}") for name in names}
    estimates = {system: {name: write(f"{system}-{name}") for name in names} for system in SYSTEMS}
    tests = [vars(test) for test in compare_systems(rows)]
    listed = ReportItem(item, "FAEM0 + MAEB0", write("mixture"), references, estimates)
    return ReportSplit("speaker_seen", "Seen.", summarise(rows), tests, [], rows, [listed])


def write_page(folder: Path, split: ReportSplit, **options: object) -> str:
    settings = {
        "measures": Measures({}),
        "config": {"seed": 1},
        "versions": {"torch": "2"},
        "seed": 7,
        "notes": ["A note."],
        **options,
    }
    write_report(folder / "report.html", title="Title", systems=KNOWN, splits=[split], **settings)  # type: ignore[arg-type]
    return (folder / "report.html").read_text()


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    page = Page(write_page(tmp_path, make_split(tmp_path)))
    for tag, attributes in page.tags:
        for key in ("src", "href", "data", "srcset", "poster"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), f"<{tag} {key}={value[:60]}>"
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])
    assert not page.all("link")


def test_how_often_speakers_were_named_is_shown_where_systems_name_them(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    assert "Speakers named rightly" not in write_page(tmp_path, split)
    counts = {"classes": 8, "clean": {"right": 3, "of": 4}, "separated": {"right": 9, "of": 10}}
    page = write_page(tmp_path, replace(split, named={"vae": counts}))
    assert "<td>8</td><td>75 % (3 of 4)</td><td>90 % (9 of 10)</td>" in page


def test_every_signal_can_be_played_and_is_named(tmp_path: Path) -> None:
    page = Page(write_page(tmp_path, make_split(tmp_path)))
    players = page.all("audio")
    # The mixture, two references, and two estimates of each system but the floor, which is the mixture.
    assert len(players) == 1 + 2 + 2 * (len(SYSTEMS) - 1)
    assert len({player["aria-label"] for player in players}) == len(players)
    for player in players:
        data = base64.b64decode(str(player["src"]).partition(",")[2])
        wave, rate = soundfile.read(io.BytesIO(data))
        assert (len(wave), rate) == (4000, RATE)
    assert all(image.get("alt") for image in page.all("img"))


def test_levels_stay_in_proportion(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    page = Page(write_page(tmp_path, split))
    item = split.items[0]
    by_label = {str(player["aria-label"]): str(player["src"]) for player in page.all("audio")}
    ratios = []
    for label, path in (("Mixture  of", item.mixture), ("True source female of", item.references["female"])):
        source = next(src for key, src in by_label.items() if key.startswith(label))
        played, _ = soundfile.read(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        ratios.append(np.std(played) / np.std(audio.read(path).wave))
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-3)


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    text = write_page(tmp_path, make_split(tmp_path, item=hostile), notes=[hostile], config={"x": hostile})
    assert hostile not in text
    assert text.count("&lt;script&gt;") >= 3
    assert len(Page(text).all("script")) == 1


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    assert write_page(tmp_path, split) == write_page(tmp_path, split)


def test_the_table_says_what_was_measured(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    text = write_page(tmp_path, split)
    for system in SYSTEMS:
        assert f"{split.summary[system][SDR]['mean']:.2f}".replace("-", "−") in text
    # The best of those that are given no more than the mixture is marked, a ceiling and what is informed are not.
    assert f'class="best">{split.summary["vae"][SDR]["mean"]:.2f}<' in text
    for system in ("ica", "bound"):
        assert f'class="best">{split.summary[system][SDR]["mean"]:.2f}<' not in text
    roles = [one["class"] for one in Page(text).all("span") if "role" in str(one.get("class"))]
    # From floor to ceiling.
    assert roles == [f"role {role}" for role in ("floor", "baseline", "ours", "informed", "ceiling")]


def test_missing_measures_are_named(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    for row in split.rows:
        row.values["pesq_wb"] = float("nan")
        row.reasons["pesq_wb"] = "pesq_not_installed"
    split = ReportSplit(split.name, "", summarise(split.rows), split.comparisons, [], split.rows, split.items)
    assert "Not measured: PESQ WB" in write_page(tmp_path, split)


def test_published_figures_stand_beside_ours(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    figure = {"system": "vae", "measure": SDR, "value": 9.08, "source": "Do et al. 2020"}
    text = write_page(tmp_path, split, published=[figure])
    assert "9.08" in text
    assert "Do et al. 2020" in text


def test_a_violin_has_a_point_for_every_score() -> None:
    scores = {"mixture": [0.0, 0.1], "vae": [1.0, 2.0, 3.0, 4.5, 5.0]}
    groups = figures.violins(scores, "SDR (dB)", KNOWN).decode().split('<g id="PathCollection_')[1:]
    points = [group.split('<g id="')[0].count("<use ") for group in groups]
    assert points == [2, 5]


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figures.violins({"vae": [1.0, 2.0]}, "SDR (dB)", KNOWN)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("n_samples", [0, 1, 4000])
def test_spectrograms_of_any_length(n_samples: int) -> None:
    levels = figures.spectrogram_db(np.zeros(n_samples, np.float32), sample_rate=RATE)
    assert np.isfinite(levels).all()
    assert figures.spectrogram_image(levels, top_db=0.0)[:4] == b"RIFF"


def test_real_speech_makes_a_page_of_reasonable_size(corpora: Path, tmp_path: Path) -> None:
    paths = sorted((corpora / "timit-sample").glob("dr1-*/s*.wav"))[:3]
    item = ReportItem("a", "b", paths[0], {"female": paths[1]}, {"vae": {"female": paths[2]}})
    rows = [ScoreRow("vae", "a", "female", {SDR: 5.0}, {})]
    split = ReportSplit("speaker_seen", "", summarise(rows), [], [], rows, [item])
    assert 20_000 < len(write_page(tmp_path, split)) < 800_000


def test_what_knows_more_does_not_compete() -> None:
    assert [name for name in SYSTEMS if KNOWN[name].competes] == ["kl_nmf", "vae"]


def test_systems_come_from_floor_to_ceiling_in_the_order_given() -> None:
    assert KNOWN.ordered(reversed(SYSTEMS)) == ["mixture", "kl_nmf", "vae", "ica", "bound"]
    assert KNOWN.ordered(["vae", "mixture", "vae"]) == ["mixture", "vae"]
    with pytest.raises(InputError, match="vae: role = 'best': choose one of floor, baseline, ours, informed, ceiling"):
        Systems([ShownSystem("vae", "VAE", "best")])


LSD = Description("LSD", "dB", 1, "lower", ("violin", "test", "player"))


def other_measure(folder: Path, name: str = "lsd") -> ReportSplit:
    """Return the split with the scores of a measure that sepvae does not know: those of the SDR, without their sign."""
    split = make_split(folder)
    rows = [ScoreRow(one.system, one.item, one.source, {name: abs(one.values[SDR])}, {}) for one in split.rows]
    tests = [vars(test) for test in compare_systems(rows)]
    return ReportSplit(split.name, "", summarise(rows), tests, [], rows, split.items)


def test_the_best_by_a_measure_is_that_with_the_better_value(tmp_path: Path) -> None:
    """The lowest where lower values are better; of a measure that nobody describes, none is marked."""
    split = other_measure(tmp_path)
    means = {name: f"{split.summary[name]['lsd']['mean']:.1f}" for name in ("kl_nmf", "vae")}
    text = write_page(tmp_path, split, measures=Measures({"lsd": LSD}))
    assert f'class="best">{means["kl_nmf"]}<' in text
    assert text.count('class="best"') == 1
    text = write_page(tmp_path, split, measures=Measures({"lsd": LSD._replace(better="higher")}))
    assert f'class="best">{means["vae"]}<' in text
    assert 'class="best"' not in write_page(tmp_path, split)


def test_a_measure_is_shown_where_it_says(tmp_path: Path) -> None:
    split, players = other_measure(tmp_path), 2 * (len(SYSTEMS) - 1)
    text = write_page(tmp_path, split, measures=Measures({"lsd": LSD}))
    assert "LSD (dB, lower is better)</th>" in text
    assert (text.count("Violin plots of LSD"), text.count('<td class="text">LSD</td>')) == (1, 10)
    assert text.count("<dt>LSD</dt>") == players
    text = write_page(tmp_path, split, measures=Measures({"lsd": LSD._replace(shown=())}))
    assert not any(word in text for word in ("Violin plots", "Paired tests", "<dt>"))


# Where the page has shown each measure since it was written.
SHOWN = {
    "violin": [SDR, "sir_bsseval_v3_512", SAR, "pesq_nb", "pesq_wb"],
    "test": [SDR, "sir_bsseval_v3_512", SAR, "si_sdr", "pesq_wb"],
    "player": [SDR, "sir_bsseval_v3_512", SAR],
}


@pytest.mark.parametrize("place", SHOWN)
def test_our_measures_are_where_they_were(place: str) -> None:
    """Improvements are in the table alone."""
    assert Measures({}).shown(measure_names(), place) == SHOWN[place]  # type: ignore[arg-type]


def test_a_claim_of_equality_shows_its_margin_with_the_unit(tmp_path: Path) -> None:
    split = make_split(tmp_path)
    claims = [Claim("alike", "vae", ("kl_nmf",), SDR, "equal", 0.5), Claim("more", "vae", ("kl_nmf",), SDR, "greater")]
    tests = [asdict(test) for test in check_claims(split.rows, claims)]
    text = write_page(tmp_path, replace(split, hypotheses=tests))
    assert "VAE against KL-NMF, within ±0.5 dB<" in text
    assert "VAE against KL-NMF<" in text


def test_overviews_stand_above_the_results(tmp_path: Path) -> None:
    table = Overview("Gains", ["", "noise"], [["<b>soft</b>", "+1.5 (0.5 to 2.5)"]], "In percent.")
    text = write_page(tmp_path, make_split(tmp_path), overviews=[table])
    assert text.index("<h2>Gains</h2>") < text.index("+1.5 (0.5 to 2.5)") < text.index("<h3>Scores</h3>")
    assert "&lt;b&gt;soft" in text and "<b>soft" not in text
    assert "In percent." in text
