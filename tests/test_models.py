"""The released models are what their cards and their release.json say."""

from pathlib import Path

import pytest

from benchmarks.released import table
from hwsr.data.datasets import validation_images
from hwsr.release import check_release
from hwsr.train.checkpoint import load_network, load_tensors
from hwsr.train.validation import validate

FOLDER = Path(__file__).parent.parent / "models"
# equal_cost: those that benchmarks/equal_cost.py makes.
MODELS = sorted(path.parent for part in ("", "equal_cost/") for path in FOLDER.glob(f"{part}*/model.safetensors"))


def test_there_are_released_models() -> None:
    assert MODELS


def test_the_table_beside_them_has_their_scores() -> None:
    assert table(FOLDER) in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("folder", MODELS, ids=[folder.name for folder in MODELS])
def test_a_released_model_is_what_its_release_says(folder: Path) -> None:
    release = check_release(folder)
    assert release.scores.keys() == {"Set5", "Set14", "B100"}
    assert not release.made_from or (folder.parent / release.made_from / "model.safetensors").is_file()


@pytest.mark.parametrize("folder", MODELS, ids=[folder.name for folder in MODELS])
def test_a_released_model_scores_what_its_card_says(folder: Path) -> None:
    card, network = load_tensors(folder / "model.safetensors")[1], load_network(folder)
    assert card.step == card.recipe.steps
    scores = validate(network, validation_images(network.spec.scale), network.spec.scale, network.spec.channels)
    # Rounding to pixels hides all but a few differences between processors' float sums.
    assert scores == pytest.approx(card.history[-1].psnr_y, abs=0.01)
