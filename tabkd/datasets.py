"""Simulated tables for demonstrations and tests; nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from tabkd._typing import RandomState

__all__ = ["make_card_transactions"]

_DAYS = 60
_N_MERCHANTS = 300
_N_TERMINALS = 500
_FRAUD_RATE = 0.01
_CATEGORIES = ("grocery", "fuel", "travel", "electronics", "gambling", "gift cards", "restaurant", "pharmacy")
_COUNTRIES = {
    "DE": "EUR",
    "FR": "EUR",
    "IT": "EUR",
    "GB": "GBP",
    "PL": "PLN",
    "SE": "SEK",
    "US": "USD",
    "BR": "BRL",
}
_WEEKDAYS = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], dtype=object)
_CHANNELS = np.array(["chip", "contactless", "magstripe", "online"], dtype=object)


def make_card_transactions(n_samples: int = 60_000, random_state: RandomState = None) -> pd.DataFrame:
    """Simulate card payments over two months in time order; about one in a hundred is fraud.

    Fraud takes the usual forms of card fraud: small online payments that test stolen cards, large purchases at night,
    use of the magnetic stripe abroad, terminals that leak card data for some days, and bursts of payments with one
    card. All of them are interactions of columns, which an ensemble of trees finds and a linear model cannot.

    Parameters
    ----------
    n_samples : int, default=60000
        Number of payments.
    random_state : int, RandomState instance or None, default=None
        Seed, or generator of the random numbers.

    Returns
    -------
    pandas.DataFrame of shape (n_samples, 19)
        The rows are sorted by ``time_days``; ``fraud`` (0 or 1) is the target. Amounts are in euros. Merchant,
        terminal, channel, country and currency are text columns. Values are missing in ``currency``, ``customer_age``
        and ``card_age_days``, and in ``customer_mean_amount_previous_day`` if the customer did not pay the day before.

    Examples
    --------
    >>> from tabkd.datasets import make_card_transactions
    >>> frame = make_card_transactions(1000, random_state=0)
    >>> frame.shape, int(frame["fraud"].sum())
    ((1000, 19), 10)
    """
    rng = check_random_state(random_state)
    frame = _payments(n_samples, rng)
    state = _hidden_state(frame, rng)
    frame = frame.assign(**_previous_day(frame, state, rng))
    frame["fraud"] = _draw_fraud(_fraud_score(frame, state), rng)
    frame = frame.drop(columns="customer")
    return _with_gaps(frame, rng)


def _payments(n: int, rng: np.random.RandomState) -> pd.DataFrame:
    """Who pays how much, where and when."""
    n_customers = max(20, n // 60)
    customer = rng.choice(n_customers, n, p=_shares(n_customers, 0.6, rng))
    countries = np.array(list(_COUNTRIES), dtype=object)
    home = rng.choice(len(countries), n_customers, p=_shares(len(countries), 0.8, rng))[customer]
    usual = np.exp(rng.normal(3.3, 0.6, n_customers))[customer]

    terminal = rng.choice(_N_TERMINALS, n, p=_shares(_N_TERMINALS, 0.7, rng))
    merchant = np.r_[np.arange(_N_MERCHANTS), rng.randint(_N_MERCHANTS, size=_N_TERMINALS - _N_MERCHANTS)][terminal]
    category = rng.choice(len(_CATEGORIES), _N_MERCHANTS, p=_shares(len(_CATEGORIES), 0.5, rng))[merchant]

    time = np.sort(rng.uniform(0, _DAYS, n).astype(int) + _time_of_day(n, rng))
    channel = rng.choice(4, n, p=[0.4, 0.25, 0.07, 0.28])
    abroad = rng.random_sample(n) < np.where(channel == 3, 0.12, 0.04)
    country = np.where(abroad, (home + rng.randint(1, len(countries), size=n)) % len(countries), home)
    small = (rng.random_sample(n) < 0.03) & (channel == 3)
    amount = usual * np.exp(rng.normal(0, 0.7, n)) * np.array([0.8, 1.2, 4, 3, 1.5, 1.2, 0.7, 0.6])[category]
    amount = np.where(small, rng.uniform(0.5, 2, n), amount).round(2)

    names = np.array([f"merchant {i:03d}" for i in range(_N_MERCHANTS)], dtype=object)
    columns: dict[str, Any] = {
        "time_days": time,
        "amount": amount,
        "amount_to_usual": (amount / usual).round(3),
        "merchant": names[merchant],
        "merchant_category": np.array(_CATEGORIES, dtype=object)[category],
        "terminal": np.array([f"T{i:04d}" for i in range(_N_TERMINALS)], dtype=object)[terminal],
        "channel": _CHANNELS[channel],
        "hour": (time % 1 * 24).astype(np.int64),
        "weekday": _WEEKDAYS[time.astype(int) % 7],
        "country": countries[country],
        "abroad": abroad,
        "currency": np.array(list(_COUNTRIES.values()), dtype=object)[country],
        "customer_age": rng.randint(18, 90, n_customers)[customer].astype(float),
        "card_age_days": (rng.randint(0, 1500, n_customers)[customer] + time).round(),
        "customer": customer,
    }
    text = ("merchant", "merchant_category", "terminal", "channel", "weekday", "country", "currency")
    return pd.DataFrame(columns).astype(dict.fromkeys(text, "str"))


def _hidden_state(frame: pd.DataFrame, rng: np.random.RandomState) -> dict[str, np.ndarray]:
    """Facts that no bank sees: which terminals leak card data on which days, and how lax each merchant's checks are."""
    terminal = frame["terminal"].str[1:].astype(int).to_numpy()
    day = frame["time_days"].to_numpy().astype(int)
    leaking = np.zeros((_N_TERMINALS, _DAYS + 1), dtype=bool)
    for _ in range(_N_TERMINALS // 3):
        start = rng.randint(_DAYS)
        leaking[rng.randint(_N_TERMINALS), start : start + rng.randint(3, 8)] = True
    risk = rng.standard_normal(_N_MERCHANTS)[frame["merchant"].str[-3:].astype(int)]
    return {
        "leaks": leaking[terminal, day],
        "leaked_yesterday": leaking[terminal, np.maximum(day - 1, 0)],
        "merchant_risk": risk,
    }


def _previous_day(
    frame: pd.DataFrame, state: dict[str, np.ndarray], rng: np.random.RandomState
) -> dict[str, np.ndarray]:
    """Payments of the customer and at the terminal on the day before."""
    day = frame["time_days"].astype(int)

    def yesterday(key: str) -> pd.DataFrame:
        seen = frame["amount"].groupby([frame[key], day]).agg(["size", "mean"])
        wanted = pd.MultiIndex.from_arrays([frame[key], day - 1])
        return seen.reindex(wanted)

    customer, terminal = yesterday("customer"), yesterday("terminal")
    return {
        "customer_count_previous_day": customer["size"].fillna(0).to_numpy(np.int64),
        "customer_mean_amount_previous_day": customer["mean"].to_numpy().round(2),
        "terminal_count_previous_day": terminal["size"].fillna(0).to_numpy(np.int64),
        "terminal_declines_previous_day": rng.poisson(0.1 + 4.0 * state["leaked_yesterday"]).astype(np.int64),
    }


def _fraud_score(frame: pd.DataFrame, state: dict[str, np.ndarray]) -> np.ndarray:
    """The log-odds of fraud, up to a constant: interactions that no sum over single columns can express."""
    online, stripe = frame["channel"] == "online", frame["channel"] == "magstripe"
    night = frame["hour"] < 7
    large = frame["amount_to_usual"] > 3
    busy = frame["customer_count_previous_day"] >= 3
    resold = frame["merchant_category"].isin(["electronics", "gift cards"])
    score = (
        6.5 * (online & frame["amount"].between(0.5, 2.0))
        + 5.5 * (night & large & (online | stripe))
        + 5.5 * (frame["abroad"] & stripe & ~night)
        - 2.0 * (frame["abroad"] & (frame["channel"] == "chip"))
        + 4.5 * (resold & large & (frame["card_age_days"] < 150))
        + 3.0 * (busy & large & ~online)
        + 1.5 * state["merchant_risk"].clip(0) * online
        + 6.0 * (state["leaks"] & stripe)
    )
    return score.to_numpy()


def _draw_fraud(score: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Labels drawn by log-odds: exactly the desired share of fraud, but at least one row."""
    noisy = score + rng.logistic(size=len(score))
    n_fraud = max(1, round(_FRAUD_RATE * len(score)))
    fraud = np.zeros(len(score), dtype=np.int64)
    fraud[np.argpartition(noisy, -n_fraud)[-n_fraud:]] = 1
    return fraud


def _with_gaps(frame: pd.DataFrame, rng: np.random.RandomState) -> pd.DataFrame:
    """The table with missing values at random."""
    for name, share in (("currency", 0.03), ("customer_age", 0.08), ("card_age_days", 0.05)):
        frame.loc[rng.random_sample(len(frame)) < share, name] = np.nan
    return frame


def _time_of_day(n: int, rng: np.random.RandomState) -> np.ndarray:
    """Times within a day, from 0 to 1: few at night, most at noon and in the evening."""
    hour = np.where(rng.random_sample(n) < 0.5, rng.normal(12.5, 2.5, n), rng.normal(18.5, 3.5, n))
    return hour % 24 / 24


def _shares(n: int, spread: float, rng: np.random.RandomState) -> np.ndarray:
    """Random shares of n parts with a log-normal distribution."""
    weights = np.exp(spread * rng.standard_normal(n))
    return weights / weights.sum()
