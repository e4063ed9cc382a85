"""What values are read, and which are refused: like in Python."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabkd import DistilledClassifier, ExportedStudent
from tabkd._javascript.text import javascript
from tests.export.hard import FAST, fast_students
from tests.javascript.node import needs_node, scores

pytestmark = needs_node

_SPELLINGS = ["nan", "None", "<NA>", "True", "False", "1", "2.0", " 2 ", "1e3", "1_000", "07", "x", "", "Infinity"]
_TEXTS = st.one_of(
    st.sampled_from(_SPELLINGS), st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=3)
)
# Whole numbers within 2**53 and fractions, which JSON keeps apart in Python, but not in JavaScript.
_WHOLE = st.one_of(st.integers(-5, 5), st.integers(-(2**53) + 1, 2**53 - 1))
_FRACTIONS = st.floats(-1e4, 1e4).filter(lambda v: v != int(v) and abs(v) > 1e-3)
_NUMBERS = st.one_of(_WHOLE, st.floats(allow_infinity=False, allow_nan=False))
_ODD = st.one_of(st.none(), _WHOLE, _FRACTIONS, st.booleans(), _TEXTS)


@pytest.fixture(scope="module")
def model(node):
    """A student of numbers, texts, codes with zeros in front, numbers as categories, and flags."""
    rng, n = np.random.default_rng(0), 300
    X = pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "shop": rng.choice(["a", "b", "1", "True"], n).astype(object),
            "zip": rng.choice(["01", "02", "x"], n).astype(object),
            "grade": pd.Categorical(rng.choice([1.0, 2.0, 2.5], n)),
            "flag": rng.random(n) < 0.5,
        }
    )
    score = X["amount"] + (X["shop"] == "a") + (X["zip"] == "01") + X["grade"].astype(float) + X["flag"]
    one = DistilledClassifier(student=fast_students()["additive"], **FAST).fit(X, np.where(score > 3, "yes", "no"))
    exported = ExportedStudent(one.to_onnx(contributions=True).SerializeToString())
    node.load("values", javascript(exported.content))
    return exported


def row_of(number=_NUMBERS, odd=_ODD):
    number = st.one_of(st.none(), number, st.booleans())
    names = ("shop", "zip", "grade")
    return st.fixed_dictionaries({"amount": number, "flag": number} | dict.fromkeys(names, odd))


@settings(max_examples=150)
@given(st.lists(row_of(), min_size=1, max_size=3))
def test_odd_values_are_scored_or_refused_like_in_python(model, node, rows):
    assert_alike(model, node, rows)


@settings(max_examples=60)
@given(st.lists(row_of(odd=st.none()).flatmap(lambda row: st.just(row | {"flag": True})), min_size=1, max_size=2), _ODD)
def test_a_text_in_a_column_of_numbers_is_refused_like_in_python(model, node, rows, odd):
    assert_alike(model, node, [*rows, rows[0] | {"amount": odd}])


def assert_alike(model, node, rows):
    answers = node.score("values", rows)
    refused = refusal(model, rows)
    if refused is None:
        assert isinstance(answers, list), answers
        np.testing.assert_allclose(scores(answers), model.predict_proba(rows), atol=1e-5)
        return
    assert "error" in answers, f"{refused} {answers}"
    name = next(name for name in rows[0] if repr(name) in refused)
    assert f'Column "{name}"' in answers["error"]


def refusal(model, rows):
    """Why Python refuses the rows; None if it does not."""
    try:
        model.predict_proba(rows)
    except ValueError as error:
        return str(error)
    return None


ROW = '{amount: 1, shop: "a", zip: "01", grade: 2, flag: true}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('amount: "5"', r'"amount" holds "5" \(string\) in row 0. The column was numeric at fit. Convert it'),
        ("amount: Infinity", r'"amount" holds Infinity \(number\) in row 0. Replace it by a finite number'),
        ("amount: 2n ** 60n", r'"amount" holds 1152921504606846976 \(bigint\) in row 0. It has more digits'),
        ("amount: new Date(0)", r'"amount" holds \[object Date\] \(object\) in row 0. Give a number'),
        ("amount: [1]", r'"amount" holds \[object Array\]'),
        ("amount: undefined", r'Row 0 has no value for the column "amount". Give it null where'),
        ("shop: 7", r'"shop" holds 7 \(number\) in row 0. It had categories such as "1" at fit. Give it the same type'),
        ("zip: 1", r'"zip" holds 1 \(number\) in row 0. Its categories are texts such as "01", and a number has lost'),
        ('grade: "x"', r'"grade" holds "x" \(string\) in row 0. It had categories such as 1 at fit'),
        ("grade: 2 ** 53", r'"grade" holds 9007199254740992 \(number\) in row 0. Beyond 2\^53'),
        ("shop: Symbol()", r'"shop" holds Symbol\(\)'),
    ],
)
def test_a_wrong_value_is_refused_with_its_column_and_a_remedy(model, node, change, message):
    code = f"return student.score(Object.assign({ROW}, {{{change}}}))"
    assert re.search(message, node.run(code, "values")["error"])


def test_a_bigint_is_read_as_the_number_that_it_is(model, node):
    code = 'return student.score({amount: 1n, shop: 1n, zip: "01", grade: 2n, flag: 1n})'
    expected = model.predict_proba([{"amount": 1, "shop": 1, "zip": "01", "grade": 2, "flag": 1}])
    np.testing.assert_allclose(scores([node.run(code, "values")]), expected, atol=1e-6)


@pytest.mark.parametrize("rows", [5, None, "x", [1], [[1, 2]]])
def test_what_is_no_row_is_refused(model, node, rows):
    assert "give an object with a value for each column" in node.score("values", rows)["error"]


def test_no_rows_have_no_answers(model, node):
    assert node.score("values", []) == []


def test_a_key_that_rows_only_inherit_is_missing(model, node):
    code = f"return student.score(Object.create({ROW}))"
    assert 'no value for the column "amount"' in node.run(code, "values")["error"]
