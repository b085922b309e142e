"""Weights files: exact round trips, and one clear error for everything that is not one."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from hwsr.errors import HwsrError
from hwsr.quant import build
from hwsr.spec import Precision, parse_spec
from hwsr.train.checkpoint import Card, Score, load_model, load_network, load_tensors, restore, save_model, save_tensors
from hwsr.train.recipe import default_recipe

CARD = Card(
    hwsr="0",
    spec="bl x2 n4 g0 b1 noca int8",
    recipe=default_recipe(Precision.INT8, 10),
    data="none",
    data_sha256="",
    threads=1,
    step=10,
    history=(Score(step=10, psnr_y={"a": 30.5, "b": float("inf")}),),
)
TENSORS = {"a": torch.tensor([1.5, -2.0]), "scalar": torch.tensor(3.0), "count": torch.tensor([1, 2])}


def test_round_trip(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", TENSORS, CARD)
    tensors, card = load_tensors(tmp_path / "w.safetensors")
    assert tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert card.model_copy(update={"tensors_sha256": "", "card_sha256": ""}) == CARD
    assert Card.model_validate_json((tmp_path / "w.json").read_text()) == card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]


def test_tensors_that_share_memory_are_written_twice(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", {"a": TENSORS["a"], "view": TENSORS["a"][1:]}, CARD)
    assert load_tensors(tmp_path / "w.safetensors")[0]["view"].tolist() == [-2.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_saved_and_the_old_file_stays(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, TENSORS, CARD)
    before = path.read_bytes()
    with pytest.raises(HwsrError, match="'a' has values that are not finite"):
        save_tensors(path, {"a": torch.tensor([bad])}, CARD)
    assert path.read_bytes() == before


def test_missing_text_foreign_and_truncated_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(HwsrError, match="no such file"):
        load_tensors(path)
    path.write_text("not tensors")
    with pytest.raises(HwsrError, match="damaged, or not written by hwsr"):
        load_tensors(path)
    save_file(TENSORS, path)
    with pytest.raises(HwsrError, match="its card does not fit"):
        load_tensors(path)
    save_tensors(path, TENSORS, CARD)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HwsrError, match="damaged"):
        load_tensors(path)


def test_changed_and_nan_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, {"a": TENSORS["a"]}, CARD)
    card = load_tensors(path)[1]
    save_file({"a": torch.tensor([1.5, 2.0])}, path, metadata={"card": card.model_dump_json()})
    with pytest.raises(HwsrError, match="do not match their digest"):
        load_tensors(path)


@settings(max_examples=200)
@given(st.data())
def test_any_flipped_bit_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save_tensors(path, TENSORS, CARD)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(HwsrError) as error:
        load_tensors(path)
    assert "\n" not in str(error.value) and "damaged.safetensors" in str(error.value)


def test_a_card_of_a_recipe_that_is_none_is_refused_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, TENSORS, CARD)
    card = load_tensors(path)[1].model_dump(mode="json")
    card["recipe"]["stages"][0]["steps"] = 0
    save_file(TENSORS, path, metadata={"card": json.dumps(card)})
    with pytest.raises(HwsrError, match=r"w\.safetensors: damaged.*0 steps"):
        load_tensors(path)


def test_a_changed_card_is_refused_and_an_older_file_without_its_digest_is_not(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, TENSORS, CARD)
    card = load_tensors(path)[1]
    save_file(TENSORS, path, metadata={"card": card.model_copy(update={"step": 11}).model_dump_json()})
    with pytest.raises(HwsrError, match="card does not match its digest"):
        load_tensors(path)
    save_file(TENSORS, path, metadata={"card": card.model_dump_json(exclude={"card_sha256"})})
    assert load_tensors(path)[1].step == 10


def test_a_file_is_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_tensors(tmp_path / f"{name}.safetensors", TENSORS, CARD)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_restore_wants_an_exact_fit() -> None:
    network, path = nn.Conv2d(2, 3, 1), Path("w")
    state = network.state_dict()
    for tensors, message in [
        ({"weight": state["weight"]}, "lacks tensor 'bias'"),
        ({**state, "more": torch.ones(1)}, "has an unknown tensor 'more'"),
        ({**state, "bias": torch.ones(1)}, r"'bias' is torch.float32 \(1,\) in place of \(3,\)"),
        ({**state, "bias": torch.ones(3, dtype=torch.float64)}, "'bias' is torch.float64"),
    ]:
        with pytest.raises(HwsrError, match=message):
            restore(network, tensors, path)


@pytest.mark.parametrize("spec", ["bl x2 n4 g0 b1 noca", "bl x3 n4 g0 b1 int8t", "ST-bl x2 n4 g0 b1 anchor direct"])
def test_models_come_back_as_they_were(tmp_path: Path, spec: str) -> None:
    network = build(parse_spec(spec), seed=3)
    path = save_model(tmp_path, network, CARD.model_copy(update={"spec": str(parse_spec(spec))}))
    loaded_spec, tensors = load_model(tmp_path)
    assert loaded_spec == parse_spec(spec) and tensors.keys() == network.state_dict().keys()
    image = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8) % 256 / 256
    with torch.no_grad():
        assert torch.equal(load_network(path)(image), network(image))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = build(parse_spec("bl x2 n4 g0 b1 noca int8"))
    save_model(tmp_path, network, CARD.model_copy(update={"spec": "bl x2 n8 g0 b1 noca int8"}))
    with pytest.raises(HwsrError, match=r"model.safetensors: tensor .* belongs to another network"):
        load_network(tmp_path)


def test_card_is_for_people_too(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w.safetensors", TENSORS, CARD)
    card = json.loads((tmp_path / "w.json").read_text())
    assert card["recipe"]["stages"][1] == {
        "mode": "quantized",
        "steps": 2,
        "peak_rate": 0.0005,
        "schedule": "one_cycle",
    }
    assert card["history"][0]["psnr_y"]["a"] == 30.5


def test_cards_from_before_schedules_and_devices_still_load() -> None:
    old = json.loads(
        CARD.model_dump_json(exclude={"init_sha256", "teacher_sha256", "precision", "accelerator", "devices"})
    )
    for stage in old["recipe"]["stages"]:
        del stage["schedule"]
    assert Card.model_validate_json(json.dumps(old)) == CARD
