"""The format of a job's CSV files: the delimiter, the decimal mark and the thousands separator, and the encoding."""

from __future__ import annotations

import codecs
import re
from dataclasses import asdict, dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from tabkd._options import option

# Thousands separators that hints try: comma, point, apostrophe, space, and the two no-break spaces.
_GROUPS = ",.' \u00a0\u202f"
_EXPONENT = r"([eE][+-]?[0-9]+)?"


def name_encoding() -> str:
    """The remedy for a file that is not text in its encoding."""
    return f"Name its encoding, as in {option('encoding', 'latin-1')}, in which every byte has a meaning."


@dataclass(frozen=True)
class Dialect:
    r"""The format of CSV files, as far as the user gives it.

    Parameters
    ----------
    delimiter : str or None, default=None
        Character between two values. None detects it from the header: a comma, unless only another delimiter gives the
        columns that are needed.
    decimal : str, default="."
        Decimal mark of numbers. It is never guessed.
    thousands : str or None, default=None
        Character between groups of three digits; None for no such character.
    encoding : str or None, default=None
        A codec of Python. None detects it from the byte order mark: UTF-8 if there is none.

    Raises
    ------
    ValueError
        If an option is not a single character or has the same character as another one, or the encoding is unknown.

    Examples
    --------
    >>> Dialect(delimiter=r"\t").delimiter
    '\t'
    >>> Dialect(decimal=",", thousands=".").spelt_for_arrow(pa.array(["1.234,5", "1.5", "7"])).to_pylist()
    ['1234.5', '1\x005', '7']
    """

    delimiter: str | None = None
    decimal: str = "."
    thousands: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter == r"\t":  # as typed in a shell
            object.__setattr__(self, "delimiter", "\t")
        for name in ("delimiter", "decimal", "thousands"):
            value = getattr(self, name)
            if value is not None and (len(value) != 1 or value in '"\r\n\0' or value.isalnum()):
                raise ValueError(f"{option(name)} is {value!r}; expected one character, as in {_EXAMPLES[name]}.")
        if self.delimiter is not None and not self.delimiter.isascii():
            raise ValueError(f"{option('delimiter')} is {self.delimiter!r}; expected an ASCII character, such as ';'.")
        if self.thousands == self.decimal:
            raise ValueError(
                f"{option('thousands')} and {option('decimal')} are both {self.decimal!r}; give two different "
                "characters."
            )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except (LookupError, ValueError) as error:
                raise ValueError(
                    f"{option('encoding', self.encoding)} is not known; give one of Python's codecs, such as utf-8, "
                    "latin-1, cp1252 or utf-16."
                ) from error

    def given(self) -> dict[str, str | None]:
        """What was given, by its name; what was left out is not in it."""
        return {name: value for name, value in asdict(self).items() if value != getattr(PLAIN, name)}

    def spelt_for_arrow(self, text: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Numbers spelt so that Arrow parses them; text that is not a number in this dialect is not one for Arrow."""
        if self.thousands is not None:
            grouped = pc.match_substring_regex(text, self._grouped())
            text = pc.if_else(grouped, pc.replace_substring(text, self.thousands, ""), text)
        if self.decimal != ".":
            text = pc.replace_substring(pc.replace_substring(text, ".", "\0"), self.decimal, ".")
        return text

    def _grouped(self) -> str:
        thousands, decimal = re.escape(str(self.thousands)), re.escape(self.decimal)
        return rf"^[+-]?[0-9]{{1,3}}({thousands}[0-9]{{3}})+({decimal}[0-9]*)?{_EXPONENT}$"

    def hint(self, value: str) -> str:
        """The options with which a text that is not a number would be one; empty if there are none.

        Examples
        --------
        >>> Dialect().hint("12,5")
        "decimal=','"
        >>> Dialect().hint("1.234,50")
        "thousands='.' decimal=','"
        >>> Dialect().hint("1,234")
        "decimal=',' or thousands=','"
        >>> Dialect().hint("#REF!")
        ''
        """
        options = [
            " ".join(
                ([option("thousands", thousands)] if thousands not in (None, self.thousands) else [])
                + ([option("decimal", decimal)] if decimal != self.decimal else [])
            )
            for thousands, decimal in _spellings(self, re.sub("[0-9]", "0", value.strip()))
        ]
        # The fewest changes, the decimal first.
        return " or ".join(dict.fromkeys(sorted(filter(None, options), key=lambda o: ("thousands" in o, len(o)))))


@lru_cache(maxsize=1024)  # the values of a column are of few shapes
def _spellings(dialect: Dialect, shape: str) -> list[tuple[str | None, str]]:
    """The thousands and decimals, other than those of a dialect, by which a text is a number; its digits are all 0."""
    return [
        (thousands, decimal)
        for decimal in dict.fromkeys([dialect.decimal, ",", "."])
        for thousands in (None, *_GROUPS)
        if thousands != decimal
        and (thousands, decimal) != (dialect.thousands, dialect.decimal)
        and _spells(shape, Dialect(decimal=decimal, thousands=thousands))
    ]


def _spells(value: str, dialect: Dialect) -> bool:
    """Whether a text is a number that contains the decimal mark or the thousands separator of a dialect."""
    decimal = re.escape(dialect.decimal)
    if dialect.thousands is None:
        return re.fullmatch(rf"[+-]?[0-9]*{decimal}[0-9]+{_EXPONENT}", value, re.ASCII) is not None
    return re.fullmatch(dialect._grouped(), value, re.ASCII) is not None


_EXAMPLES = {"delimiter": "';'", "decimal": "','", "thousands": "'.'"}
#: The dialect if no option is given.
PLAIN = Dialect()
