"""Lets SGLang start beside a CPU build of torch. Python imports this by itself where the folder is on its path.

torchvision's build on the package index does not load its operators beside a CPU torch, and then fails to look
two of them up; they are declared before it is imported. triton, which SGLang imports and decorates functions
with but never runs on a CPU, is stood in for where it is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

_OPERATORS = ("nms", "qnms")
_TRITON = "triton"
_declared: list[object] = []


class _Torchvision(MetaPathFinder):
    """Declares torchvision's operators right before torchvision is executed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torchvision":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Declaring(spec.loader)
        return spec


class _Declaring(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        import torch  # noqa: PLC0415 - every Python that starts here comes by, most without need of it

        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in _OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)  # what it declares goes with it
        self._loader.exec_module(module)


class _Kernel:
    """A decorated function that nothing may run."""

    def __init__(self, function: Any) -> None:
        self.fn = function
        self.__name__ = getattr(function, "__name__", "kernel")
        self.__doc__ = None

    def __getitem__(self, grid: Any) -> NoReturn:
        raise RuntimeError(f"triton is not installed: {self.__name__} cannot be launched")

    def __call__(self, *arguments: Any, **options: Any) -> NoReturn:
        raise RuntimeError(f"triton is not installed: {self.__name__} cannot be called")


class _StandIn(ModuleType):
    """A module in which every name exists: in capitals a class, else another of these, which decorates."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        value: Any = sys.modules.get(full)
        if value is None:
            value = type(name, (), {"__init__": lambda *_, **__: None}) if name[0].isupper() else _StandIn(full)
            setattr(self, name, value)
        return value

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        decorates = (
            len(arguments) == 1 and not options and callable(arguments[0]) and not isinstance(arguments[0], type)
        )
        if decorates:
            return _Kernel(arguments[0])
        return lambda function: function if isinstance(function, _Kernel) else _Kernel(function)


class _Triton(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != _TRITON:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _StandIn(spec.name)
        if spec.name == _TRITON:
            vars(module).update(
                __version__="3.0.0",
                cdiv=lambda number, divisor: -(number // -divisor),
                next_power_of_2=lambda number: 1 << max(number - 1, 0).bit_length(),
            )
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.insert(0, _Torchvision())
if PathFinder.find_spec(_TRITON) is None:
    sys.meta_path.append(_Triton())
