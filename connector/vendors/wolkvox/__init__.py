"""wolkvox, the predictive dialler."""
