"""Data sets and how they are prepared and augmented; loaders that make batches."""

from tilewright.data import augmentation
from tilewright.data.augmentation import Augmentation
from tilewright.data.cifar10 import CIFAR10_CLASSES, cifar10
from tilewright.data.dataset import ArrayDataset
from tilewright.data.fashion_mnist import FASHION_MNIST_CLASSES, fashion_mnist
from tilewright.data.files import DownloadError
from tilewright.data.folder import load_folder
from tilewright.data.images import read_image, read_photo
from tilewright.data.loader import DataLoader
from tilewright.data.mnist import mnist, mnist_folder, mnist_sample
from tilewright.data.normalizer import Normalizer
from tilewright.data.splitting import split
from tilewright.data.stream import BatchStream
from tilewright.data.tables import clean, prepare_table, read_table
from tilewright.data.tiny_shakespeare import character_data, tiny_shakespeare

__all__ = [
    "ArrayDataset",
    "Augmentation",
    "BatchStream",
    "CIFAR10_CLASSES",
    "DataLoader",
    "DownloadError",
    "FASHION_MNIST_CLASSES",
    "Normalizer",
    "augmentation",
    "character_data",
    "cifar10",
    "clean",
    "fashion_mnist",
    "load_folder",
    "mnist",
    "mnist_folder",
    "mnist_sample",
    "prepare_table",
    "read_image",
    "read_photo",
    "read_table",
    "split",
    "tiny_shakespeare",
]
