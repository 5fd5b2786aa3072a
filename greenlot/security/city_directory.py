"""Whose something is, asked of the parking service."""

from parking.errors import NotFoundError
from parking.service import ParkingService


class CityDirectory:
    """See ``Directory``.

    Parameters
    ----------
    city_id
        The ``{city}`` of the resource names.
    parking
        Knows lots and reservations.
    """

    def __init__(self, city_id: str, parking: ParkingService) -> None:
        self.city_id = city_id
        self._desk = parking.desk

    def operator_of(self, lot_id: str) -> str | None:
        """See ``Directory``."""
        lot = self._desk.places.lots.get(lot_id)
        return lot.operator if lot is not None else None

    async def lot_of(self, reservation_id: str) -> str | None:
        """See ``Directory``."""
        try:
            return (await self._desk.find(reservation_id)).lot_id
        except NotFoundError:
            return None
