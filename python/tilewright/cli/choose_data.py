"""What `tilewright train` trains on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tilewright import data
from tilewright.data import ArrayDataset
from tilewright.data.mnist import CHECKSUMS, load_mnist_format

_DIGITS = [str(digit) for digit in range(10)]


@dataclass
class ChosenData:
    """Training and test set, and how to speak of them.

    Attributes
    ----------
    train, test : ArrayDataset
    classes : list of str
        Names by class id.
    name : str
        One line for the user.
    hint : str
        How to get more, or "".
    """

    train: ArrayDataset
    test: ArrayDataset
    classes: list[str]
    name: str
    hint: str = ""


def choose_data(wanted: str | None) -> ChosenData:
    """Load what ``--data`` names; without it, what is here already.

    Parameters
    ----------
    wanted : str, optional
        ``"mnist"`` or ``"fashion-mnist"`` (downloaded where needed),
        ``"mnist-sample"`` or a folder.
        Without it: all of MNIST where it is on this machine, else the sample,
        never a network.

    Returns
    -------
    ChosenData

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If the files are damaged or of no known form.
    DownloadError
        If the data set could not be downloaded.
    """
    if wanted is None:
        folder = data.mnist_folder()
        if folder is not None:
            train, test = load_mnist_format(folder, CHECKSUMS)
            return ChosenData(train, test, _DIGITS, f"all of MNIST ({folder})")
        return _sample(
            "all of MNIST is not on this machine; "
            "`tilewright train --data mnist` downloads it (11 MB) and trains on it"
        )
    if wanted == "mnist-sample":
        return _sample("")
    if wanted == "mnist":
        if data.mnist_folder() is None:
            print("downloading MNIST (11 MB)", flush=True)
        train, test = data.mnist()
        return ChosenData(train, test, _DIGITS, f"all of MNIST ({data.mnist_folder()})")
    if wanted == "fashion-mnist":
        train, test = data.fashion_mnist()
        return ChosenData(
            train, test, list(data.FASHION_MNIST_CLASSES), "all of Fashion-MNIST"
        )
    if not Path(wanted).expanduser().is_dir():
        raise FileNotFoundError(
            f"--data {wanted}: expected mnist, fashion-mnist, mnist-sample or an "
            "existing folder"
        )
    train, test, classes = data.load_folder(wanted)
    return ChosenData(train, test, classes, wanted)


def _sample(hint: str) -> ChosenData:
    train, test = data.mnist_sample()
    return ChosenData(
        train, test, _DIGITS, "the sample of MNIST that comes with tilewright", hint
    )
