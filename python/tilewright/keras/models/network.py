"""The modules of `tilewright.nn` that a Keras model consists of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.keras.layers.core import InputLayer
from tilewright.keras.layers.layer import Call, KerasTensor, Layer
from tilewright.keras.layers.preparation import PreparationLayer

Array = NDArray[Any]


class Network:
    """A model cut into what prepares arrays, what is trained, and last activations.

    Parameters
    ----------
    inputs, outputs : list of KerasTensor

    Raises
    ------
    ValueError
        If they do not belong together.

    Attributes
    ----------
    layers : list of Layer
        Each once, in the order of computing.
    preparation : list of list of PreparationLayer
        At the front, of each input; on arrays, and no part of the step that is
        compiled.
    body : Module
        Everything else but the heads.
    heads : list of Module or None
        For each output the softmax or sigmoid that it ends with.
    whole : Module
        The body with all heads.
    still : list of Module
        Those that compute as in evaluation even while the model is trained.
    """

    def __init__(self, inputs: list[KerasTensor], outputs: list[KerasTensor]) -> None:
        self.calls, entered = sorted_calls(inputs, outputs)
        self.layers = _by_depth(self.calls, entered)
        for layer in self.layers:
            uses = sum(call.layer is layer for call in self.calls)
            if uses > 1 and layer.activity_regularizer is not None:
                raise ValueError(
                    f"Model: {layer.name} has an activity_regularizer and is used "
                    f"{uses} times; give each use a layer of its own"
                )
        starts = list(inputs)
        self.preparation: list[list[PreparationLayer]] = []
        taken = [tensor.call for tensor in inputs]
        for number, start in enumerate(starts):
            row: list[PreparationLayer] = []
            while not any(start is each for each in outputs):
                users = [c for c in self.calls if any(t is start for t in c.inputs)]
                front = users[0].layer.front() if len(users) == 1 else None
                if front is None or users[0].training is False:
                    break
                row += front
                start = _result(users[0], outputs, self.calls)
                taken.append(users[0])
            self.preparation.append(row)
            starts[number] = start
        rest = [c for c in self.calls if not any(c is each for each in taken)]
        self.heads = [_head(tensor, outputs, rest) for tensor in outputs]
        self._single = len(outputs) == 1
        self.body = self._joined(starts, outputs, rest)
        self.whole = self.ended([True] * len(outputs))
        self.still = [
            part for c in rest if c.training is False for part in c.layer.parts
        ]

    def ended(self, with_head: Sequence[bool]) -> nn.Module:
        """The body with the heads of some outputs.

        Parameters
        ----------
        with_head : sequence of bool
            For each output.
        """
        heads = [
            head if wanted else None
            for head, wanted in zip(self.heads, with_head, strict=True)
        ]
        if not any(heads):
            return self.body
        if self._single:
            return nn.Sequential(self.body, *(head for head in heads if head))
        return _Ended(self.body, heads)

    def _joined(
        self, starts: list[KerasTensor], outputs: list[KerasTensor], rest: list[Call]
    ) -> nn.Module:
        ends = [
            tensor.call
            for tensor, head in zip(outputs, self.heads, strict=True)
            if head is not None
        ]

        def parts(call: Call) -> list[nn.Module]:
            own = call.layer.parts
            return own[:-1] if any(call is end for end in ends) else own

        before: Any = starts[0]
        row: list[nn.Module] = []
        for call in rest:
            alone = len(call.inputs) == call.layer.results == 1
            if not alone or not _follows(call.inputs[0], before):
                break
            row += parts(call)
            before = call
        else:
            if len(starts) == len(outputs) == 1:
                return nn.Sequential(*row)
        return _Graph(starts, outputs, rest, [parts(call) for call in rest])

    @property
    def prepares(self) -> bool:
        """Whether there is something at the front."""
        return any(self.preparation)

    def prepare(self, x: Any, training: bool) -> Any:
        """Run what is at the front on a batch of NumPy's: an array, or a tuple."""
        if isinstance(x, tuple):
            return tuple(
                _prepared(row, each, training)
                for row, each in zip(self.preparation, x, strict=True)
            )
        return _prepared(self.preparation[0], x, training)


def _prepared(row: list[PreparationLayer], x: Array, training: bool) -> Array:
    for layer in row:
        x = layer.transform(x, training)
    return np.ascontiguousarray(x, np.float32) if row else x


def _follows(tensor: KerasTensor, before: Any) -> bool:
    """Whether a tensor is, or is made by, what came before."""
    return tensor is before or (tensor.call is before and tensor.index == 0)


def _result(call: Call, outputs: list[KerasTensor], calls: list[Call]) -> KerasTensor:
    """The tensor that a call with one result has made."""
    for tensor in (*outputs, *(each for c in calls for each in c.inputs)):
        if tensor.call is call:
            return tensor
    raise AssertionError("every call of a network is used")


def _head(
    tensor: KerasTensor, outputs: list[KerasTensor], calls: list[Call]
) -> nn.Module | None:
    """The activation that an output ends with, where nothing else needs it."""
    parts = tensor.layer.parts
    if not parts or not isinstance(parts[-1], (nn.Softmax, nn.Sigmoid)):
        return None
    # A layer that is used twice ends in its activation twice.
    uses = sum(call.layer is tensor.layer for call in calls)
    uses += sum(each.call is tensor.call for call in calls for each in call.inputs)
    uses += sum(each.call is tensor.call for each in outputs) - 1
    return parts[-1] if uses == 1 else None


class _Ended(nn.Module):
    """Several outputs, of which some go through one more activation."""

    def __init__(self, body: nn.Module, heads: list[nn.Module | None]) -> None:
        self.body = body
        self.places = [place for place, head in enumerate(heads) if head is not None]
        self.heads = nn.ModuleList([head for head in heads if head is not None])

    def forward(self, x: Any) -> Any:
        """Compute all outputs."""
        values = list(self.body(x))
        for place, head in zip(self.places, self.heads, strict=True):
            values[place] = head(values[place])
        return tuple(values)


class _Graph(nn.Module):
    """Modules whose outputs go to several places, or come from several."""

    def __init__(
        self,
        starts: list[KerasTensor],
        outputs: list[KerasTensor],
        calls: list[Call],
        parts: list[list[nn.Module]],
    ) -> None:
        places = {(id(t.call), t.index): n for n, t in enumerate(starts)}
        count = len(starts)
        self._plan: list[tuple[int, list[int]]] = []
        known: dict[int, int] = {}
        members: list[nn.Module] = []
        for call, own in zip(calls, parts, strict=True):
            key = id(call.layer)
            if key not in known:
                known[key] = len(members)
                members.append(own[0] if len(own) == 1 else nn.Sequential(*own))
            given = [places[id(each.call), each.index] for each in call.inputs]
            self._plan.append((known[key], given))
            for index in range(call.layer.results):
                places[id(call), index] = count
                count += 1
        self._results = [places[id(t.call), t.index] for t in outputs]
        self.members = nn.ModuleList(members)

    def forward(self, x: Any) -> Any:
        """Run them in order; of several results, a tuple."""
        values = list(x) if isinstance(x, tuple) else [x]
        for member, places in self._plan:
            y = self.members[member](*(values[place] for place in places))
            values += y if isinstance(y, tuple) else (y,)
        results = tuple([values[place] for place in self._results])
        return results if len(results) > 1 else results[0]


class Spread(nn.Module):
    """A model of several inputs as a module with as many arguments.

    Parameters
    ----------
    network : Network
        Of which everything is run, what prepares arrays too.
    front : list of Module
        For each input, what prepares it.
    """

    def __init__(self, network: Network, front: list[nn.Module]) -> None:
        self.front = nn.ModuleList(front)
        self.whole = network.whole

    def forward(self, *inputs: Any) -> Any:
        """Compute."""
        values = [one(x) for one, x in zip(self.front, inputs, strict=True)]
        return self.whole(tuple(values) if len(values) > 1 else values[0])


def sorted_calls(
    inputs: list[KerasTensor], outputs: list[KerasTensor]
) -> tuple[list[Call], list[Layer]]:
    """All calls from the inputs to the outputs, each after those it depends on.

    Returns
    -------
    calls : list of Call
    layers : list of Layer
        Each once, as they are met on the way back from the outputs.

    Raises
    ------
    ValueError
        If an output depends on another input, or on none of these.
    """
    order: list[Call] = []
    entered: list[Layer] = []
    done: set[int] = set()
    known = {id(tensor.call) for tensor in inputs}
    # By hand, for models may be deeper than Python's recursion.
    todo = [(tensor.call, False) for tensor in reversed(outputs)]
    while todo:
        call, ready = todo.pop()
        if id(call) in done:
            continue
        if not ready:
            entered.append(call.layer)
        if ready or id(call) in known:
            done.add(id(call))
            order.append(call)
            continue
        if isinstance(call.layer, InputLayer):
            raise ValueError(
                f"Model: the output depends on {call.layer.name}, which is not the "
                "input that was given"
            )
        todo.append((call, True))
        todo += [(each.call, False) for each in reversed(call.inputs)]
    if not known & done:
        raise ValueError("Model: the output does not depend on the input")
    order += [t.call for t in inputs if id(t.call) not in done]
    return order, list(dict.fromkeys(entered))


def _by_depth(calls: list[Call], entered: list[Layer]) -> list[Layer]:
    """Layers, each once, in Keras's order, which is that of the weights.

    Those farthest from the outputs come first; among equals, as they are met on the
    way back from the outputs.
    """
    depths: dict[int, int] = {}
    of_layers: dict[Layer, int] = {}
    for call in reversed(calls):
        depth = max(depths.get(id(call), 0), of_layers.get(call.layer, 0))
        of_layers[call.layer] = depth
        for each in call.inputs:
            key = id(each.call)
            depths[key] = max(depths.get(key, 0), depth + 1)
    place = {layer: number for number, layer in enumerate(entered)}
    return sorted(of_layers, key=lambda each: (-of_layers[each], place.get(each, -1)))
