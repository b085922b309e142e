"""Who waits for whom."""

from hwsr.simulate.deadlock import Wait, cycle

ENDS = {"s": ("a", "b"), "t": ("b", "c"), "skip": ("a", "c"), "in": ("source", "a")}


def test_the_cycle_leaves_out_who_only_waits_behind_it():
    waits = [Wait("source", "in", True), Wait("a", "skip", True), Wait("c", "t", False), Wait("b", "s", False)]
    assert [wait.process for wait in cycle(waits, ENDS)] == ["a", "c", "b"]


def test_there_is_none_where_the_other_end_is_done():
    assert cycle([Wait("b", "s", False), Wait("c", "t", False)], ENDS) == ()
    assert cycle([], ENDS) == ()


def test_how_a_wait_reads():
    assert str(Wait("a", "skip", True)) == "a waits to write the full skip"
    assert str(Wait("b", "s", False)) == "b waits to read the empty s"
