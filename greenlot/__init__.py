"""Composition root of the product: command line, server, reports."""
