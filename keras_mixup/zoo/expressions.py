"""Methods as they are written on the command line: `cutmix`, `mixup(alpha=0.4, per="batch")`, `mine:Method(2)`."""

import ast
import re

from keras_mixup import contents as contents  # all methods enter the registry
from keras_mixup.methods import REGISTRY
from keras_mixup.zoo import names
from keras_mixup.zoo.errors import UserError


def method(text):
    """The method that an expression names. It is parsed, and never run as code.

    Args:
        text: A name in `keras_mixup.methods.REGISTRY`, in whatever case, or `module:NAME`; then, in brackets, its
            arguments: numbers, strings and other literals, or methods again.

    Returns:
        The method.

    Raises:
        UserError: If there is no such method, or it does not take such arguments.

    Example:

    >>> method("choice((mixup(0.8), cutmix))").methods[0].alpha
    0.8
    """
    own = re.fullmatch(r"([^()]+:\w+)\s*(\(.*\))?\s*", text, re.DOTALL)
    try:
        tree = ast.parse(f"own{own[2] or ''}" if own else text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _wrong(text, "is not written like that") from error
    found = _call(names.own("method", own[1]), tree, text) if own else _value(tree, text)
    if not (hasattr(found, "draw") and hasattr(found, "get_config")):
        raise _wrong(text, "has no `draw(batch, seed)` and `get_config()`")
    return found


def _value(node, text):
    """A literal, or a method."""
    called = node.func if isinstance(node, ast.Call) else node
    if isinstance(called, ast.Name):
        if called.id.lower() not in REGISTRY:
            raise names.unknown("method", called.id, REGISTRY)
        return _call(REGISTRY[called.id.lower()], node, text)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(one, text) for one in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _wrong(text, "takes numbers, strings and other literals") from None


def _call(kind, node, text):
    """The method of a class with the arguments of an expression; what is not a class is taken as it is."""
    if not isinstance(node, ast.Call):
        if not isinstance(kind, type):
            return kind
        arguments, named = [], {}
    else:
        if any(keyword.arg is None for keyword in node.keywords):
            raise _wrong(text, "takes no **")
        arguments = [_value(one, text) for one in node.args]
        named = {keyword.arg: _value(keyword.value, text) for keyword in node.keywords}
    try:
        return kind(*arguments, **named)
    except (TypeError, ValueError) as error:
        raise _wrong(text, f"does not take that: {error}") from error


def _wrong(text, why):
    return UserError(
        f"`--method` should be a method such as cutmix, 'mixup(alpha=0.4)' or mine:Method. Received: --method {text}, "
        f"which {why}."
    )
