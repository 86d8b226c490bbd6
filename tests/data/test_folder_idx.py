from mnist_files import small_set, write_set

from tilewright.data import load_folder


def test_folder_in_mnist_format_needs_no_checksum(tmp_path):
    write_set(tmp_path, small_set(train=30, test=12), packed=True)
    train, test, classes = load_folder(tmp_path)
    assert (len(train), len(test)) == (30, 12)
    assert classes == [str(digit) for digit in range(10)]
