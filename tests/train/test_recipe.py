"""Recipes and the one-cycle learning rate."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hwsr.errors import HwsrError
from hwsr.spec import Precision
from hwsr.train.recipe import (
    Mode,
    Preset,
    Recipe,
    Settings,
    Stage,
    default_recipe,
    one_cycle,
    rate_at,
    source_recipe,
)


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_rate_rises_once_and_falls_to_nearly_zero(steps: int) -> None:
    rates = [one_cycle(step, steps, 1e-3) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 1e-3 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    if steps == 1000:
        assert (rates[0], top, rates[top]) == (1e-3 / 25, 200, 1e-3)
        assert rates[-1] < 1e-8


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("steps", [3, 4, 1000])
def test_default_recipes_warm_up_in_float(precision: Precision, steps: int) -> None:
    recipe = default_recipe(precision, steps, seed=5)
    assert recipe.steps == steps and recipe.seed == 5
    assert [stage.mode for stage in recipe.stages] == modes(precision)


def modes(precision: Precision) -> list[Mode]:
    """The stages that a network of a precision goes through."""
    match precision:
        case Precision.FLOAT:
            return [Mode.FLOAT]
        case Precision.TERNARY:
            return [Mode.FLOAT, Mode.QUANTIZED, Mode.FROZEN]
        case _:
            return [Mode.FLOAT, Mode.QUANTIZED]


@pytest.mark.parametrize("make", [default_recipe, source_recipe])
def test_every_stage_gets_a_step_and_steps_follow_the_shares(make: Callable[..., Recipe]) -> None:
    assert [stage.steps for stage in make(Precision.TERNARY, 2000).stages] == [700, 1000, 300]
    assert [stage.steps for stage in make(Precision.TERNARY, 3).stages] == [1, 1, 1]
    with pytest.raises(HwsrError, match="2 training steps are too few; give at least 3"):
        make(Precision.TERNARY, 2)


def test_stages_start_where_the_one_before_ends() -> None:
    float_stage, first, second = (
        Stage(m, n, 1e-3) for m, n in [(Mode.FLOAT, 5), (Mode.QUANTIZED, 3), (Mode.QUANTIZED, 2)]
    )
    recipe = Recipe((float_stage, first, second))
    assert recipe.starts() == [(float_stage, 0), (first, 5), (second, 8)]
    assert (recipe.steps, recipe.first_quantized) == (10, 5)
    assert Recipe((float_stage,)).first_quantized == 5


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(HwsrError, match="steps start at 1"):
        Stage(Mode.FLOAT, 0, 1e-3)
    with pytest.raises(HwsrError, match="rates lie between 0 and 1"):
        Stage(Mode.FLOAT, 1, float("nan"))
    with pytest.raises(HwsrError, match="a recipe needs a stage"):
        Recipe(())
    with pytest.raises(HwsrError, match="too few"):
        default_recipe(Precision.INT8, 1)


def test_the_sources_recipe() -> None:
    recipe = source_recipe(Precision.FLOAT)
    assert (recipe.steps, recipe.patch, recipe.batch) == (300_000, 48, 16)
    (stage,) = recipe.stages
    rates = [rate_at(stage, step) for step in (0, 199_999, 200_000, 299_999)]
    assert rates == [1e-4, 1e-4, 5e-5, 5e-5]


@pytest.mark.parametrize("steps", [None, 610])
def test_the_source_retrains_8_bit_networks_for_5_epochs_more(steps: int | None) -> None:
    first, last = source_recipe(Precision.INT8, steps).stages
    assert (first.steps, last.steps) == ((300_000, 5_000) if steps is None else (600, 10))
    assert (last.mode, {rate_at(last, step) for step in range(last.steps)}) == (Mode.QUANTIZED, {1e-4})


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("steps", [3, 30])
def test_fewer_steps_keep_the_halving(precision: Precision, steps: int) -> None:
    recipe = source_recipe(precision, steps)
    assert recipe.steps == steps
    rates = [rate_at(recipe.stages[0], step) for step in range(recipe.stages[0].steps)]
    if precision is Precision.FLOAT and steps == 30:
        assert rates == [1e-4] * 20 + [5e-5] * 10
    assert rates == sorted(rates, reverse=True)


def test_settings_override_a_preset() -> None:
    assert Settings().make(Precision.INT8) == default_recipe(Precision.INT8, 2000)
    assert Settings(copies="90,80").make(Precision.INT8) == replace(default_recipe(Precision.INT8), copies=(90, 80))
    made = Settings(Preset.SOURCE, steps=9, batch=2, seed=4).make(Precision.FLOAT)
    assert (made.steps, made.batch, made.patch, made.seed) == (9, 2, 48, 4)
    assert made.stages[0].peak_rate == 1e-4
    with pytest.raises(HwsrError, match="a recipe needs"):
        Settings(batch=0).make(Precision.FLOAT)


@pytest.mark.parametrize(
    ("copies", "words"),
    [("90,half", "copies of images at '90,half'"), ("90,100", "90, 100 percent"), ("0", "between 1 and 99")],
)
def test_copies_that_are_none_are_refused(copies: str, words: str) -> None:
    with pytest.raises(HwsrError, match=words):
        Settings(copies=copies).make(Precision.FLOAT)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_PER_TENSOR, Precision.LOW_BITS])
def test_what_starts_from_its_own_float_weights_is_quantized_throughout(precision: Precision) -> None:
    recipe = Settings(steps=7, rate=1e-3).make(precision, warmed_up=True)
    assert [(stage.mode, stage.steps) for stage in recipe.stages] == [(Mode.QUANTIZED, 7)]
    assert recipe.first_quantized == 0
    assert recipe.stages[0].peak_rate == default_recipe(precision, 100, peak_rate=1e-3).stages[1].peak_rate
    source = Settings(Preset.SOURCE).make(precision, warmed_up=True)
    assert [(stage.mode, stage.steps, stage.peak_rate) for stage in source.stages] == [(Mode.QUANTIZED, 5000, 1e-4)]
