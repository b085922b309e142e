import pytest

from hwsr.errors import HwsrError
from hwsr.spec import PeerSpec, Precision, parse_spec


@pytest.mark.parametrize(
    "text",
    [
        "bl x2 n64 g2 b5",
        "blrn(r=4)[rb] x3 n16 g1 b2 noca",
        "blm1[rg] x4 n8 g0 b3 anchor direct int8",
        "bl x2 n16 g1 b4 noca anchor int8t",
        "blm2(e=3)[rg] x2 n16 g1 b1 int8a",
        "ST-blrn(r=2)[rg] x2 n8 g1 b1 r4",
        "bl-e x2 n64 g2 b5",
        "blrn-e(r=2)[rg+u] x3 n64 g2 b5",
        "blrxn(r=2,g=4)[rb] x2 n16 g1 b1",
        "bleff(r=2)[rg] x2 n16 g1 b1 int8",
        "bls1(r=2,g=4)[rg] x2 n16 g1 b1",
        "blclc(g1=8,g2=2)[rg] x2 n16 g1 b1",
        "ST-bls2-e[rg+u] x4 n16 g1 b1 r1",
        "blm2(e=3)[rg] x2 n16 g1 b1",
        "srcnn x4",
        "fsrcnn-s x3 int8",
        "carn-m x2 int8t",
        "xlsr x3 int8a",
        "sesr-m5 x2 int8",
    ],
)
def test_prints_what_it_parsed(text: str) -> None:
    assert str(parse_spec(text)) == text


def test_the_papers_names_stand_for_its_full_networks() -> None:
    spec = parse_spec("blrn[rb]")
    assert (spec.n, spec.groups, spec.blocks, spec.scale, spec.attention) == (64, 2, 5, 2, True)
    assert spec.unit["r"] == 2
    assert parse_spec("ST-bl").precision is Precision.TERNARY
    assert parse_spec("blrxn(r=2)") == parse_spec("blrxn(g=4)") == parse_spec("blrxn")
    assert parse_spec("bl-e[rg+u]") == parse_spec("bl-e[rb]") == parse_spec("bl-e")
    assert dict(parse_spec("blclc").unit.args) == {"g1": 32, "g2": 2}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "''"),
        ("vdsr", "vdsr"),
        ("bl x5", "x5"),
        ("bl wide", "wide"),
        ("bl r2", "r2"),
        ("ST-bl r3", "r3"),
        ("ST-bl int8", "int8"),
        ("ST-bl acc16", "leave these words out"),
        ("ST-bl head=w8", "leave these words out"),
        ("bl int8a acc16", "int8a has 8 bits throughout"),
        ("bl acc16", "write int8, int8t or wNaN too"),
        ("ST-bl int8a", "int8a"),
        ("bl int8 int8a", "int8a"),
        ("fsrcnn int8a", "PReLU"),
        ("srcnn int8a", "bicubic"),
        ("bl(r=2)", "r=2"),
        ("blrn(r=0)", "r=0"),
        ("blrn(r=3) n16", "r=3"),
        ("bl[up]", "up"),
        ("blrxn n12", "g=4"),
        ("bls1 n12", "g=4"),
        ("blclc n16", "g1=32"),
        ("blclc(g1=3,g2=2) n9", "g2=2"),
        ("bls2 n9", "even"),
        ("blm1[rg+u]", "blm1-e"),
        ("bl-e direct", "direct"),
        ("bl n0", "n0"),
        ("bl b0", "b0"),
        ("ST-fsrcnn x2", "'fsrcnn' has no ternary form"),
        ("espcn n16", "n16"),
        ("abpn x3 anchor", "anchor"),
        ("xlsr x5", "x5"),
        ("srcnn x2 r1", "r1"),
        ("vdsr x2", "sesr-m5"),
    ],
)
def test_a_word_that_does_not_fit_is_named(text: str, named: str) -> None:
    with pytest.raises(HwsrError, match=named.replace("(", r"\(").replace(")", r"\)")):
        parse_spec(text)


def test_slugs_are_file_names() -> None:
    assert parse_spec("ST-blrn(r=2)[rb] x3 r2").slug == "st_blrn_r_2_rb_x3_n64_g2_b5_r2"


def test_peers_have_their_image_channels_and_any_case() -> None:
    assert parse_spec("FSRCNN x3 int8") == PeerSpec("fsrcnn", 3, Precision.INT8)
    assert [parse_spec(name).channels for name in ("srcnn", "abpn", "carn-m", "bl")] == [1, 3, 3, 3]
    assert parse_spec("SESR-M5 x2 int8").slug == "sesr_m5_x2_int8"
    with pytest.raises(HwsrError, match="unknown network 'vdsr'"):
        PeerSpec("vdsr")
