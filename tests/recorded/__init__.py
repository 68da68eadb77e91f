"""A second opinion: a server that knows the vendors' documents alone, and records what is sent to it byte by byte."""
