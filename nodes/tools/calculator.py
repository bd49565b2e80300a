"""Arithmetic as people type it, computed exactly.

The expression is parsed to a syntax tree of which only numbers, operators and the functions named here are
walked; nothing is ever evaluated by Python itself. Numbers are fractions, so 17.5% of 2,340 is 409.5 and not
409.49999999999994. Sizes are bounded before a power is computed, so no input can hang the process.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction

from langchain_core.tools import BaseTool, ToolException, tool

MAX_LENGTH = 500
MAX_BITS = 4096  # about 1,200 decimal digits
MAX_DEPTH = 60

_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_EXACT: dict[str, Callable[[Fraction], Fraction | int]] = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": lambda number: (1 if number >= 0 else -1) * math.floor(abs(number) + Fraction(1, 2)),
}
_REAL: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "ln": math.log,
    "log": math.log10,
    "log2": math.log2,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
}
_CONSTANTS = {"pi": Fraction(math.pi), "e": Fraction(math.e)}
_SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "\0"})  # noqa: RUF001


class CalculationError(ValueError):
    """The expression cannot be computed; the message says why and is safe to show."""


@tool("calculator")
def _calculator(expression: str) -> str:
    """Compute an arithmetic expression exactly.

    Knows + - * / // % ^ (power), brackets, percentages ("17.5% of 2,340"), thousands separators,
    abs, round, floor, ceil, sqrt, exp, ln, log (base 10), log2, sin, cos, tan (radians), pi and e.
    """
    try:
        return calculate(expression)
    except CalculationError as error:
        raise ToolException(str(error)) from error


calculator: BaseTool = _calculator


def calculate(expression: str) -> str:
    """The value of `expression` as plain text: exact where it has finitely many decimals, else 15 digits.

    Raises `CalculationError` for anything that is not arithmetic or is too large.
    """
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"the expression is longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(_as_python(expression), mode="eval")
        return _as_text(_value(tree.body, 0))
    except (SyntaxError, MemoryError, RecursionError):  # what the parser raises for hopeless nesting
        raise CalculationError(f"{expression!r} is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise CalculationError("division by zero") from None
    except (OverflowError, ValueError) as error:
        raise error if isinstance(error, CalculationError) else CalculationError(f"no such value: {error}") from None


def _as_python(expression: str) -> str:
    """Rewrite what people type (percentages, thousands separators, ^, x) in Python's own operators."""
    text = expression.strip().rstrip("=?").translate(_SPELLINGS).replace("\0", "**")
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=[\d)])\s*[xX]\s*(?=[\d(])", "*", text)
    if re.search(r"[+-]\s*\d[\d.]*\s*%(?!\s*(of\b|[\d(]))", text):
        raise CalculationError("adding a percentage is ambiguous: write it as, say, 200 + 10% of 200")
    if re.search(r"\d[eE][+-]?\d{3,}", text):  # Python would silently read it as 0 or infinity
        raise CalculationError("the number is too large or too small")
    text = re.sub(r"%\s*of\b", "/100*", text, flags=re.IGNORECASE)
    return re.sub(r"%(?!\s*[\w(.])", "/100", text)


def _value(node: ast.expr, depth: int) -> Fraction:
    if depth > MAX_DEPTH:
        raise CalculationError("too many nested brackets")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(Fraction(str(number)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth + 1)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, depth + 1), _value(right, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(Fraction(_BINARY[type(op)](_value(left, depth + 1), _value(right, depth + 1))))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            return _function(name, _value(argument, depth + 1))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
    raise CalculationError(f"only numbers, operators and {', '.join([*_EXACT, *_REAL, *_CONSTANTS])} are known")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        if base < 0:
            raise CalculationError("a negative number has no real root of that kind")
        return Fraction(float(base) ** float(exponent))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent.numerator) > MAX_BITS and abs(base) != 1:
        raise CalculationError("the power is too large")
    return Fraction(base**exponent.numerator)


def _function(name: str, argument: Fraction) -> Fraction:
    if name in _EXACT:
        return Fraction(_EXACT[name](argument))
    if name in _REAL:
        return Fraction(_REAL[name](float(argument)))
    raise CalculationError(f"there is no function {name!r}; known: {', '.join([*_EXACT, *_REAL])}")


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise CalculationError("the number is too large")
    return value


def _as_text(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    exact = Context(prec=15).divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(exact.normalize(), "f") if -20 < exact.adjusted() < 20 else str(exact.normalize())
