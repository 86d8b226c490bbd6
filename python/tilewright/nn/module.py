"""The base of every layer and model: attributes that know what they are.

A module has no registry beside its attributes. Parameters and modules are found by
looking through them, so that an attribute is part of the model exactly as long as it
is there, and a subclass need not call the base's constructor first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from tilewright.autograd import Tensor
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import is_array
from tilewright.nn.loading import LoadResult, load
from tilewright.nn.parameter import Parameter
from tilewright.nn.types import Array

Hook = Callable[["Module", tuple[Any, ...], Any], Any]
_Self = TypeVar("_Self", bound="Module")


class Structure:
    """A number that changes whenever an attribute of any module does.

    Sequential decides once how to run its modules, and anew when this has changed.
    """

    _next = itertools.count(1).__next__
    number = 0

    @classmethod
    def changed(cls) -> None:
        """Make every earlier decision void."""
        cls.number = cls._next()


class HookHandle:
    """What takes a hook off again."""

    def __init__(self, module: Module, hook: Hook) -> None:
        self._module = module
        self._hook = hook

    def remove(self) -> None:
        """Take the hook off; a second time nothing happens."""
        kept = tuple(hook for hook in self._module._hooks if hook is not self._hook)
        self._module._hooks = kept


class Module:
    """Base of layers and models.

    A subclass sets Parameters and Modules as attributes and defines ``forward``.

    Attributes
    ----------
    training : bool
        Whether Dropout is on; set by :meth:`train` and :meth:`eval`.
    runs_other_code : bool
        Whether it calls functions that it was given: a `Trainer` then replays no
        steps by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> class Classifier(nn.Module):
    ...     def __init__(self):
    ...         self.hidden = nn.Linear(8, 4)
    ...         self.output = nn.Linear(4, 2)
    ...
    ...     def forward(self, x):
    ...         return self.output(nn.functional.relu(self.hidden(x)))
    >>> model = Classifier()
    >>> [name for name, _ in model.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    >>> model(np.ones((3, 8), np.float32)).shape
    (3, 2)
    """

    training: bool = True
    runs_other_code: ClassVar[bool] = False
    _buffers: tuple[str, ...] = ()
    _hooks: tuple[Hook, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; each subclass defines its own."""
        raise NotImplementedError(
            f"{type(self).__name__}: forward is not defined; a Module defines "
            "forward(self, ...)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and then the hooks."""
        outputs = self.forward(*args, **kwargs)
        for hook in self._hooks:
            changed = hook(self, args, outputs)
            if changed is not None:
                outputs = changed
        return outputs

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, args, outputs)`` after each forward.

        What it returns replaces the outputs, unless it is None. A layer with a hook
        is not fused with its neighbours.

        Parameters
        ----------
        hook : callable

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook off.

        Examples
        --------
        >>> import numpy as np
        >>> from tilewright import nn
        >>> layer = nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda m, args, y: print(y.shape))
        >>> _ = layer(np.ones((1, 2), np.float32))
        (1, 3)
        >>> handle.remove()
        """
        self._hooks = (*self._hooks, hook)
        return HookHandle(self, hook)

    def register_buffer(self, name: str, array: Array) -> None:
        """Make an array part of the state dict without training it.

        Parameters
        ----------
        name : str
            Of the attribute that will hold it.
        array : ndarray

        Raises
        ------
        TypeError
            If it is no NumPy array.
        """
        if not is_array(array):
            raise TypeError(
                f"register_buffer: {name} must be a NumPy array, "
                f"got {type(array).__name__}"
            )
        if name not in self._buffers:
            self._buffers = (*self._buffers, name)
        setattr(self, name, array)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(self.__dict__.get(name), Parameter) and not (
            value is None or isinstance(value, Parameter)
        ):
            raise TypeError(
                f"{type(self).__name__}: {name} is a Parameter and must stay one, got "
                f"{type(value).__name__}; write {name}.data[...] = value for its "
                "values, or None for no parameter"
            )
        object.__setattr__(self, name, value)
        Structure.changed()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        Structure.changed()

    # What it consists of.

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules among the attributes, with their names."""
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules among the attributes."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, prefix: str = "", _seen: set[int] | None = None
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it, each once, with dotted names."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(_joined(prefix, name), seen)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names."""
        seen = set()
        for path, module in self.named_modules(prefix):
            for name, value in module.__dict__.items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _joined(path, name), value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer takes.

        Examples
        --------
        >>> from tilewright import nn
        >>> sum(p.size for p in nn.Linear(10, 3).parameters())
        33
        """
        for _, parameter in self.named_parameters():
            yield parameter

    # What it does with them.

    def train(self: _Self, mode: bool = True) -> _Self:
        """Set training mode, here and below, and return the module."""
        for module in self.modules():
            if module.training != mode:
                module.training = mode
        return self

    def eval(self: _Self) -> _Self:
        """Set evaluation mode, here and below, and return the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter._grad = None

    def requires_grad_(self: _Self, requires_grad: bool = True) -> _Self:
        """Set whether the parameters are trained, and return the module."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def apply(self: _Self, function: Callable[[Module], Any]) -> _Self:
        """Call a function with each module below, then with this one; return it.

        Parameters
        ----------
        function : callable

        Examples
        --------
        >>> from tilewright import nn
        >>> def ones(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.ones_(module.weight)
        >>> nn.Sequential(nn.Linear(1, 2, bias=False)).apply(ones)[0].weight.data
        array([[1., 1.]], dtype=float32)
        """
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self: _Self, target: str | DTypeLike) -> _Self:
        """Move to a device or to another float dtype, in place.

        Parameters
        ----------
        target : str or dtype
            ``"cpu"``, ``"cuda"`` or ``"cuda:1"``: parameters, their gradients and
            buffers go there. Or a dtype such as ``np.float64``, which parameters
            and floating buffers take on; gradients are forgotten then.

        Returns
        -------
        Module
            This one.

        Raises
        ------
        TypeError
            If the dtype is not float32 or float64.
        ValueError
            If it is the name of no device.
        BackendUnavailableError
            If the device is not available here; nothing has then moved.

        Notes
        -----
        The parameters stay the objects that they are, so that an optimizer made
        before goes on with them; what it keeps for them follows at its next step.

        Examples
        --------
        >>> import numpy as np
        >>> from tilewright import nn
        >>> nn.Linear(2, 2).to(np.float64).weight.dtype
        dtype('float64')
        """
        if devices.is_name(target):
            return self._to_device(devices.checked("to", target))
        dtype = np.dtype(target)
        if dtype.name not in ("float32", "float64"):
            raise TypeError(f"to: dtype must be float32 or float64, got {dtype}")
        for parameter in self.parameters():
            if parameter.dtype != dtype:
                parameter.data = parameter.data.astype(dtype)
                parameter.grad = None
        for module in self.modules():
            for name in module._buffers:
                buffer = module.__dict__[name]
                if buffer.dtype.kind == "f":
                    setattr(module, name, buffer.astype(dtype))
        return self

    def _to_device(self: _Self, device: str) -> _Self:
        """Move parameters, gradients and buffers, all of them or on error none."""
        found = [
            (parameter, devices.moved(parameter.data, device), parameter.grad)
            for parameter in self.parameters()
        ]
        grads = [None if grad is None else grad.to(device) for _, _, grad in found]
        buffers = [
            (module, name, devices.moved(module.__dict__[name], device))
            for module in self.modules()
            for name in module._buffers
            if module.__dict__[name] is not None
        ]
        for (parameter, array, _), grad in zip(found, grads, strict=True):
            if array is not parameter.data:
                parameter.data = array
                parameter.grad = grad
        for module, name, array in buffers:
            if array is not module.__dict__[name]:
                setattr(module, name, array)
        return self

    # State.

    def state_dict(self) -> dict[str, Array]:
        """Names and arrays of all parameters and buffers.

        Returns
        -------
        dict of str to ndarray
            NumPy's, wherever the model is: its weights are the same bits on every
            device. Copies, unlike PyTorch's: they stay as they are when training
            goes on.

        Examples
        --------
        >>> from tilewright import nn
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> {name: array.shape for name, array in model.state_dict().items()}
        {'0.weight': (2, 3), '0.bias': (3,)}
        """
        return {
            name: devices.host_copy(value.data if isinstance(value, Tensor) else value)
            for name, value in self._state("")
        }

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> LoadResult:
        """Take over parameters and buffers; all of them, or none if one does not fit.

        Parameters
        ----------
        state_dict : dict of str to ndarray
        strict : bool, default True
            Whether names that are missing or not expected are errors.

        Returns
        -------
        LoadResult
            The names ``missing`` in `state_dict`, and those ``unexpected``.

        Raises
        ------
        ValueError
            If names, or the shapes of arrays, do not match; the text has all of them.
        TypeError
            If it is no dict, or an array's dtype cannot become the parameter's.

        Examples
        --------
        >>> from tilewright import nn
        >>> first, second = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> second.load_state_dict(first.state_dict())
        LoadResult(missing=[], unexpected=[])
        """
        return load(type(self).__name__, dict(self._state("")), state_dict, strict)

    def _state(self, prefix: str) -> Iterator[tuple[str, Tensor | Array]]:
        """What a state dict holds; what has two names is there twice."""
        for name, value in self.__dict__.items():
            if isinstance(value, Parameter) or name in self._buffers:
                yield _joined(prefix, name), value
        for name, child in self.named_children():
            yield from child._state(_joined(prefix, name))

    # As text.

    def extra_repr(self) -> str:
        """What stands between the brackets of the module's text."""
        return ""

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        lines = [
            f"({key}): {child!r}".replace("\n", "\n  ")
            for key, child in self.named_children()
        ]
        if not lines:
            return f"{name}({extra})"
        if extra:
            lines.insert(0, extra)
        return "\n  ".join([f"{name}(", *lines]) + "\n)"


def device_of(module: Module) -> str:
    """Where a module's parameters are, ``"cpu"`` where it has none."""
    for parameter in module.parameters():
        return parameter.device
    return devices.CPU


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
