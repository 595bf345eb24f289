"""Fitted numbers: maps from standardised scores to log-likelihood ratios, one YAML file per profile."""
