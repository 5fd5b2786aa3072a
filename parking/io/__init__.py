"""Adapters that read and write files; one format a module."""
