"""Arrays shared with NumPy and PyTorch through DLPack and NumPy's protocol."""

import numpy as np
import pytest

import tilewright as tw
from tilewright.errors import BackendUnavailableError


def test_shares_memory_with_numpy_both_ways():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    tensor = tw.from_dlpack(array)
    assert np.shares_memory(tensor.data, array) and tensor.shape == (3, 2)
    own = tw.Tensor(array)  # what NumPy before 2.1 imports it does not export again
    assert np.shares_memory(np.from_dlpack(own), array)
    assert np.shares_memory(np.asarray(tensor), array)
    assert tensor.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]
)
def test_shares_memory_with_torch_both_ways(dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = torch.zeros(4, 5, dtype=getattr(torch, dtype)).t()
    ours = tw.from_dlpack(theirs)
    assert ours.shape == (5, 4) and ours.dtype == dtype
    theirs[2, 1] = 1
    assert ours.data[2, 1] == 1
    back = torch.from_dlpack(ours)
    assert back.data_ptr() == theirs.data_ptr() and back.stride() == theirs.stride()
    ours.data[0, 0] = 1
    assert back[0, 0] == 1 and theirs[0, 0] == 1


def test_copy_and_versions():
    tensor = tw.tensor([1.0, 2.0])
    if tuple(map(int, np.__version__.split(".")[:2])) >= (2, 1):
        shared = np.from_dlpack(tensor, copy=False)
        copied = np.from_dlpack(tensor, copy=True)
        assert np.shares_memory(shared, tensor.data)
        assert not np.shares_memory(copied, tensor.data)
        with pytest.raises(ValueError):
            np.from_dlpack(tensor, device="cuda")
    assert tensor.__dlpack__(max_version=(1, 0)) is not None


def test_gradients_are_not_lost_unnoticed():
    tensor = tw.tensor([1.0], requires_grad=True)
    with pytest.raises(BufferError, match=r"requires a gradient.*use .detach\(\)"):
        np.from_dlpack(tensor)
    assert np.shares_memory(np.from_dlpack(tensor.detach()), tensor.data)


def test_what_cannot_be_taken():
    with pytest.raises(TypeError, match="must have __dlpack__ .* got list"):
        tw.from_dlpack([1.0])

    class Elsewhere:
        def __dlpack__(self, **options):
            raise AssertionError("must not be asked")

        def __dlpack_device__(self):
            return kind, 0

    kind = 10  # ROCm's
    with pytest.raises(ValueError, match=r"got DLPack device \(10, 0\); copy it there"):
        tw.from_dlpack(Elsewhere())
    if not tw.cuda.is_available():
        kind = 2
        with pytest.raises(BackendUnavailableError, match="'cuda:0' is not available"):
            tw.from_dlpack(Elsewhere())


def test_torch_tensors_that_numpy_cannot_hold():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    with pytest.raises(BufferError, match="gradient"):
        tw.from_dlpack(torch.zeros(2, requires_grad=True))
    with pytest.raises(TypeError, match="from_dlpack: "):
        tw.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))
    with pytest.raises(TypeError, match="data must be of booleans, integers or floats"):
        tw.from_dlpack(torch.zeros(2, dtype=torch.complex64))
