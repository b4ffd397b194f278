"""Codecs of the data wing; the menu stands in data/__init__.py."""
