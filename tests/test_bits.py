"""The words of a spec for bits."""

import pytest

from hwsr.bits import Bits, Widths, parse_layer, parse_widths
from hwsr.errors import HwsrError
from hwsr.spec import PeerSpec, Precision, in_float, parse_spec


@pytest.mark.parametrize(
    "text",
    [
        "bl x2 n16 g0 b4 noca anchor direct w4a4",
        "bl x2 n64 g2 b5 w2a8 acc16",
        "bl x2 n64 g2 b5 int8 acc20 body=w4 body.0.first=w8a8",
        "bl x2 n64 g2 b5 int8t head=a4",
        "fsrcnn x2 w4a4 body.0=w4",
        "espcn x3 int8 acc18",
    ],
)
def test_prints_what_it_parsed(text: str) -> None:
    spec = parse_spec(text)
    assert str(spec) == text
    assert parse_spec(str(in_float(spec))) == in_float(spec)


def test_eight_bits_of_both_are_int8() -> None:
    assert parse_spec("bl w8a8") == parse_spec("bl int8")
    assert parse_spec("bl w4a8").precision is Precision.LOW_BITS
    assert parse_spec("bl int8 head=w4").precision is Precision.INT8
    assert PeerSpec("espcn", 2, Precision.LOW_BITS, Bits(4, 4)) == parse_spec("espcn w4a4")


def test_of_several_names_the_longest_counts() -> None:
    bits = parse_spec("bl w4a4 body.0=w2a3 body.0.first=w8 body.01=w7").bits
    assert bits.of("head", 4, 4) == (4, 4)
    assert bits.of("body.0.second", 4, 4) == (2, 3)
    assert bits.of("body.0.first", 4, 4) == (8, 3)
    assert bits.of("body.1.first", 5, 6) == (5, 6)


def test_words_are_read_in_parts() -> None:
    assert (parse_widths("w4"), parse_widths("a3"), parse_widths("n16"), parse_widths("")) == (
        Widths(4),
        Widths(None, 3),
        None,
        None,
    )
    assert parse_layer("body.0.first=w4a8") == ("body.0.first", Widths(4, 8))
    assert parse_layer("w4a8") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("bl w1a4", "w1a4"),
        ("bl w4a9", "2 to 8 bits"),
        ("bl w4", "'w4'"),
        ("bl int8 head=4", "head=4"),
        ("bl int8 head=", "head="),
        ("bl int8 =w4", "=w4"),
        ("bl int8 ../x=w4", r"\.\./x=w4"),
        ("bl int8 head=w4 head=a4", "says again"),
        ("bl int8 w4a4", "says again"),
        ("bl int8 acc16 acc18", "says again"),
        ("bl int8 acc5", "acc5"),
        ("bl int8 acc33", "acc33"),
        ("bl acc16", "fixed-point"),
        ("bl head=w4", "fixed-point"),
        ("ST-bl acc16", "fixed-point"),
        ("ST-bl w4a4", "w4a4"),
        ("ST-fsrcnn w4a4", "w4a4"),
    ],
)
def test_a_word_that_does_not_fit_is_named(text: str, named: str) -> None:
    with pytest.raises(HwsrError, match=named):
        parse_spec(text)
