"""The modules of `tilewright.nn` that a Keras model consists of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.keras.layers.core import InputLayer
from tilewright.keras.layers.layer import KerasTensor, Layer
from tilewright.keras.layers.preparation import PreparationLayer

Array = NDArray[Any]


class Network:
    """A model cut into what prepares arrays, what is trained, and the last activation.

    Attributes
    ----------
    preparation : list of PreparationLayer
        At the front; on arrays, and no part of the step that is compiled.
    body : Module
        Everything else but `head`.
    head : Module or None
        The softmax or sigmoid that the model ends with.
    whole : Module
        The body with the head.
    """

    def __init__(self, inputs: KerasTensor, outputs: KerasTensor) -> None:
        order = sorted_tensors(inputs, outputs)
        self.layers = unique([tensor.layer for tensor in order])
        self.preparation: list[PreparationLayer] = []
        start = inputs
        while start is not outputs:
            users = [t for t in order if any(each is start for each in t.inputs)]
            if len(users) != 1 or not isinstance(users[0].layer, PreparationLayer):
                break
            self.preparation.append(users[0].layer)
            start = users[0]
        rest = [t for t in order if t is not inputs]
        rest = [t for t in rest if t.layer not in self.preparation]
        self.head: nn.Module | None = None
        last = outputs.layer.parts[-1:] if rest else []
        # A layer that is used twice ends in its activation twice.
        once = sum(t.layer is outputs.layer for t in rest) == 1
        if last and once and isinstance(last[0], (nn.Softmax, nn.Sigmoid)):
            (self.head,) = last
        self.body = self._joined(start, outputs, rest, self.head)
        self.whole = self.body
        if self.head is not None:
            self.whole = nn.Sequential(self.body, self.head)

    def _joined(
        self,
        start: KerasTensor,
        outputs: KerasTensor,
        rest: list[KerasTensor],
        head: nn.Module | None,
    ) -> nn.Module:
        def parts(tensor: KerasTensor) -> list[nn.Module]:
            own = tensor.layer.parts
            return own[:-1] if head is not None and tensor is outputs else own

        before = start
        for tensor in rest:
            if len(tensor.inputs) != 1 or tensor.inputs[0] is not before:
                return _Graph(start, outputs, rest, [parts(t) for t in rest])
            before = tensor
        return nn.Sequential(*(part for tensor in rest for part in parts(tensor)))

    def prepare(self, x: Array, training: bool) -> Array:
        """Run what is at the front on a batch."""
        for layer in self.preparation:
            x = layer.transform(x, training)
        return np.ascontiguousarray(x, np.float32) if self.preparation else x


class _Graph(nn.Module):
    """Modules whose outputs go to several places, or come from several."""

    def __init__(
        self,
        start: KerasTensor,
        outputs: KerasTensor,
        tensors: list[KerasTensor],
        parts: list[list[nn.Module]],
    ) -> None:
        numbers = {id(start): 0}
        self._plan: list[tuple[int, list[int]]] = []
        known: dict[int, int] = {}
        members: list[nn.Module] = []
        for number, (tensor, own) in enumerate(zip(tensors, parts, strict=True), 1):
            numbers[id(tensor)] = number
            key = id(tensor.layer)
            if key not in known:
                known[key] = len(members)
                members.append(own[0] if len(own) == 1 else nn.Sequential(*own))
            places = [numbers[id(each)] for each in tensor.inputs]
            self._plan.append((known[key], places))
        self._result = numbers[id(outputs)]
        self.members = nn.ModuleList(members)

    def forward(self, x: Any) -> Any:
        """Run them in order."""
        values = [x]
        for member, places in self._plan:
            values.append(self.members[member](*(values[place] for place in places)))
        return values[self._result]


def sorted_tensors(inputs: KerasTensor, outputs: KerasTensor) -> list[KerasTensor]:
    """All tensors from the input to the output, each after those it is made of.

    Raises
    ------
    ValueError
        If the output depends on another input, or not on this one.
    """
    order: list[KerasTensor] = []
    done: set[int] = set()
    # By hand, for models may be deeper than Python's recursion.
    todo: list[tuple[KerasTensor, bool]] = [(outputs, False)]
    while todo:
        tensor, ready = todo.pop()
        if id(tensor) in done:
            continue
        if ready or tensor is inputs:
            done.add(id(tensor))
            order.append(tensor)
            continue
        if isinstance(tensor.layer, InputLayer):
            raise ValueError(
                f"Model: the output depends on {tensor.layer.name}, which is not the "
                "input that was given"
            )
        todo.append((tensor, True))
        todo += [(each, False) for each in reversed(tensor.inputs)]
    if id(inputs) not in done:
        raise ValueError("Model: the output does not depend on the input")
    return order


def unique(layers: list[Layer]) -> list[Layer]:
    """Layers, each once, in order."""
    found: list[Layer] = []
    for layer in layers:
        if not any(layer is each for each in found):
            found.append(layer)
    return found
