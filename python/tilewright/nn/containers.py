"""Modules that hold others in a row."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

from tilewright.autograd import Tensor
from tilewright.nn import fusion
from tilewright.nn.functional.inputs import as_tensor
from tilewright.nn.module import Module, Structure
from tilewright.nn.types import TensorLike

_Self = TypeVar("_Self", bound="_Row")


class _Row(Module):
    """What Sequential and ModuleList have in common: a list of modules."""

    _items: list[Module]

    def __init__(self, modules: Iterable[Module]) -> None:
        items = list(modules)
        for position, module in enumerate(items):
            self._check(module, position)
        self._items = items

    def _check(self, module: Any, position: int) -> None:
        if isinstance(module, Module):
            return
        name = type(self).__name__
        if isinstance(module, type) and issubclass(module, Module):
            raise TypeError(
                f"{name}: module {position} must be a Module, got the class "
                f"{module.__name__}; write {module.__name__}()"
            )
        raise TypeError(
            f"{name}: module {position} must be a Module, got {type(module).__name__}"
        )

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules by their numbers, then those among the attributes."""
        for position, module in enumerate(self._items):
            yield str(position), module
        yield from super().named_children()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self: _Self, index: slice) -> _Self: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return self._like(self._items[index])
        return self._items[self._position(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        position = self._position(index)
        self._check(module, position)
        self._items[position] = module
        Structure.changed()

    def __delitem__(self, index: int | slice) -> None:
        if not isinstance(index, slice):
            index = self._position(index)
        del self._items[index]
        Structure.changed()

    def _like(self, modules: list[Module]) -> Module:
        raise NotImplementedError

    def _position(self, index: int) -> int:
        position = operator.index(index)
        size = len(self._items)
        if not -size <= position < size:
            raise IndexError(
                f"{type(self).__name__}: index must be in [{-size}, {size}), "
                f"got {position}"
            )
        return position % size

    def append(self: _Self, module: Module) -> _Self:
        """Add a module at the end, and return the container.

        Raises
        ------
        TypeError
            If it is no Module.
        """
        return self.insert(len(self._items), module)

    def insert(self: _Self, index: int, module: Module) -> _Self:
        """Add a module before a position, as ``list.insert`` does; return self.

        Raises
        ------
        TypeError
            If it is no Module.
        """
        self._check(module, index)
        self._items.insert(index, module)
        Structure.changed()
        return self

    def extend(self: _Self, modules: Iterable[Module]) -> _Self:
        """Add modules at the end, and return the container.

        Raises
        ------
        TypeError
            If one of them is no Module; none is added then.
        """
        new = list(modules)
        for position, module in enumerate(new):
            self._check(module, len(self._items) + position)
        self._items.extend(new)
        Structure.changed()
        return self


class Sequential(_Row):
    """Modules run one after the other.

    Conv2d or Linear and the ReLU, Sigmoid, Tanh or GELU after it run as one kernel,
    and so do Conv2d, an optional ReLU and a MaxPool2d without padding; results are
    the same. Modules with hooks, or whose forward a subclass or an instance
    overrides, run by themselves.

    Parameters
    ----------
    *modules : Module

    Raises
    ------
    TypeError
        If one of them is no Module.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model(np.zeros((3, 4), np.float32)).shape
    (3, 2)
    >>> model[0]
    Linear(in_features=4, out_features=8, bias=True)
    >>> len(model[1:])
    2
    """

    # The structure's number when it was decided, and the steps.
    _decided: tuple[int, list[fusion.Step]] = (-1, [])

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: TensorLike) -> Tensor:
        """Run the modules.

        Parameters
        ----------
        x : Tensor or ndarray
            What the first module takes.

        Returns
        -------
        Tensor
            What the last module returns; x itself where there is none.

        Raises
        ------
        ValueError, TypeError
            What the first module that cannot take its input says.
        """
        number, steps = self._decided
        if number != Structure.number:
            steps = self._decide()
        y: Any = x
        for step in steps:
            y = step(y)
        return y if steps else as_tensor("Sequential", x)

    def _decide(self) -> list[fusion.Step]:
        number = Structure.number
        steps = fusion.steps(_flat(self._items))
        # Past __setattr__, which would make it void at once.
        self.__dict__["_decided"] = (number, steps)
        return steps

    def __getstate__(self) -> dict[str, Any]:
        # The steps are bound to these modules; a copy decides for its own.
        return {key: v for key, v in self.__dict__.items() if key != "_decided"}

    def _like(self, modules: list[Module]) -> Sequential:
        return Sequential(*modules)


class ModuleList(_Row):
    """A list of modules that are part of the module that holds it.

    Parameters
    ----------
    modules : iterable of Module, optional

    Raises
    ------
    TypeError
        If one of them is no Module.

    Examples
    --------
    >>> from tilewright import nn
    >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> len(list(layers.parameters()))
    6
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A list does nothing by itself."""
        raise NotImplementedError(
            "ModuleList: a list of modules is not called itself; call its modules, "
            "or use Sequential"
        )

    def _like(self, modules: list[Module]) -> ModuleList:
        return ModuleList(modules)


_SEQUENTIAL_FORWARD = Sequential.forward


def _flat(modules: Iterable[Module]) -> Iterator[Module]:
    """Modules in a row, those of nested plain Sequentials in their place."""
    for module in modules:
        if (
            isinstance(module, Sequential)
            and type(module).forward is _SEQUENTIAL_FORWARD
            and fusion.is_plain(module)
        ):
            yield from _flat(module._items)
        else:
            yield module
