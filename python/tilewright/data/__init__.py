"""Data sets and loaders: NumPy arrays in, batches out."""

from tilewright.data.dataset import ArrayDataset
from tilewright.data.files import DownloadError
from tilewright.data.folder import load_folder
from tilewright.data.images import read_image
from tilewright.data.loader import DataLoader
from tilewright.data.mnist import mnist, mnist_folder, mnist_sample

__all__ = [
    "ArrayDataset",
    "DataLoader",
    "DownloadError",
    "load_folder",
    "mnist",
    "mnist_folder",
    "mnist_sample",
    "read_image",
]
