"""PostCenter (Adereso), tickets of social networks."""
