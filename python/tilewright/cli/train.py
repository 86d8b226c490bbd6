"""`tilewright train`: train a network and say how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli.errors import UserError, user_errors

if TYPE_CHECKING:
    from tilewright.cli.choose_data import ChosenData
    from tilewright.train import Trainer


def train(
    model: Annotated[str, typer.Option(help="Which network.")] = "mnist-cnn",
    data: Annotated[
        str | None,
        typer.Option(
            help="mnist or fashion-mnist (downloaded where needed), mnist-sample, or a "
            "folder: IDX files in MNIST's format, or images in one sub-folder per "
            "class. Default: all of MNIST where it is on this machine, else the sample."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    lr: Annotated[float, typer.Option(help="Adam's learning rate.")] = 1e-3,
    backend: Annotated[
        str | None,
        typer.Option(help="cpu, numpy, or cuda. Default: the best on the CPU."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:N. Default: cpu.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the model, its history, a report and a checkpoint."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")
    ] = False,
) -> None:
    """Train a network; the last line is its accuracy on the test images."""
    if resume and out is None:
        raise UserError("--resume needs --out, the folder with the checkpoint")
    import tilewright as tw
    from tilewright.cli.choose_data import choose_data
    from tilewright.extras import require
    from tilewright.kernels import devices
    from tilewright.models import model_entry

    with user_errors():
        entry = model_entry(model)
        if backend == "cuda":
            # It has CuPy's arrays, and not those that tw.use chooses for.
            device, backend = device or "cuda", None
        if backend is not None:
            tw.use(backend)
        if threads is not None:
            tw.set_num_threads(threads)
        tw.manual_seed(seed)
        if out is not None:
            require("safetensors", extra="train")
            out.mkdir(parents=True, exist_ok=True)
        chosen = choose_data(data)
        if chosen.train.x.shape[1:] != entry.input_shape:
            raise UserError(
                f"{model} takes images of shape {entry.input_shape}, the data has "
                f"{chosen.train.x.shape[1:]}"
            )
        network = entry.build(len(chosen.classes))
        if device is not None:
            network.to(devices.checked("train", device))
        optimizer = tw.optim.Adam(network.parameters(), lr=lr)
        where = _where(next(network.parameters()).device)

    typer.echo(
        f"data:  {chosen.name}: {len(chosen.train):,} training and "
        f"{len(chosen.test):,} test images"
    )
    if chosen.hint:
        typer.echo(f"       {chosen.hint}")
    size = sum(parameter.data.size for parameter in network.parameters())
    typer.echo(f"model: {model}, {size:,} parameters, on {where}")

    trainer = tw.Trainer(network, optimizer)
    with user_errors(), tw.train.EnergyMeter() as meter:
        history = trainer.fit(
            chosen.train,
            epochs=epochs,
            batch_size=batch_size,
            validation_data=chosen.test,
            checkpoint_dir=out,
            resume=resume,
        )
    if history.interrupted:
        accuracy = trainer.evaluate(chosen.test)["accuracy"]
    else:
        accuracy = history.history["val_accuracy"][-1]
    if out is not None:
        with user_errors():
            network.to("cpu")  # pictures are made of NumPy's arrays
            _write(out, trainer, model, chosen, meter.joules, where)
    typer.echo(f"test accuracy: {accuracy:.4f}")
    if history.interrupted:
        raise typer.Exit(130)


def _where(device: str) -> str:
    """The backend in use, in a few words."""
    from tilewright import info

    if device != "cpu":
        return f"the cuda backend ({device})"
    about = info()
    if about["backend"] != "cpu":
        return f"the {about['backend']} backend"
    plural = "s" if about["threads"] != 1 else ""
    return f"the cpu backend ({about['isa']}, {about['threads']} thread{plural})"


def _write(
    out: Path,
    trainer: Trainer,
    model: str,
    chosen: ChosenData,
    joules: float | None,
    where: str,
) -> None:
    from tilewright.models import save_model
    from tilewright.train import write_report

    save_model(out / "model.safetensors", trainer.model, model, chosen.classes)
    trainer.history.save(out / "history.json")
    names = ["model.safetensors", "history.json"]
    missing = ""
    if trainer.history.epochs:
        try:
            trainer.history.plot(out / "history.png")
            write_report(
                out / "report.html",
                trainer,
                chosen.train,
                chosen.test,
                chosen.classes,
                title=f"{model} on {chosen.name}",
                subtitle=f"{len(chosen.train):,} training and {len(chosen.test):,} "
                f"test images; on {where}",
                joules=joules,
            )
            names += ["history.png", "report.html"]
        except ImportError as error:
            missing = f"; no pictures: {error}"
    names.append("checkpoint.safetensors")
    typer.echo(f"wrote {out}: {', '.join(names)}{missing}")
