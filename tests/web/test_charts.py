import re
from xml.etree.ElementTree import Element, fromstring

import pytest

from keyfob.web.parts.charts import Bar, area, bars, round_up, share, spark


def parsed(drawing: str) -> Element:
    return fromstring(drawing)


def rects(drawing: str, kind: str) -> list[dict[str, str]]:
    return [one.attrib for one in parsed(drawing).iter("rect") if one.get("class") == kind]


@pytest.mark.parametrize(
    ("number", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (9, 10), (10, 10), (11, 20), (61, 80), (1999, 2000)],
)
def test_the_scale_ends_at_a_round_number(number: int, top: int) -> None:
    assert round_up(number) == top


def test_bars_are_as_high_as_their_numbers() -> None:
    drawing = bars([Bar(title="1 Nov", good=5, bad=5), Bar(title="2 Nov", good=10)])
    good = rects(drawing, "good")
    assert [(one["y"], one["height"]) for one in good] == [("50%", "50%"), ("0%", "100%")]
    (bad,) = rects(drawing, "bad")
    assert (bad["y"], bad["height"]) == ("0%", "50%")


def test_one_refusal_among_thousands_is_seen() -> None:
    (bad,) = rects(bars([Bar(title="1 Nov", good=9000, bad=1)]), "bad")
    assert bad["height"] == "1.5%"


def test_a_bar_links_to_its_day_and_says_what_it_is() -> None:
    drawing = bars([Bar(title="a <b> & c", good=1, href='/console/logins?on="1"')])
    (link,) = parsed(drawing).iter("a")
    assert link.get("href") == '/console/logins?on="1"'
    assert link.findtext("title") == "a <b> & c"


def test_texts_are_the_scale_and_the_ticks() -> None:
    points = [Bar(title="", good=1500, tick="1 Nov"), Bar(title="", good=1, tick="")]
    texts = [one.text for one in parsed(bars(points, "{:,}".format)).iter("text")]
    assert texts == ["0", "1,000", "2,000", "1 Nov"]


def test_the_first_and_last_tick_stay_inside() -> None:
    drawing = area([1, 2, 3], ["a", "b", "c"])
    anchors = {one.text: one.get("text-anchor") for one in parsed(drawing).iter("text")}
    assert (anchors["a"], anchors["b"], anchors["c"]) == ("start", "middle", "end")


@pytest.mark.parametrize("draw", [lambda: bars([]), lambda: area([]), lambda: spark([])])
def test_no_numbers_are_an_empty_drawing(draw: object) -> None:
    assert callable(draw)
    assert list(parsed(draw()).iter("path")) == []


def test_a_curve_goes_from_edge_to_edge() -> None:
    curve = [one.get("d") for one in parsed(spark([0, 10])).iter("path")][1]
    assert curve == "M0 100L100 9.09L100 9.09"


@pytest.mark.parametrize(
    ("part", "whole", "width"), [(61, 100, "61%"), (0, 5, "0%"), (1, 900, "1.5%"), (0, 0, "0%")]
)
def test_a_share_is_filled_as_far_as_it_goes(part: int, whole: int, width: str) -> None:
    (filled,) = rects(share(part, whole), "part")
    assert filled["width"] == width


def test_drawings_are_hidden_from_screen_readers_and_have_no_inline_style() -> None:
    for drawing in (bars([Bar(title="", good=1)]), area([1]), spark([1]), share(1, 2)):
        assert parsed(drawing).get("aria-hidden") == "true"
        assert not re.search(r"style=|xmlns|\son\w+=", drawing)
