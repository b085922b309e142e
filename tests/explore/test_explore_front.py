"""The front is what comparing every network with every other leaves."""

from hypothesis import given
from hypothesis import strategies as st

from hwsr.explore.front import front, reaching
from hwsr.explore.hardware import Hardware
from hwsr.explore.search import Found

OBJECTIVES = {"psnr": "maximize", "lut": "minimize", "dsp": "minimize", "bram18": "minimize", "fps": "maximize"}
few = st.integers(0, 3)
networks = st.lists(st.builds(Hardware, lut=few, ff=few, dsp=few, bram18=few, fps=few.map(float)), max_size=9).flatmap(
    lambda made: st.tuples(st.just(made), st.lists(few, min_size=len(made), max_size=len(made)))
)


def found(made: tuple[list[Hardware], list[int]]) -> list[Found]:
    return [
        Found(i, f"bl x2 n{i + 1}", 30.0 + db, 0.9, hardware, 1.0, "host", "folder")
        for i, (hardware, db) in enumerate(zip(*made, strict=True))
    ]


def gains(a: Found, b: Found, objectives: dict[str, str]) -> list[float]:
    """By how much a is better than b, in each objective."""
    return [
        (a.value(name) - b.value(name)) * (1 if direction == "maximize" else -1)
        for name, direction in objectives.items()
    ]


@given(networks, st.sets(st.sampled_from(sorted(OBJECTIVES)), min_size=1))
def test_the_front_is_what_no_other_beats(made: tuple[list[Hardware], list[int]], names: set[str]) -> None:
    all_found, objectives = found(made), {name: OBJECTIVES[name] for name in OBJECTIVES if name in names}
    wanted = {
        a.number
        for a in all_found
        if not any(
            min(gains(b, a, objectives)) >= 0 and max(gains(b, a, objectives)) > 0 for b in all_found if b is not a
        )
    }
    best = front(all_found, objectives)
    assert {each.number for each in best} == wanted and len(best) == len(wanted)
    assert [each.psnr for each in best] == sorted((each.psnr for each in best), reverse=True)


@given(networks, few)
def test_the_front_of_what_reaches_a_quality_is_the_front_s_part_that_does(
    made: tuple[list[Hardware], list[int]], db: int
) -> None:
    all_found = found(made)
    part = [each for each in front(all_found, OBJECTIVES) if each.psnr >= 30 + db]
    assert front(reaching(all_found, 30.0 + db), OBJECTIVES) == part
    assert reaching(all_found, None) == all_found
