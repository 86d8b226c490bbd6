"""report.html: one page that needs nothing else and says what was measured."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from toy import images, trainer

import tilewright as tw
from tilewright.train import EnergyMeter, summarize, write_report

pytest.importorskip("matplotlib", reason="the report needs Matplotlib")


class Checker(html.parser.HTMLParser):
    """What the page loads, and whether its elements are closed in order."""

    EMPTY = {"img", "meta", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.headings = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)
        values = dict(attributes)
        assert tag not in {"script", "link", "iframe"}
        if tag == "img":
            self.sources.append(values["src"])
            assert values["alt"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def run():
    of = trainer()
    train, test = images(96), images(48, seed=1)
    of.fit(train, epochs=2, validation_data=test, verbose=False)
    return of, train, test


def test_page_is_whole_and_needs_nothing_else(run, tmp_path):
    of, train, test = run
    path = tmp_path / "report.html"
    title = "quarters <of> images & more"
    write_report(path, of, train, test, "abcd", title=title, joules=7200.0)
    text = path.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.headings == [
        "Learning curves",
        "Confusion matrix",
        "Surest errors",
        "What decided",
        "Filters of the first convolution",
        "Feature maps",
        "Weights and gradients",
        "Model",
        "Environment",
    ]
    assert len(checker.sources) == 7
    assert all(s.startswith("data:image/png;base64,") for s in checker.sources)
    assert "http" not in re.sub(r'src="[^"]*"', "", text)
    assert "<h1>quarters &lt;of&gt; images &amp; more</h1>" in text
    accuracy = of.evaluate(test)["accuracy"]
    assert f"<b>{accuracy:.4f}</b><span>test accuracy</span>" in text
    assert "<b>2 Wh</b><span>energy used</span>" in text
    assert "Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))" in text
    assert tw.__version__ in text


def test_energy_that_was_not_measured_is_said_to_be(run, tmp_path):
    of, train, test = run
    write_report(tmp_path / "r.html", of, train, test)
    text = (tmp_path / "r.html").read_text()
    assert "<b>not measured</b><span>energy used</span>" in text


def test_browser_shows_it(run, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    image = pytest.importorskip("PIL.Image", reason="reads the screenshot")
    write_report(tmp_path / "report.html", *run)
    shot = tmp_path / "shot.png"
    result = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1100,3500",
            f"--screenshot={shot}",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert shot.is_file(), result.stderr
    pixels = np.asarray(image.open(shot).convert("RGB"))
    assert pixels.shape == (3500, 1100, 3)
    # Pictures are in every part of the page's height.
    colours = [
        len(np.unique(part.reshape(-1, 3), axis=0)) for part in np.split(pixels, 7)
    ]
    assert min(colours[:5]) > 100


def test_rows_instead_of_images(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (40, 5)).astype(np.float32)
    rows = tw.data.ArrayDataset(x, np.arange(40) % 3)
    model = tw.nn.Sequential(tw.nn.Linear(5, 3))
    of = tw.Trainer(model, tw.optim.SGD(model.parameters(), lr=0.1))
    of.fit(rows, verbose=False)
    write_report(tmp_path / "r.html", of, rows, rows)
    checker = Checker()
    checker.feed((tmp_path / "r.html").read_text())
    assert checker.headings[:3] == [
        "Learning curves",
        "Confusion matrix",
        "Weights and gradients",
    ]
    numbers = tw.data.ArrayDataset(x, x[:, :1])
    with pytest.raises(ValueError, match=r"expected class ids \(N,\) and outputs"):
        write_report(tmp_path / "other.html", of, rows, numbers)
    assert not (tmp_path / "other.html").exists()


def test_images_kept_as_bytes_are_seen_through_their_transform(run, tmp_path):
    of, train, test = run
    steps = tw.data.Augmentation(tw.data.augmentation.Rescale(1 / 255))
    packed = [
        tw.data.ArrayDataset((part.x * 255).round().astype(np.uint8), part.y, steps)
        for part in (train, test)
    ]
    write_report(tmp_path / "r.html", of, *packed)
    accuracy = of.evaluate(packed[1])["accuracy"]
    assert accuracy > 0.25  # or bytes and floats might score alike
    text = (tmp_path / "r.html").read_text()
    assert f"<b>{accuracy:.4f}</b><span>test accuracy</span>" in text


def test_summary(run):
    of, _, test = run
    layers = summarize(of.model, test.x[0])
    assert [(layer.name, layer.output, layer.parameters) for layer in layers] == [
        ("0", (6, 6, 4), 40),
        ("1", (6, 6, 4), 0),
        ("2", (3, 3, 4), 0),
        ("3", (36,), 0),
        ("4", (36,), 0),
        ("5", (4,), 148),
    ]


class Counters:
    """A folder like the kernel's, whose counters a test moves."""

    def __init__(self, folder):
        self.folder = folder
        for name, what in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "psys"),
        ):
            (folder / name).mkdir()
            (folder / name / "name").write_text(what + "\n")
            (folder / name / "max_energy_range_uj").write_text("1000000000\n")
            self.set(name, 999_000_000)

    def set(self, name, value):
        (self.folder / name / "energy_uj").write_text(f"{value}\n")


def test_energy_of_packages_and_memory_past_the_counters_end(tmp_path):
    counters = Counters(tmp_path)
    with EnergyMeter(tmp_path) as meter:
        counters.set("intel-rapl:0", 500_000_000)  # it began again: 501 J
        meter.update()
        counters.set("intel-rapl:0", 600_000_000)
        counters.set("intel-rapl:0:1", 999_500_000)
        counters.set("intel-rapl:0:0", 0)
        counters.set("intel-rapl:1", 0)
    assert meter.joules == pytest.approx(501 + 100 + 0.5)


def test_energy_is_none_where_nothing_can_be_read(tmp_path):
    with EnergyMeter(tmp_path) as meter:
        meter.update()
    assert meter.joules is None
    counters = Counters(tmp_path)
    with EnergyMeter(tmp_path) as meter:
        (counters.folder / "intel-rapl:0" / "energy_uj").write_text("?")
    assert meter.joules is None
