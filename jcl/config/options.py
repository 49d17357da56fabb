"""The options of a class or function that a config names: the parameters of its signature."""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import docstring_parser

# `key: Annotated[int, FREE_ON_RESUME] = 10`: a resumed run may change the key, because it does not
# affect the run's result.
FREE_ON_RESUME = "free on resume"
# `key: Annotated[str | None, PATH] = None`: a file or a folder. `~` is expanded. A relative path
# starts at the folder where the run was started, also for programs that read the config later.
PATH = "a path"

KINDS = (bool, int, float, str, tuple)
# Parameters that are no options: those of Flax, and those that the run supplies.
_OURS = ("name", "parent", "dtype", "param_dtype", "n_classes")


@dataclasses.dataclass(frozen=True)
class Option:
    """A parameter that a config may set.

    Attributes:
        kinds: the types that the signature allows, of bool, int, float, str and tuple; only object
            if the signature gives no type.
        default: the parameter's default.
        nullable: whether the signature allows None.
        free_on_resume: whether a resumed run may change it.
        is_path: whether the value is the path of a file or a folder.
    """

    kinds: tuple[type, ...]
    default: Any
    nullable: bool
    free_on_resume: bool
    is_path: bool = False

    @property
    def kind(self) -> type:
        """The type, or object if there are several."""
        return self.kinds[0] if len(self.kinds) == 1 else object

    @property
    def kind_name(self) -> str:
        """The types, for people: "int", or "str|tuple"."""
        return "|".join(kind.__name__ for kind in self.kinds)


def options(
    target: Callable,
    others: Mapping[str, Option] = types.MappingProxyType({}),
    *,
    supplied: int = 0,
) -> dict[str, Option]:
    """The options of a class or a function, in the order of its signature.

    An option is a parameter of type bool, int, float, str, tuple or a sequence, or of a union of
    these and None. Without an annotation it has the type of its default. An option without a
    default has to be set.

    Args:
        target: the class or function.
        others: further options of a function that takes any keyword, by `**`.
        supplied: number of positional arguments that the run supplies; they are no options.
    """
    found = {}
    parameters = list(inspect.signature(target, eval_str=True).parameters.values())
    for parameter in parameters[supplied:]:
        name, annotation = parameter.name, parameter.annotation
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= {key: option for key, option in others.items() if key not in found}
        kinds = _kinds_of(parameter)
        if not kinds or name in _OURS:
            continue
        found[name] = Option(
            kinds=kinds,
            default=None if parameter.default is parameter.empty else parameter.default,
            nullable=parameter.default is None or type(None) in _members(annotation),
            free_on_resume=FREE_ON_RESUME in getattr(annotation, "__metadata__", ()),
            is_path=PATH in getattr(annotation, "__metadata__", ()),
        )
    return found


def takes_any_keyword(target: Callable) -> bool:
    """Whether a class or a function takes any keyword, by `**`."""
    parameters = inspect.signature(target).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def descriptions(target: Callable) -> Mapping[str, str]:
    """The docstrings' description of each parameter, also of inherited ones, in one line each."""
    target = target.func if isinstance(target, functools.partial) else target
    found = {}
    for documented in reversed(getattr(target, "__mro__", (target,))):
        text = vars(documented).get("__doc__") if isinstance(documented, type) else target.__doc__
        for parameter in docstring_parser.google.parse(inspect.cleandoc(text or "")).params:
            found[parameter.arg_name] = " ".join((parameter.description or "").split())
    return found


def owner(target: Callable, option: str) -> Any:
    """The class that first declares an option; of a function, the option's name."""
    target = target.func if isinstance(target, functools.partial) else target
    mro = reversed(getattr(target, "__mro__", ()))
    return next((c for c in mro if option in inspect.get_annotations(c)), option)


def _kinds_of(parameter: inspect.Parameter) -> tuple[type, ...]:
    """The types of a parameter's values; empty if a config cannot hold them."""
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return ()
    if parameter.annotation is not parameter.empty:
        return _plain(parameter.annotation)
    if parameter.default is None:
        return (object,)
    if parameter.default is parameter.empty:  # the run supplies it, unless it is keyword-only
        return (object,) if parameter.kind is parameter.KEYWORD_ONLY else ()
    return (type(parameter.default),) if type(parameter.default) in KINDS else ()


def _plain(annotation: Any) -> tuple[type, ...]:
    """The plain types of an annotation: float for `float | None`, tuple for `Sequence[int]`."""
    members = [member for member in _members(annotation) if member is not type(None)]
    kinds = dict.fromkeys(map(_kind, members))
    if None in kinds:
        return ()
    if float in kinds:
        kinds.pop(int, None)
    return (object,) if object in kinds else tuple(kinds)


def _members(annotation: Any) -> tuple:
    """The types of a union, or the one type."""
    if typing.get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _kind(member: Any) -> type | None:
    member = typing.get_origin(member) or member
    if member in (list, Sequence):
        return tuple
    return member if member in (*KINDS, object) else None
