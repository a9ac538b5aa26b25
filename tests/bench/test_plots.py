"""Plots of the documentation are drawn from what was measured."""

import xml.etree.ElementTree as ET

import pytest

from bench.figures import read_figures
from bench.plots import IMAGES, PLOTS, plot


def test_the_longest_bar_is_that_of_the_slowest_and_each_has_its_time() -> None:
    picture = ET.fromstring(plot("Time", {"a <call>": {"ours": 0.000_25, "requests": 0.001}}))

    texts = ["".join(element.itertext()) for element in picture.iter() if element.tag.endswith("text")]
    widths = [float(bar.attrib["width"]) for bar in picture.iter() if bar.get("class") in ("ours", "other")]
    assert texts == ["Time", "shorter is better", "a <call>", "reka", "250 µs", "requests", "1 ms"]
    assert widths[0] == widths[1] / 4


@pytest.mark.parametrize("name", PLOTS)
def test_the_picture_in_the_documentation_shows_the_recorded_figures(name: str) -> None:
    assert (IMAGES / f"benchmark-{name}.svg").read_text() == plot(PLOTS[name], read_figures(name))
