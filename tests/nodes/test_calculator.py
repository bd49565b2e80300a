import pytest

from nodes.tools.calculator import CalculationError, calculate


@pytest.mark.fault("tool.calculator")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17.5% of 2,340", "409.5"),
        ("2^10", "1024"),
        ("1,234,567 + 1", "1234568"),
        ("10 % 3", "1"),
        ("3 x 4", "12"),
        ("12 ÷ 4 − 1", "2"),  # noqa: RUF001
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.333333333333333"),
        ("-2^2", "-4"),
        ("sqrt(16) + abs(-3)", "7"),
        ("round(2.5)", "3"),
        ("2^-2", "0.25"),
        ("what", None),
        ("5!", None),
        ("12,34", None),
        ("1/0", None),
        ("0^-1", None),
        ("(-8)^0.5", None),
        ("200 + 10%", None),
        ("9^9^9", None),
        ("2^99999999", None),
        ("1e400", None),
        ("1e-99999999", None),
        ("(" * 400, None),
        ("-" * 400 + "1", None),
        ("1+" * 300 + "1", None),
        ("", None),
        ("__import__('os').system('true')", None),
        ("().__class__", None),
        ("[x for x in (1,)]", None),
        ("abs(1, 2)", None),
        ("sqrt(-1)", None),
        ("exp(99999)", None),
        ("True + 1", None),
        ("'a' * 9", None),
    ],
)
def test_an_expression_has_its_exact_value_or_a_plain_refusal(expression: str, value: str | None) -> None:
    if value is not None:
        assert calculate(expression) == value
        return
    with pytest.raises(CalculationError):
        calculate(expression)
