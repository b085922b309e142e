"""What is searched."""

from pathlib import Path

import optuna
import pytest

from hwsr.errors import HwsrError
from hwsr.explore.space import Range, Space, first, read_space, spec_of, suggest
from hwsr.spec import parse_spec

SMALL = Space(
    units=("bl", "blrxn(r=2,g=4)", "bls2"),
    places=("rb", "rg+u"),
    upsampling=("direct", "erum", "shuffle"),
    precisions=("int8", "w4a8", "ternary"),
    ratios=(1, 2),
    width=Range(least=4, most=8, step=2),
    groups=Range(least=0, most=1),
    blocks=Range(least=1, most=2),
)


def test_every_network_is_there_once_and_is_what_its_choices_make() -> None:
    specs = SMALL.specs(3)
    assert all(str(spec_of(params, 3)) == spec == str(parse_spec(spec)) for spec, params in specs.items())
    made = [parse_spec(spec) for spec in specs]
    assert len(set(made)) == len(made)
    assert {each.scale for each in made} == {3} and not any(each.attention for each in made)
    # Groups of 4 do not divide half of 4 or 6 features; units inside an ERUM need one; the plain unit has no place.
    words = set(specs)
    assert "blrxn(r=2,g=4)[rb] x3 n8 g0 b1 noca anchor direct int8" in words
    assert not any("blrxn" in spec and (" n4 " in spec or " n6 " in spec) for spec in words)
    assert not any("[rg+u]" in spec and "direct" in spec for spec in words)
    assert "bls2-e[rg+u] x3 n4 g1 b2 noca anchor w4a8" in words
    assert "ST-bl-e x3 n6 g1 b1 noca anchor r2" in words
    # bl: 3 ways up, 3 widths, 2 group counts, 2 block counts, 4 precisions with their ratios.
    assert sum(spec.startswith(("bl ", "bl-e ", "ST-bl ", "ST-bl-e ")) for spec in words) == 3 * 3 * 2 * 2 * 4


def test_what_the_sampler_chooses_lies_in_the_space() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    inside, met = SMALL.specs(2), set()
    for _ in range(300):
        try:
            spec = str(spec_of(suggest(study.ask(), SMALL), 2))
        except HwsrError:
            continue
        assert spec in inside
        met.add(spec)
    assert len(met) > len(inside) / 3


def test_the_first_networks_lie_in_the_default_space() -> None:
    assert len(set(first(2))) == len(first(2)) and set(first(2)) <= set(Space().specs(2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("units = ['bl', 'nope']", "nope"),
        ("units = ['bl luma']", "one word"),
        ("units = []", "units"),
        ("precisions = ['float32']", "float32"),
        ("precisions = ['x3']", "x3"),
        ("places = ['up']", "places"),
        ("width = {least = 9, most = 8}", "there is nothing"),
        ("width = {least = 8, most = 9, step = 0}", "width.step"),
        ("depth = 3", "depth"),
        ("units = [", "TOML"),
        ("units = ['bls2']\nwidth = {least = 3, most = 3}", "no combination"),
    ],
)
def test_a_space_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(HwsrError, match=said):
        read_space(tmp_path / "space.toml")


def test_a_file_says_what_differs_from_the_default(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text('units = ["bl"]\nwidth = {least = 4, most = 8, step = 4}\n')
    space = read_space(tmp_path / "space.toml")
    assert space == Space(units=("bl",), width=Range(least=4, most=8, step=4))
    with pytest.raises(HwsrError, match="no readable"):
        read_space(tmp_path / "other.toml")
