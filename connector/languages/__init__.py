"""Translations: phrases, times and numbers in the reader's language."""
