"""A day of requests: what a space is worth to those who are still to come, and who gets it."""

from parking.day.bid_prices import BidPricer, BidPrices, PriceRule
from parking.day.bookings import Bookings
from parking.day.clairvoyant import Clairvoyant, clairvoyant
from parking.day.forecast import Forecast, Zones
from parking.day.policies import Batches, FirstCome, Policy, Priced
from parking.day.rolling import DayOutcome, run_day

__all__ = [
    "Batches",
    "BidPricer",
    "BidPrices",
    "Bookings",
    "Clairvoyant",
    "DayOutcome",
    "FirstCome",
    "Forecast",
    "Policy",
    "PriceRule",
    "Priced",
    "Zones",
    "clairvoyant",
    "run_day",
]
