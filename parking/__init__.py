"""Parking: inventory, allocation, ledger."""
