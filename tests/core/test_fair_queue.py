"""The order of a fair queue, and the choice of the work that gives way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.core.fair_queue import FairQueue, Share

# Two sites; in the first two homes, in the first of which there are two clients.
PATHS: list[Share] = [("s", "h", "1"), ("s", "h", "2"), ("s", "i", "1"), ("t", "h", "1")]
shares = st.sampled_from(PATHS)


def queue_of(*waiting: Share) -> FairQueue[tuple[int, Share]]:
    queue: FairQueue[tuple[int, Share]] = FairQueue()
    for number, share in enumerate(waiting):
        queue.put((number, share), share)
    return queue


def test_the_shares_take_turns_and_in_each_those_within_it() -> None:
    one, two, three, alone = PATHS
    queue = queue_of(one, one, one, two, two, three, alone, alone)

    order = [queue.take()[1] for _ in range(len(queue))]

    assert order == [one, alone, three, alone, two, one, two, one]


def test_in_one_share_what_came_first_is_first() -> None:
    queue = queue_of(*[PATHS[0]] * 4)

    assert [queue.take()[0] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(IndexError):
        queue.take()


def test_many_networks_of_one_site_are_one_share_against_another() -> None:
    neighbours: list[Share] = [("site", f"home {number}", "") for number in range(200)]
    queue = queue_of(*neighbours, ("elsewhere", "home", ""))

    assert queue.newest_of_largest() == (199, neighbours[-1])
    assert queue.take()[1][0] == "site"
    assert queue.take()[1][0] == "elsewhere"


def test_the_newest_of_the_largest_is_of_two_alike_that_of_the_later_one() -> None:
    one, two, _, alone = PATHS
    queue = queue_of(one, alone, two, one, alone)

    assert queue.newest_of_largest() == (3, one)
    queue.remove((3, one), one)
    assert queue.newest_of_largest() == (4, alone)


@given(st.lists(shares, min_size=1, max_size=12))
def test_no_share_is_larger_than_that_of_the_one_who_gives_way(waiting: list[Share]) -> None:
    number, share = queue_of(*waiting).newest_of_largest()

    assert number == max(at for at, other in enumerate(waiting) if other == share)
    for depth in range(len(share)):
        around = [other for other in waiting if other[:depth] == share[:depth]]
        sizes = Counter(other[depth] for other in around)
        assert sizes[share[depth]] == max(sizes.values())


@given(st.lists(shares, max_size=12), st.data())
def test_nothing_is_lost_and_nothing_stays(waiting: list[Share], data: st.DataObject) -> None:
    queue = queue_of(*waiting)
    left = dict(enumerate(waiting))
    while left:
        assert len(queue) == len(left)
        if data.draw(st.booleans()):
            number, _ = queue.take()
        else:
            number = data.draw(st.sampled_from(sorted(left)))
            queue.remove((number, left[number]), left[number])
            with pytest.raises(ValueError, match=r".+"):
                queue.remove((number, left[number]), left[number])
        del left[number]

    assert len(queue) == 0
    assert queue.shares == 0
