"""Alarms: what is wrong is looked for, kept, and told to people once, in their language."""
