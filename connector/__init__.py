"""Leads and tickets in, vendor records out: nothing lost, nobody contacted twice."""
