import gzip

import numpy as np
import pytest
from mnist_files import idx_bytes

from tilewright.data.files import decompress
from tilewright.data.idx import parse_idx

IMAGES = np.arange(24).reshape(2, 3, 4)


def test_reads_what_was_written():
    np.testing.assert_array_equal(parse_idx(idx_bytes(IMAGES), 3, "f"), IMAGES)
    assert parse_idx(idx_bytes(np.zeros(0)), 1, "f").shape == (0,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected magic 00000803, got nothing"),
        (idx_bytes(IMAGES[0]), "expected magic 00000803, got 00000802"),
        (b"\0\0\x0d\x03" + idx_bytes(IMAGES)[4:], "got 00000d03"),
        (b"<html>", "got 3c68746d"),
        (idx_bytes(IMAGES)[:10], "the header has 16 bytes, got 10"),
        (idx_bytes(IMAGES)[:-1], r"shape \(2, 3, 4\) needs 40 bytes, got 39"),
        (idx_bytes(IMAGES) + b"\0", r"shape \(2, 3, 4\) needs 40 bytes, got 41"),
        # Sizes whose product overflows 64 bits.
        (b"\0\0\x08\x03" + b"\xff" * 12, "wrong length: shape"),
    ],
)
def test_refuses_anything_else(data, message):
    with pytest.raises(ValueError, match=f"^some-file: .*{message}"):
        parse_idx(data, 3, "some-file")


def test_decompress_takes_both_forms():
    assert decompress(b"plain", "f") == b"plain"
    assert decompress(gzip.compress(b"packed"), "f") == b"packed"


@pytest.mark.parametrize("damage", ["cut", "flip", "checksum"])
def test_damaged_gzip_names_the_file(damage):
    packed = bytearray(gzip.compress(bytes(range(256)) * 10))
    if damage == "cut":
        packed = packed[:-20]
    elif damage == "flip":
        packed[40] ^= 0xFF
    else:
        packed[-6] ^= 0xFF
    with pytest.raises(ValueError, match="^some-file: the gzip data is damaged"):
        decompress(bytes(packed), "some-file")
