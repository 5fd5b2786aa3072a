"""Dongying (东营): the recipe that builds its city directory from the tables in ``data/``."""

from scenarios.dongying.recipe import build

__all__ = ["build"]
