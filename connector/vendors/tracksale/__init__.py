"""Tracksale (Track.co), NPS surveys."""
