"""Any file becomes RGB uint8 or one clear error."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hwsr.data.images import read_image, write_png
from hwsr.errors import HwsrError

RGB = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def png16(path: Path, colour_type: int, channels: int) -> Path:
    """A 4x4 PNG with 16 bits a channel, which PIL cannot write in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    rows = (b"\0" + bytes(8 * channels)) * 4
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_rgb_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    image = read_image(saved(tmp_path / f"a{suffix}", Image.fromarray(RGB)))
    assert image.dtype == np.uint8 and np.array_equal(image, RGB)


def test_write_png_round_trips(tmp_path: Path) -> None:
    write_png(tmp_path / "new" / "a.png", RGB)
    assert np.array_equal(read_image(tmp_path / "new" / "a.png"), RGB)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "grey.png", Image.fromarray(RGB[..., 0])))
    assert np.array_equal(image, np.repeat(RGB[..., :1], 3, axis=2))


def test_one_bit_and_palette_become_rgb(tmp_path: Path) -> None:
    bits = read_image(saved(tmp_path / "bits.png", Image.fromarray(RGB[..., 0] > 127)))
    assert np.array_equal(bits[..., 0], np.where(RGB[..., 0] > 127, 255, 0))
    palette = Image.fromarray(RGB).quantize(4)
    assert np.array_equal(read_image(saved(tmp_path / "p.png", palette)), np.array(palette.convert("RGB")))


def test_alpha_is_dropped_and_colour_kept(tmp_path: Path) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, (5, 7, 1), dtype=np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(np.concatenate([RGB, alpha], axis=2)))
    assert np.array_equal(read_image(path), RGB)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held turned by a quarter
    image = read_image(saved(tmp_path / "turned.png", Image.fromarray(RGB), exif=exif))
    assert np.array_equal(image, np.rot90(RGB, -1))


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_is_refused(tmp_path: Path, colour_type: int, channels: int) -> None:
    with pytest.raises(HwsrError, match=r"deep.png: more than 8 bits a channel; convert it to 8-bit"):
        read_image(png16(tmp_path / "deep.png", colour_type, channels))


def test_16_bit_ppm_and_float_tiff_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.ppm").write_bytes(b"P6 4 4 65535\n" + bytes(96))
    saved(tmp_path / "float.tif", Image.fromarray(np.zeros((4, 4), np.float32)))
    for name in ("deep.ppm", "float.tif"):
        with pytest.raises(HwsrError, match="more than 8 bits a channel"):
            read_image(tmp_path / name)


def test_cmyk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HwsrError, match="colour mode CMYK; convert it to 8-bit RGB"):
        read_image(saved(tmp_path / "a.jpg", Image.fromarray(RGB).convert("CMYK")))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (9, 2)])
def test_tiny_images_are_refused(tmp_path: Path, height: int, width: int) -> None:
    path = saved(tmp_path / "tiny.png", Image.new("RGB", (width, height)))
    with pytest.raises(HwsrError, match=f"tiny.png: {width}x{height} pixels; the smallest image is 3x3"):
        read_image(path)


def test_missing_folder_and_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    for path, reason in [
        (tmp_path / "absent.png", "no such image file"),
        (tmp_path, "not a readable image"),
        (tmp_path / "text.png", "not a readable image"),
    ]:
        with pytest.raises(HwsrError, match=reason):
            read_image(path)


def test_more_pixels_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "bomb.png", Image.fromarray(RGB))
    for limit in (34, 10):  # PIL warns beyond its limit and raises beyond twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(HwsrError, match=f"more than {limit} pixels"):
            read_image(path)


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.tile(RGB, (4, 4, 1))).save(stream, format=kind)
    return stream.getvalue()


FILES = {kind: _encoded(kind) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")}


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_files_give_an_image_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged-{kind}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(path)
    except HwsrError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
    else:
        assert image.dtype == np.uint8 and image.shape[2] == 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_half_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "half"
    path.write_bytes(FILES[kind][: len(FILES[kind]) // 2])
    with pytest.raises(HwsrError, match="not a readable image"):
        read_image(path)
