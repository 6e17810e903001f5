import pytest
from bench.harness.comparison import change_of, compare, render
from bench.harness.figures import NOISE_OF_TAILS, Line

STEADY = (0.80, 0.81, 0.80, 0.79, 0.80)


def line(
    *values: float,
    name: str = "refresh / bare",
    bound: float = 0.7,
    at_most: bool = False,
    unit: str = "",
    noise: float = 0.10,
) -> Line:
    return Line(name, values, bound, at_most, "", unit, noise)


def test_the_same_figure_is_the_same() -> None:
    change = change_of(line(*STEADY), line(*STEADY))

    assert (change.verdict, change.worse_by) == ("same", 0)


def test_a_fifth_less_is_worse_where_more_is_better() -> None:
    change = change_of(line(*STEADY), line(0.64, 0.65, 0.64, 0.63, 0.64))

    assert change.verdict == "WORSE"
    assert change.worse_by == pytest.approx(0.2)
    assert "20% worse" in render(change)


def test_a_fifth_more_is_better_where_more_is_better() -> None:
    change = change_of(line(*STEADY), line(0.96, 0.96, 0.97, 0.95, 0.96))

    assert change.verdict == "better"
    assert change.worse_by == pytest.approx(-0.2)


def test_a_fifth_more_is_worse_where_less_is_better() -> None:
    then, now = (line(*values, bound=1.2, at_most=True) for values in (STEADY, [0.96] * 5))

    assert change_of(then, now).verdict == "WORSE"


def test_less_than_the_floor_is_noise_even_where_the_rounds_agree() -> None:
    assert change_of(line(*[0.80] * 5), line(*[0.73] * 5)).verdict == "same"
    assert change_of(line(*[0.80] * 5), line(*[0.71] * 5)).verdict == "WORSE"


def test_tails_have_a_floor_of_their_own() -> None:
    then, now = (line(value, bound=4, at_most=True, noise=NOISE_OF_TAILS) for value in (2.0, 2.9))

    assert change_of(then, now).verdict == "same"


def test_rounds_that_scatter_make_more_noise() -> None:
    scattered = (0.5, 0.65, 0.8, 0.95, 1.1)
    worse = (0.35, 0.5, 0.65, 0.8, 0.95)

    assert change_of(line(*scattered), line(*worse)).verdict == "same"
    assert change_of(line(*[0.8] * 5), line(*[0.65] * 5)).verdict == "WORSE"


def test_one_odd_round_neither_hides_nor_makes_a_change() -> None:
    odd = (0.80, 0.81, 0.20, 0.79, 0.80)

    assert change_of(line(*STEADY), line(*odd)).verdict == "same"
    assert change_of(line(*odd), line(0.60, 0.60, 0.61, 0.59, 0.60)).verdict == "WORSE"


def test_more_rounds_are_surer() -> None:
    then, now = (0.70, 0.80, 0.90), (0.58, 0.68, 0.78)

    assert change_of(line(*then), line(*now)).verdict == "same"
    assert change_of(line(*then * 30), line(*now * 30)).verdict == "WORSE"


def test_a_change_far_below_the_bound_matters_to_nobody() -> None:
    then, now = (line(value, bound=30, at_most=True, unit=" MB") for value in (0.5, 1.5))

    assert change_of(then, now).verdict == "same"


def test_nothing_that_stays_nothing_is_the_same() -> None:
    then, now, some = (line(value, bound=0, at_most=True) for value in (0, 0, 3))

    assert change_of(then, now).verdict == "same"
    assert change_of(then, some).verdict == "WORSE"


def test_ratios_and_memory_are_compared_where_both_runs_have_them() -> None:
    committed = [
        line(1.0, name="ratio"),
        line(80.0, name="memory", unit=" MB"),
        line(0.2, name="cpu", unit=" ms"),
    ]
    measured = [*committed, line(1.0, name="new")]

    assert [change.name for change in compare(committed, measured)] == ["ratio", "memory"]
