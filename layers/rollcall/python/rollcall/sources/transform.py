"""A client's own JSON → canonical events, by a JMESPath expression (https://jmespath.org/specification.html). Pure.

An expression comes from outside: its size and depth are limited when it is stored, and its work when it runs. Work is
counted in steps; whatever makes a value larger, or looks through one, pays for all of it beforehand, so that neither
time nor memory can run away (``[@,@]|[@,@]|...`` doubles with every step).
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from rollcall.runtime.errors import Fault, MalformedError

MAX_LENGTH = 4_000
MAX_DEPTH = 60
MAX_STEPS = 400_000
CHARACTERS_A_STEP = 64
PLACE = "transform"

Node = dict[str, Any]


class TooMuchWorkError(Exception):
    """The expression wants more steps than it may have."""


def check(expression: str) -> list[Fault]:
    """Return what is wrong with an expression, with its place; nothing if it can be stored."""
    try:
        _compiled(expression)
    except MalformedError as exc:
        return exc.faults
    return []


def apply(expression: str, document: Any) -> Any:  # noqa: ANN401 - any JSON value in and out
    """Return what an expression makes of a document.

    Raises
    ------
    MalformedError
        If the expression cannot be read, cannot be applied to this document, or takes too long.
    """
    tree = _compiled(expression)
    worker = _Interpreter()
    try:
        worker.pay(_size(document, worker.steps))
        made = worker.visit(tree, document)
        worker.pay(_size(made, worker.steps))
    except TooMuchWorkError:
        detail = "The transform takes too long with this. Make it simpler, or send less at a time."
        raise MalformedError([Fault(PLACE, "transform_too_long", detail)]) from None
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError):
        # What jmespath says holds the value.
        detail = "The transform does not fit this: one of its functions got a value of another kind than it takes."
        raise MalformedError([Fault(PLACE, "transform_failed", detail)]) from None
    return made


@lru_cache(maxsize=64)
def _compiled(expression: str) -> Node:
    if not expression.strip():
        raise MalformedError([Fault(PLACE, "empty", "Write a JMESPath expression.")])
    if len(expression) > MAX_LENGTH:
        raise MalformedError([Fault(PLACE, "too_long", f"Write at most {MAX_LENGTH} characters.")])
    try:
        with warnings.catch_warnings():
            # Text in backticks that is no JSON is taken as text, with a warning: a slip, and told as one.
            warnings.simplefilter("error", PendingDeprecationWarning)
            tree: Node = Parser().parse(expression).parsed
        names = _checked(tree)
    except LexerError as exc:
        raise _fault(exc.lexer_position, "no character of JMESPath may stand here") from None
    except ParseError as exc:
        raise _fault(exc.lex_position, "this is not how JMESPath goes on") from None
    except PendingDeprecationWarning:
        raise _fault(None, "between backticks there must be JSON; write text in single quotes") from None
    except (JMESPathError, ValueError):
        raise _fault(len(expression), "JMESPath does not end here") from None
    except RecursionError:
        raise _too_deep() from None
    unknown = sorted(names - Functions.FUNCTION_TABLE.keys())
    if unknown:
        detail = f"JMESPath has no function of this name: {unknown[0]}()."
        raise MalformedError([Fault(PLACE, "unknown_function", detail)])
    return tree


def _checked(tree: Node) -> set[str]:
    """Return the names of all functions; the depth is limited on the way."""
    names: set[str] = set()
    level = [tree]
    for _ in range(MAX_DEPTH):
        names |= {node["value"] for node in level if node["type"] == "function_expression"}
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
        if not level:
            return names
    raise _too_deep()


def _fault(position: int | None, what: str) -> MalformedError:
    place = f"{PLACE}, character {position + 1}" if position is not None else PLACE
    return MalformedError([Fault(place, "bad_expression", f"The expression cannot be read: {what}.")])


def _too_deep() -> MalformedError:
    detail = f"Nest its parts, and chain pipes, at most {MAX_DEPTH} deep."
    return MalformedError([Fault(PLACE, "too_deep", detail)])


class _Interpreter(TreeInterpreter):  # type: ignore[misc] # jmespath has no types
    """Runs an expression and counts its work."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = MAX_STEPS

    def pay(self, steps: int) -> None:
        """Take steps off what is left."""
        self.steps -= steps
        if self.steps < 0:
            raise TooMuchWorkError

    def visit(self, node: Node, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Visit a node: one step, and one for each entry of a list it makes."""
        made = super().visit(node, *args, **kwargs)
        self.pay(1 + (len(made) if isinstance(made, list) else 0))
        return made

    def visit_multi_select_list(self, node: Node, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Make a list: the same value may be in it many times, and each counts."""
        return self._weighed(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Node, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Make an object: as a list."""
        return self._weighed(super().visit_multi_select_dict(node, value))

    def visit_comparator(self, node: Node, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Compare two values, which looks through both."""
        found = [self._weighed(self.visit(child, value)) for child in node["children"]]
        sides = [{"type": "literal", "value": one, "children": []} for one in found]
        return super().visit_comparator({**node, "children": sides}, value)

    def visit_function_expression(self, node: Node, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Call a function: it may look through all that it is given, and write it out again."""
        given = [self._weighed(self.visit(child, value)) for child in node["children"]]
        return self._weighed(self._functions.call_function(node["value"], given))

    def _weighed(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        self.pay(_size(value, self.steps))
        return value


def _size(value: object, limit: int) -> int:
    """Return how large a value is if every part is counted as often as it is in it; no further than the limit."""
    size, waiting = 0, [value]
    while waiting and size <= limit:
        found = waiting.pop()
        size += 1
        if isinstance(found, str):
            size += len(found) // CHARACTERS_A_STEP
        elif isinstance(found, dict):
            size += sum(len(name) for name in found) // CHARACTERS_A_STEP
            waiting.extend(found.values())
        elif isinstance(found, list):
            if len(found) > limit:
                return limit + 1
            waiting.extend(found)
    return size
